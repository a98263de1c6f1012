/** The level of the log: what the person who started the agent wants, unless somebody asked for more for a while. */
import type { Clock } from '../clock.js';
import type { Logger } from '../logger.js';

/** Longest time for which another level may be asked: a gateway must not fill its disk for a year. */
export const MAX_LEVEL_MS = 24 * 3_600_000;

export class LogLevelSwitch {
  readonly #usual: string;
  #callOff: (() => void) | undefined;
  #until: { readonly level: string; readonly endsAtMs: number } | undefined;

  constructor(
    private readonly log: Logger & { level: string },
    private readonly clock: Pick<Clock, 'after'>,
  ) {
    this.#usual = log.level;
  }

  get level(): string {
    return this.log.level;
  }

  /** When the present level ends (milliseconds of the gateway's own clock); undefined for the usual one. */
  get endsAtMs(): number | undefined {
    return this.#until?.endsAtMs;
  }

  /** From now on for a while; 0 goes back at once. */
  set(level: string, forMs: number): void {
    this.#callOff?.();
    this.#callOff = undefined;
    if (forMs <= 0) {
      if (this.#until) this.#back();
      return;
    }
    const takesMs = Math.min(forMs, MAX_LEVEL_MS);
    this.log.level = level;
    this.#until = { level, endsAtMs: Date.now() + takesMs };
    this.log.warn({ level, forMs: takesMs }, 'log level changed for a while');
    this.#callOff = this.clock.after(takesMs, () => this.#back());
  }

  stop(): void {
    this.#callOff?.();
  }

  #back(): void {
    this.#until = undefined;
    this.log.warn({ level: this.#usual }, 'log level back to usual');
    this.log.level = this.#usual;
  }
}
