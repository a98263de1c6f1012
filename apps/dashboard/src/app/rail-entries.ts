/** What the rail shows, in its order. Only pages that exist. `key`: pressed after `g`. */
export interface RailEntry {
  readonly to: string;
  readonly label: string;
  readonly key: string;
  /** Below the line: looked at less often. */
  readonly below?: boolean;
}

export const RAIL: readonly RailEntry[] = [
  { to: '/', label: 'Overview', key: 'o' },
  { to: '/campaigns', label: 'Campaigns', key: 'c' },
  { to: '/fleet', label: 'Fleet', key: 'f' },
  { to: '/artifacts', label: 'Artifacts', key: 'a' },
  { to: '/advisories', label: 'Advisories', key: 'v' },
  { to: '/approvals', label: 'Approvals', key: 'p' },
  { to: '/audit', label: 'Audit', key: 'u', below: true },
  { to: '/webhooks', label: 'Webhooks', key: 'w', below: true },
  { to: '/settings', label: 'Settings', key: 's', below: true },
];
