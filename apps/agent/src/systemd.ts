/**
 * What a service manager wants to hear: ready, alive, stopping, and more time where a device needs it.
 *
 * Source: sd_notify(3) of systemd. Its socket is of datagrams, which Node does not speak, so `systemd-notify` says it;
 * therefore the unit has `NotifyAccess=all`. Without `NOTIFY_SOCKET` nothing is said.
 */
import { execFile } from 'node:child_process';
import type { Clock } from './clock.js';
import type { Logger } from './logger.js';

/** More than a look takes, less than a minute: asked for again and again while it is needed. */
const MORE_TIME_MS = 60_000;
const STOP_LOOK_MS = 20_000;
const SAY_MS = 10_000;

export interface SystemdOptions {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly clock: Pick<Clock, 'after'>;
  readonly log: Logger;
}

export class Systemd {
  readonly #options: SystemdOptions;
  readonly #wanted: boolean;
  #timer: (() => void) | undefined;
  #complained = false;

  constructor(options: SystemdOptions) {
    this.#options = options;
    this.#wanted = (options.env['NOTIFY_SOCKET'] ?? '') !== '';
  }

  /** The daemon runs. From now on it is alive as long as its timers are. */
  ready(): void {
    if (!this.#wanted) return;
    this.#say('READY=1', `MAINPID=${process.pid}`);
    const limitMs = Number(this.#options.env['WATCHDOG_USEC'] ?? 0) / 1000;
    if (Number.isFinite(limitMs) && limitMs > 0) this.#everyMs(limitMs / 3, () => this.#say('WATCHDOG=1'));
  }

  /** @param needsMore whether a device cannot be left yet. */
  stopping(needsMore: () => boolean): void {
    if (!this.#wanted) return;
    this.#say('STOPPING=1');
    const watchdog = this.#options.env['WATCHDOG_USEC'] ? ['WATCHDOG=1'] : [];
    const look = (): void => {
      if (needsMore()) this.#say(`EXTEND_TIMEOUT_USEC=${MORE_TIME_MS * 1000}`, ...watchdog);
    };
    look();
    this.#everyMs(STOP_LOOK_MS, look);
  }

  close(): void {
    this.#timer?.();
    this.#timer = undefined;
  }

  #everyMs(ms: number, work: () => void): void {
    this.#timer?.();
    this.#timer = this.#options.clock.after(ms, () => {
      work();
      this.#everyMs(ms, work);
    });
  }

  #say(...words: readonly string[]): void {
    execFile('systemd-notify', [...words], { timeout: SAY_MS }, (error) => {
      if (!error || this.#complained) return;
      this.#complained = true;
      this.#options.log.warn({ detail: error.message.split('\n')[0] }, 'the service manager cannot be told');
    });
  }
}
