/**
 * Keeps the Bluetooth adapter open for as long as somebody wants it: opens it when it is first needed, and again when it
 * went or hung, with its power taken away in between where that can be done. Tells what became of it.
 */
import { DrydockError, LinkError } from '@drydock/dfu-core';
import { sleep, type Clock } from '../clock.js';
import type { Logger } from '../logger.js';
import type { BleAdapter, BleAdapterOptions } from './ble/index.js';

export interface AdapterState {
  readonly state: 'up' | 'down';
  /** For people: why it is down, or what happened to it. */
  readonly note: string | undefined;
  /** What the controller carries at a time, where it has refused one more. */
  readonly connections: number | undefined;
  /** Times that it went or hung and was opened anew. */
  readonly restarts: number;
}

export interface AdapterKeeperOptions {
  /** `hci0`, `h4:…` */
  readonly name: string;
  readonly clock: Clock;
  readonly log: Logger;
  open(options: BleAdapterOptions): Promise<BleAdapter>;
  /** Takes and gives power. @returns what was done, for people. Absent: opening it is enough. */
  powerCycle?(): Promise<string>;
  /** Called whenever the state has changed. */
  changed(state: AdapterState): void;
}

/** A machine without Bluetooth is not asked again at every turn. */
const RETRY_MS = 60_000;
/** One that has worked may be back soon: whoever waits for a device looks for it so often. */
const SOON_MS = 1000;
/** One that is gone as soon as it is open does not keep the machine busy. */
const FLAPPING_MS = 5000;
/** A refusal was perhaps of that moment: after this one more connection is tried. */
const FORGET_ONE_MS = 15 * 60_000;

export class AdapterKeeper {
  readonly #options: AdapterKeeperOptions;
  readonly #stop = new AbortController();
  #opening: Promise<BleAdapter> | undefined;
  #failedAtMs = Number.NEGATIVE_INFINITY;
  #failure: unknown;
  #openedAtMs = Number.NEGATIVE_INFINITY;
  #lastCause = '';
  #hasWorked = false;
  #callOff: () => void = () => undefined;
  #state: AdapterState = { state: 'up', note: undefined, connections: undefined, restarts: 0 };

  constructor(options: AdapterKeeperOptions) {
    this.#options = options;
  }

  get state(): AdapterState {
    return this.#state;
  }

  /** The adapter, which is opened unless it is open. @throws LinkError `link.ble-unavailable` */
  adapter(): Promise<BleAdapter> {
    const pauseMs = this.#hasWorked ? SOON_MS : RETRY_MS;
    if (!this.#opening && this.#options.clock.monotonicMs() - this.#failedAtMs < pauseMs) {
      return Promise.reject(this.#failure as Error);
    }
    return (this.#opening ??= this.#open());
  }

  /** It worked once and is gone: it may come back within the time of whoever waits. */
  get mayReturn(): boolean {
    return this.#hasWorked && !this.#stop.signal.aborted;
  }

  /** It was seen again: what it failed at before says nothing any more. */
  returned(): void {
    this.#failedAtMs = Number.NEGATIVE_INFINITY;
  }

  async close(): Promise<void> {
    this.#stop.abort();
    this.#callOff();
    await (await this.#opening?.catch(() => undefined))?.close();
  }

  async #open(): Promise<BleAdapter> {
    const { clock, log, name, open } = this.#options;
    try {
      const opened = await open({ clock, onFull: (connections) => this.#isFull(connections) });
      this.#hasWorked = true;
      this.#openedAtMs = clock.monotonicMs();
      void opened.closed.then(() => this.#gone(opened.goneBecause ?? 'closed'));
      const { restarts } = this.#state;
      this.#tell({
        state: 'up',
        note:
          restarts > 0
            ? `opened anew ${restarts === 1 ? 'once' : `${restarts} times`}, last because: ${this.#lastCause}`
            : undefined,
      });
      return opened;
    } catch (error) {
      this.#opening = undefined;
      this.#failedAtMs = clock.monotonicMs();
      this.#failure =
        error instanceof DrydockError
          ? error
          : new LinkError('link.ble-unavailable', { detail: (error as Error).message });
      if (this.#state.state === 'up') log.warn({ adapter: name, detail: (error as Error).message }, 'no Bluetooth');
      this.#tell({ state: 'down', note: (error as Error).message });
      throw this.#failure;
    }
  }

  #gone(cause: string): void {
    if (this.#stop.signal.aborted) return;
    const { name, log, powerCycle, clock } = this.#options;
    this.#lastCause = cause;
    this.#tell({ state: 'down', note: cause, restarts: this.#state.restarts + 1 });
    log.warn({ adapter: name, detail: cause }, 'the adapter is gone, it is opened anew');
    // Whoever asks meanwhile waits for the new one.
    this.#opening = (async () => {
      if (clock.monotonicMs() - this.#openedAtMs < FLAPPING_MS) await sleep(clock, SOON_MS, this.#stop.signal);
      const done = await powerCycle?.();
      if (done !== undefined) log.warn({ adapter: name }, done);
      if (this.#stop.signal.aborted) throw new LinkError('link.ble-unavailable', { detail: 'the agent is stopping' });
      return this.#open();
    })();
    this.#opening.catch(() => undefined);
  }

  #isFull(refusedBeside: number): void {
    const connections = Math.max(1, refusedBeside);
    if (this.#state.connections !== undefined && this.#state.connections <= connections) return;
    this.#options.log.info({ adapter: this.#options.name, connections }, 'the adapter carries no more connections');
    this.#tell({ connections });
    this.#forgetOne();
  }

  #forgetOne(): void {
    this.#callOff();
    this.#callOff = this.#options.clock.after(FORGET_ONE_MS, () => {
      if (this.#state.connections === undefined) return;
      this.#tell({ connections: this.#state.connections + 1 });
      this.#forgetOne();
    });
  }

  #tell(news: Partial<AdapterState>): void {
    this.#state = { ...this.#state, ...news };
    this.#options.changed(this.#state);
  }
}
