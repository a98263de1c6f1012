/** A device behind the adapter, whichever that is just now: an adapter may be opened anew in the middle of an update. */
import { LinkError, type OpenLink, type ReconnectHint } from '@drydock/dfu-core';
import { sleep, type Clock } from '../clock.js';
import type { ReopeningLink } from '../driver/session-driver.js';
import type { AdapterKeeper } from './adapter-keeper.js';
import type { BleAdapter } from './ble/index.js';

const RETRY_MS = 500;

export class KeptBleLink implements ReopeningLink {
  readonly kind = 'ble';

  constructor(
    private readonly keeper: Pick<AdapterKeeper, 'adapter' | 'mayReturn'>,
    private readonly clock: Clock,
    readonly name: string,
    private readonly linkOf: (adapter: BleAdapter) => ReopeningLink,
  ) {}

  /** As the link itself opens; while the adapter is away it is waited for, as long as there is time. */
  async open(hint: ReconnectHint, withinMs: number, signal?: AbortSignal): Promise<OpenLink> {
    const endMs = this.clock.monotonicMs() + withinMs;
    for (let left = withinMs; ; left = endMs - this.clock.monotonicMs()) {
      try {
        return await this.linkOf(await this.keeper.adapter()).open(hint, Math.max(1, left), signal);
      } catch (error) {
        const away = error instanceof LinkError && error.code === 'link.ble-unavailable' && this.keeper.mayReturn;
        if (!away || signal?.aborted || this.clock.monotonicMs() + RETRY_MS >= endMs) throw error;
        await sleep(this.clock, RETRY_MS, signal);
      }
    }
  }
}
