import { SubNav } from '../../pieces/sub-nav.js';

const PAGES = [
  { to: '/fleet/devices', label: 'Devices' },
  { to: '/fleet/gateways', label: 'Gateways' },
  { to: '/fleet/sites', label: 'Sites' },
];

export function FleetNav() {
  return <SubNav label="Fleet" pages={PAGES} />;
}
