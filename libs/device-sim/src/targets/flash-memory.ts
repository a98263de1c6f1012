/**
 * NOR flash with time: pages are erased to 0xff, writes can only clear bits, operations run one
 * after the other, and a power cut tears the one under way.
 */
import type { Cancel, Scheduler } from '../target.js';

export interface FlashTiming {
  readonly pageBytes: number;
  readonly eraseMsPerPage: number;
  readonly writeUsPerWord: number;
}

/** nRF52832 at its usual speed: 85 ms a page of 4 KiB, 41 us a word. */
export const NRF52_FLASH: FlashTiming = { pageBytes: 4096, eraseMsPerPage: 85, writeUsPerWord: 41 };

interface Operation {
  readonly durationMs: number;
  /** @param share 1 when complete, less when torn. */
  readonly apply: (share: number) => void;
  readonly done: (() => void) | undefined;
  readonly queuedAtMs: number;
}

export class FlashMemory {
  readonly timing: FlashTiming;
  readonly #scheduler: Scheduler;
  readonly #regions = new Map<string, Uint8Array>();
  readonly #queue: Operation[] = [];
  #running: { operation: Operation; startedAtMs: number; stop: Cancel } | undefined;
  /** When the operations so far end: late timers of real time do not add up. */
  #endsAtMs = 0;

  /** @param slow multiplies all durations. */
  constructor(scheduler: Scheduler, regions: Readonly<Record<string, number>>, timing: FlashTiming, slow = 1) {
    this.#scheduler = scheduler;
    this.timing = {
      pageBytes: timing.pageBytes,
      eraseMsPerPage: timing.eraseMsPerPage * slow,
      writeUsPerWord: timing.writeUsPerWord * slow,
    };
    for (const [name, sizeBytes] of Object.entries(regions)) {
      this.#regions.set(name, new Uint8Array(sizeBytes).fill(0xff));
    }
  }

  /** The live bytes: readers must not keep or change them. */
  bytes(region: string): Uint8Array {
    const bytes = this.#regions.get(region);
    if (!bytes) throw new RangeError(`there is no flash region ${region}`);
    return bytes;
  }

  /** Puts bytes there in no time, as in the factory. */
  preset(region: string, at: number, bytes: Uint8Array): void {
    this.bytes(region).set(bytes, at);
  }

  eraseMs(lengthBytes: number): number {
    return Math.ceil(lengthBytes / this.timing.pageBytes) * this.timing.eraseMsPerPage;
  }

  writeMs(lengthBytes: number): number {
    return (Math.ceil(lengthBytes / 4) * this.timing.writeUsPerWord) / 1000;
  }

  /** Erases whole pages, one operation each. `from` must be the start of a page. */
  erase(region: string, from: number, lengthBytes: number, done?: () => void): void {
    const target = this.bytes(region);
    const { pageBytes, eraseMsPerPage } = this.timing;
    if (from % pageBytes !== 0) throw new RangeError(`erase at ${from} is not at the start of a page`);
    const end = Math.min(target.length, from + Math.ceil(lengthBytes / pageBytes) * pageBytes);
    if (end <= from) return this.#add({ durationMs: 0, apply: () => undefined, done });
    for (let page = from; page < end; page += pageBytes) {
      const pageEnd = Math.min(page + pageBytes, end);
      this.#add({
        durationMs: eraseMsPerPage,
        // A torn erase leaves part of the page as it was.
        apply: (share) => target.fill(0xff, page, page + Math.floor((pageEnd - page) * share)),
        done: pageEnd === end ? done : undefined,
      });
    }
  }

  write(region: string, at: number, bytes: Uint8Array, done?: () => void): void {
    const target = this.bytes(region);
    if (at < 0 || at + bytes.length > target.length) throw new RangeError(`write at ${at} passes the end of ${region}`);
    const copy = bytes.slice();
    this.#add({
      durationMs: this.writeMs(copy.length),
      apply: (share) => {
        const length = Math.floor(copy.length * share);
        for (let i = 0; i < length; i++) target[at + i] = (target[at + i] ?? 0) & (copy[i] ?? 0);
      },
      done,
    });
  }

  /** Something that takes flash time and becomes true only when complete (a settings page with its backup). */
  commit(durationMs: number, done: () => void): void {
    this.#add({ durationMs, apply: () => undefined, done });
  }

  /** Runs when all that is queued now is in flash. */
  whenIdle(fn: () => void): void {
    this.#add({ durationMs: 0, apply: () => undefined, done: fn });
  }

  get isIdle(): boolean {
    return this.#running === undefined;
  }

  /** Reset or power loss: the operation under way is torn, what waits is forgotten. */
  interrupt(): void {
    this.#queue.length = 0;
    this.#endsAtMs = 0;
    const running = this.#running;
    this.#running = undefined;
    if (!running) return;
    running.stop();
    const { durationMs, apply } = running.operation;
    const share = durationMs > 0 ? (this.#scheduler.now() - running.startedAtMs) / durationMs : 0;
    apply(Math.max(0, Math.min(1, share)));
  }

  #add(operation: Omit<Operation, 'queuedAtMs'>): void {
    this.#queue.push({ ...operation, queuedAtMs: this.#scheduler.now() });
    if (!this.#running) this.#next();
  }

  #next(): void {
    const operation = this.#queue.shift();
    if (!operation) return;
    const now = this.#scheduler.now();
    const startedAtMs = Math.max(this.#endsAtMs, operation.queuedAtMs);
    this.#endsAtMs = startedAtMs + operation.durationMs;
    const stop = this.#scheduler.after(Math.max(0, this.#endsAtMs - now), () => {
      operation.apply(1);
      this.#running = undefined;
      this.#next();
      operation.done?.();
    });
    this.#running = { operation, startedAtMs, stop };
  }
}
