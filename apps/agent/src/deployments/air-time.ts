/**
 * What updates take, as measured: bytes of the artifact per second of a whole attempt, from opening the link to the proof.
 * By device where it was measured, else by protocol and kind of link, else by what is usual there. So a slow link or a
 * slow flash counts as the time it costs, and `chooseNext` can plan with it.
 */
import type { Grant } from '@drydock/contracts';
import { linkLane, parseLinkName } from '../links/parse-link.js';

/** Bytes per second where nothing was measured yet. */
const USUAL = { ble: 5000, serial: 8000, udp: 20_000, agent: 1_000_000 } as const;
/** An attempt takes that long even for an empty file: finding, opening, restarting, asking. */
const AROUND_MS = 5000;
/** Share of the newest measurement in the mean. */
const NEWEST = 0.3;
const MAX_DEVICES = 1024;

type Planned = Pick<Grant, 'device' | 'protocol' | 'links' | 'artifact'>;

export class AirTime {
  readonly #rates = new Map<string, number>();
  readonly #usedMs = new Map<string, number>();

  /** What an attempt is expected to take, milliseconds. */
  expectedMs(grant: Planned): number {
    const rate = this.#rates.get(deviceKey(grant)) ?? this.#rates.get(kindKey(grant)) ?? USUAL[kindOf(grant)];
    return AROUND_MS + (grant.artifact.sizeBytes * 1000) / rate;
  }

  /** An attempt that carried the whole file took so long. */
  took(grant: Planned, durationMs: number): void {
    const rate = (grant.artifact.sizeBytes * 1000) / Math.max(1, durationMs - AROUND_MS);
    for (const key of [deviceKey(grant), kindKey(grant)]) {
      const was = this.#rates.get(key);
      // Taken out and put in again: the order of the map is that of use.
      this.#rates.delete(key);
      this.#rates.set(key, was === undefined ? rate : was + NEWEST * (rate - was));
    }
    if (this.#rates.size > MAX_DEVICES) {
      const [oldest] = this.#rates.keys();
      if (oldest !== undefined) this.#rates.delete(oldest);
    }
  }

  /** A link was held so long, whatever came of it. */
  used(grant: Planned, durationMs: number): void {
    const key = laneOfUse(grant);
    this.#usedMs.set(key, (this.#usedMs.get(key) ?? 0) + durationMs);
  }

  /** Milliseconds that attempts have held links since the start: `ble` for all of the adapter, `serial:PATH` for a port. */
  usage(): ReadonlyMap<string, number> {
    return this.#usedMs;
  }
}

/** One for all of the adapter, which they share; else one for each port or address. */
export const laneOfUse = (grant: Pick<Grant, 'links'>): string => {
  const link = grant.links[0] ?? '';
  return parseLinkName(link).kind === 'ble' ? 'ble' : linkLane(link);
};
const kindOf = (grant: Planned): keyof typeof USUAL => parseLinkName(grant.links[0] ?? '').kind;
const deviceKey = (grant: Planned): string => `device ${grant.device}`;
const kindKey = (grant: Planned): string => `${grant.protocol} over ${kindOf(grant)}`;
