import { SubNav } from '../../pieces/sub-nav.js';

const PAGES = [
  { to: '/settings/you', label: 'You' },
  { to: '/settings/tokens', label: 'Your tokens' },
  { to: '/settings/people', label: 'People' },
];

export function SettingsNav() {
  return <SubNav label="Settings" pages={PAGES} />;
}
