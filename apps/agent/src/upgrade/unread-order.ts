/**
 * The way out for an agent that is too old for its server: an order whose body it cannot read may name a newer agent, in a
 * form that never changes. Without a body there is no grant, so nothing is reported but by the new version itself. Signature,
 * trial and fall back are as ever, and it is done only while nothing else is open here.
 */
import type { AgentUpgrade } from '@drydock/contracts';
import { DrydockError } from '@drydock/dfu-core';
import { sleep, type Clock } from '../clock.js';
import type { Logger } from '../logger.js';
import type { ArtifactCache } from '../uplink/artifact-cache.js';
import type { SelfActions } from './self-link.js';

/** From the order to the activation: later it may have been taken back, and this agent cut off. */
const WITHIN_MS = 10 * 60_000;
const TRIAL_MS = 15 * 60_000;
const LOOK_MS = 1000;
const PIECE_BYTES = 64 * 1024;

export interface UnreadOrderOptions {
  readonly self: SelfActions;
  readonly cache: Pick<ArtifactCache, 'obtain' | 'open'>;
  readonly clock: Clock;
  readonly log: Logger;
  /** Attempts are held or under way. */
  isBusy(): boolean;
}

export class UnreadOrder {
  readonly #options: UnreadOrderOptions;
  #wanted: { readonly sha256: string; readonly abort: AbortController } | undefined;
  #work: Promise<void> = Promise.resolve();

  constructor(options: UnreadOrderOptions) {
    this.#options = options;
  }

  /** @param upgrade what the newest order names; undefined takes back what an earlier one named. */
  take(upgrade: AgentUpgrade | undefined): void {
    if (upgrade?.sha256 === this.#wanted?.sha256) return;
    this.#wanted?.abort.abort();
    this.#wanted = undefined;
    if (!upgrade) return;
    const who = this.#options.self.who();
    // What runs, and what did not stand its trial, is not tried again without a person.
    if (who.sha256 === upgrade.sha256 || who.fellBack?.sha256 === upgrade.sha256) return;
    const abort = new AbortController();
    this.#wanted = { sha256: upgrade.sha256, abort };
    this.#work = this.#work
      .then(() => this.#upgrade(upgrade, abort.signal))
      .catch((error: Error) => {
        this.#options.log.error(
          { detail: error.message },
          'the new version of an order that cannot be read is not taken',
        );
      });
  }

  async stop(): Promise<void> {
    this.#wanted?.abort.abort();
    await this.#work;
  }

  async #upgrade(upgrade: AgentUpgrade, signal: AbortSignal): Promise<void> {
    const { self, cache, clock, log } = this.#options;
    const endsAtMs = clock.monotonicMs() + WITHIN_MS;
    log.warn({ version: upgrade.version }, 'the order cannot be read, but names a newer agent');
    await cache.obtain(upgrade, WITHIN_MS, signal);
    const file = await cache.open(upgrade.sha256);
    try {
      await self.stage(upgrade.sha256, file.length);
      for (let at = 0; at < file.length; at += PIECE_BYTES) {
        await self.write(file.read(at, Math.min(PIECE_BYTES, file.length - at)));
      }
    } finally {
      file.close();
    }
    await self.check();
    while (this.#options.isBusy() && !signal.aborted && clock.monotonicMs() < endsAtMs) {
      await sleep(clock, LOOK_MS, signal);
    }
    if (signal.aborted || clock.monotonicMs() >= endsAtMs) throw new DrydockError('order.withdrawn');
    self.activate(TRIAL_MS);
  }
}
