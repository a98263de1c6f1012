/**
 * The trial of a new version: it is the good one once it is connected, the server has acknowledged its first report, and
 * the links that were up under the version before have opened again. Until then no device is touched.
 */
import type { Clock } from '../clock.js';
import type { Logger } from '../logger.js';
import type { TrialState } from './launcher-state.js';

export interface TrialFacts {
  readonly online: boolean;
  /** The server answered while the version was on trial. */
  readonly answered?: boolean;
  /** Reports of this start that the server has committed. */
  readonly acknowledged: number;
  readonly links: readonly {
    readonly link: string;
    readonly state: 'up' | 'down';
    readonly note?: string | undefined;
  }[];
  /** Ports and adapters that are not plugged in now: nobody could open them. */
  readonly missing: readonly string[];
}

/** Codes of a link that was tried and did not open; with any other it opened, and the device behind it said nothing. */
const NOT_OPENED = ['link.open-failed', 'link.busy', 'link.ble-unavailable', 'gateway.'];
/** Why a trial was left for which there was no server, as its reason begins. */
export const NOT_CONNECTED = 'not connected to the server';
export const NOT_ACKNOWLEDGED = 'the server has acknowledged no report yet';
/** Said with it where the server did not answer to anything else either. */
export const NOTHING_ANSWERED = 'nothing answered at its address';
const NOT_WRITTEN = 'that it has proven itself cannot be written down';
const LOOK_MS = 500;

export interface TrialOptions {
  readonly state: TrialState;
  readonly clock: Clock;
  readonly log: Logger;
  facts(): TrialFacts;
  /** It is the good one from now on. */
  confirm(): void;
  /** It is left for the last good one. */
  fallBack(why: string): void;
}

export class Trial {
  readonly #options: TrialOptions;
  readonly #endsAtMs: number;
  #callOff: (() => void) | undefined;
  #pending = true;

  constructor(options: TrialOptions) {
    this.#options = options;
    this.#endsAtMs = options.clock.monotonicMs() + options.state.withinMs;
  }

  start(): void {
    this.#callOff = this.#options.clock.after(LOOK_MS, () => {
      this.look();
      if (this.#pending) this.start();
    });
  }

  stop(): void {
    this.#callOff?.();
  }

  get pending(): boolean {
    return this.#pending;
  }

  /** What it still waits for; undefined when the trial is over. */
  look(): string | undefined {
    if (!this.#pending) return undefined;
    const { clock, state, log } = this.#options;
    const waits = waitsFor(this.#options.facts(), state.links);
    if (waits === undefined && this.#confirmed()) {
      this.#end();
      log.warn({ version: state.version }, 'the new version has proven itself');
      return undefined;
    }
    const missing = waits ?? NOT_WRITTEN;
    if (clock.monotonicMs() >= this.#endsAtMs) this.giveUp(missing);
    return missing;
  }

  /** What is not written down is not so: the launcher would leave a version that had been called proven. */
  #confirmed(): boolean {
    this.#pending = false;
    try {
      this.#options.confirm();
      return true;
    } catch (error) {
      this.#pending = true;
      this.#options.log.error({ detail: (error as Error).message }, NOT_WRITTEN);
      return false;
    }
  }

  giveUp(why: string): void {
    if (!this.#pending) return;
    this.#end();
    this.#options.log.error({ version: this.#options.state.version, why }, 'the new version has not proven itself');
    this.#options.fallBack(why);
  }

  #end(): void {
    this.#pending = false;
    this.#callOff?.();
  }
}

/** @returns what is missing, undefined when nothing is. */
export function waitsFor(facts: TrialFacts, wanted: readonly string[]): string | undefined {
  const silent = facts.answered === true ? '' : `: ${NOTHING_ANSWERED}`;
  if (!facts.online) return `${NOT_CONNECTED}${silent}`;
  if (facts.acknowledged < 1) return `${NOT_ACKNOWLEDGED}${silent}`;
  const missing = new Set(facts.missing);
  const noRadio = facts.missing.some((name) => name.startsWith('adapter:'));
  for (const name of wanted) {
    const now = facts.links.find(({ link }) => link === name);
    if (now?.state === 'up' || missing.has(name) || (noRadio && name.startsWith('ble:'))) continue;
    if (!now) return `${name} was not tried yet`;
    const { note } = now;
    if (name.startsWith('adapter:') || note === undefined || NOT_OPENED.some((code) => note.startsWith(code))) {
      return `${name} does not open: ${note ?? 'down'}`;
    }
  }
  return undefined;
}
