/** What the address of the page holds. */
export const DELIVERY_SHOWS = ['waiting', 'delivered', 'failed'] as const;

export interface WebhookSearch {
  readonly state?: (typeof DELIVERY_SHOWS)[number] | undefined;
  /** Id of the delivery that is shown beside the list. */
  readonly delivery?: string | undefined;
}
