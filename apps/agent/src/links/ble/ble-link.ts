/** A device behind a Bluetooth adapter: found by advertisement, connected, discovered. */
import { InvariantError, LinkError, type Link, type OpenLink, type ReconnectHint } from '@drydock/dfu-core';
import type { BleHost } from './ble-host.js';
import { discover } from './gatt-discovery.js';
import { OpenBleLink } from './open-ble-link.js';
import { NO_DEMANDS, type SecurityPolicy } from './security-policy.js';
import { matcherFor } from './target-match.js';

export interface BleLinkOptions {
  /** Default: whatever the device advertises. */
  readonly addressType?: 'public' | 'random' | undefined;
  /** Services to discover (UUIDs spelled like channels); all when absent or empty. */
  readonly services?: readonly string[];
  /** What the site asks of the link. Default: nothing. */
  readonly security?: SecurityPolicy | undefined;
}

/** Pause before a device is tried again that was found and did not hold the connection. */
const RETRY_PAUSE_MS = 50;
/** Pause until the adapter, which was full, may have room. */
const NO_ROOM_PAUSE_MS = 500;
/** Trying again changes nothing, or must not be done. */
const FINAL: ReadonlySet<string> = new Set([
  'link.ble-unavailable',
  'link.busy',
  'link.bond-lost',
  'link.security-level',
  'link.pairing-failed',
  'link.passkey-required',
  'link.downgrade',
]);

export class BleLink implements Link {
  readonly kind = 'ble';

  constructor(
    private readonly adapter: BleHost,
    readonly name: string,
    readonly address: string,
    private readonly options: BleLinkOptions,
  ) {}

  /**
   * Looks for the target as the hint says until it is found, connected and discovered. Attempts that fail on the way
   * are repeated while time is left.
   * @param signal ends the search; what is being connected is let go.
   */
  async open(hint: ReconnectHint, withinMs: number, signal?: AbortSignal): Promise<OpenLink> {
    const { clock } = this.adapter;
    const deadline = clock.monotonicMs() + withinMs;
    const left = (): number => (signal?.aborted ? 0 : deadline - clock.monotonicMs());
    const matches = matcherFor(this.address, hint);
    if (hint.afterMs) await this.adapter.pause(Math.min(hint.afterMs, withinMs), signal);

    let last: LinkError | undefined;
    while (left() > 0) {
      const found = await this.adapter.find(
        left(),
        ({ sighting, addressType }) => {
          const wanted = this.options.addressType;
          if (sighting.address === this.address && wanted !== undefined && addressType !== wanted) return false;
          return matches(sighting);
        },
        signal,
      );
      if (left() <= 0) break;
      // The adapter went while it was looked for: the next look says so.
      if (!found) continue;
      try {
        const connection = await this.adapter.connect(found, left());
        const link = new OpenBleLink(this.adapter, found, connection);
        try {
          // A bootloader under another address has no bond to be asked for.
          const isItself = found.sighting.address === this.address;
          const policy = (isItself && this.options.security) || NO_DEMANDS;
          link.secured = await this.adapter.secure(found, connection, policy, left());
          await link.start((gone) => discover(found.peripheral, this.options.services ?? [], gone), left());
          return link;
        } catch (error) {
          link.abandon();
          throw error;
        }
      } catch (error) {
        if (!(error instanceof LinkError) || error instanceof InvariantError) throw error;
        if (FINAL.has(error.code)) throw error;
        last = error;
        const pauseMs = error.code === 'link.no-room' ? NO_ROOM_PAUSE_MS : RETRY_PAUSE_MS;
        await this.adapter.pause(Math.min(pauseMs, Math.max(0, left())), signal);
      }
    }
    if (last && last.code !== 'link.timeout') throw last;
    throw new LinkError('link.not-found', { link: this.name, withinMs }, { cause: last });
  }
}
