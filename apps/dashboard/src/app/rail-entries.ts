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
  { to: '/advisories', label: 'Advisories', key: 'v' },
  { to: '/approvals', label: 'Approvals', key: 'p' },
];
