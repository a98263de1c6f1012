/**
 * What dispatch tells within this process after a commit. Nothing depends on hearing it: the outbox and the dirty
 * flags in the database do.
 */
import { Injectable } from '@nestjs/common';

export interface DecidedEvent {
  readonly campaignId: string;
  readonly kind: string;
  readonly params: Readonly<Record<string, unknown>>;
}

@Injectable()
export class DispatchEvents {
  private readonly ordersHandlers = new Set<() => void>();
  private readonly decidedHandlers = new Set<(event: DecidedEvent) => void>();
  private readonly campaignHandlers = new Set<() => void>();

  onOrdersDue(handler: () => void): void {
    this.ordersHandlers.add(handler);
  }
  /** An order is due at some gateway. */
  ordersDue(): void {
    for (const handler of this.ordersHandlers) handler();
  }

  onCampaignDue(handler: () => void): void {
    this.campaignHandlers.add(handler);
  }
  /** Some campaign was marked dirty. */
  campaignDue(): void {
    for (const handler of this.campaignHandlers) handler();
  }

  onDecided(handler: (event: DecidedEvent) => void): void {
    this.decidedHandlers.add(handler);
  }
  decided(event: DecidedEvent): void {
    for (const handler of this.decidedHandlers) handler(event);
  }
}
