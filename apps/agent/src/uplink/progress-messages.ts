/** Progress of all transfers in at most one message a second. */
import type { AttemptRef } from '@drydock/contracts';
import type { Clock } from '../clock.js';

const PROGRESS_MS = 1000;
const MAX_PROGRESS_ITEMS = 64;

export class ProgressMessages {
  readonly #items = new Map<string, { ref: AttemptRef; sentBytes: number; totalBytes: number }>();
  #timer: (() => void) | undefined;

  constructor(
    private readonly clock: Clock,
    private readonly send: (items: { ref: AttemptRef; sentBytes: number; totalBytes: number }[]) => void,
  ) {}

  add(ref: AttemptRef, sentBytes: number, totalBytes: number): void {
    this.#items.set(`${ref.deployment}/${ref.attempt}`, { ref, sentBytes, totalBytes });
    this.#timer ??= this.clock.after(PROGRESS_MS, () => {
      this.#timer = undefined;
      const items = [...this.#items.values()].slice(0, MAX_PROGRESS_ITEMS);
      this.#items.clear();
      this.send(items);
    });
  }

  stop(): void {
    this.#timer?.();
  }
}
