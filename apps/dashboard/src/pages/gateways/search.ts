/** What the address of the page holds. */
export const GATEWAY_SHOWS = ['connected', 'away', 'quarantined', 'decommissioned'] as const;

export interface GatewaysSearch {
  /** `name==gw-*;site==oslo`. */
  readonly q?: string | undefined;
  readonly show?: (typeof GATEWAY_SHOWS)[number] | undefined;
  /** `enrol`: the dialog that makes a one-time token. */
  readonly open?: 'enrol' | undefined;
}
