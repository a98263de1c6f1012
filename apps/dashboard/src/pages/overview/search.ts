/** What the address of the overview holds: how versions over time are looked at. */
export const VERSION_DAYS = ['7', '90', '365'] as const;

export interface OverviewSearch {
  /** Also devices that were not seen for 30 days. */
  readonly seen?: 'all' | undefined;
  /** Undefined: 30. */
  readonly days?: (typeof VERSION_DAYS)[number] | undefined;
  readonly model?: string | undefined;
}
