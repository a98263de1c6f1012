/**
 * Lets bytes pass at the rate of a UART, in real time: 10 bits a byte (11 with parity), counted on an absolute clock
 * so that late timers do not add up.
 */
import { performance } from 'node:perf_hooks';
import type { LineSettings } from '@drydock/dfu-core';

/** Pieces that are handed on while more follow. */
const PIECE_BYTES = 64;

interface Waiting {
  readonly bytes: Uint8Array;
  /** When the last bit of this piece is over. */
  readonly dueMs: number;
}

export class LinePacer {
  readonly #line: () => LineSettings;
  readonly #deliver: (bytes: Uint8Array) => void;
  readonly #queue: Waiting[] = [];
  #lineFreeMs = 0;
  #timer: NodeJS.Timeout | undefined;
  #immediate: NodeJS.Immediate | undefined;

  constructor(line: () => LineSettings, deliver: (bytes: Uint8Array) => void) {
    this.#line = line;
    this.#deliver = deliver;
  }

  push(bytes: Uint8Array): void {
    const { baud, parity = 'none' } = this.#line();
    const msPerByte = ((parity === 'none' ? 10 : 11) * 1000) / baud;
    this.#lineFreeMs = Math.max(this.#lineFreeMs, performance.now());
    for (let at = 0; at < bytes.length; at += PIECE_BYTES) {
      const piece = bytes.slice(at, at + PIECE_BYTES);
      this.#lineFreeMs += piece.length * msPerByte;
      this.#queue.push({ bytes: piece, dueMs: this.#lineFreeMs });
    }
    this.#wake();
  }

  stop(): void {
    clearTimeout(this.#timer);
    clearImmediate(this.#immediate);
    this.#timer = this.#immediate = undefined;
    this.#queue.length = 0;
  }

  #wake(): void {
    if (this.#timer || this.#immediate) return;
    const next = this.#queue[0];
    if (!next) return;
    const leftMs = next.dueMs - performance.now();
    // A timer may be a millisecond late, which would count as turn-around time of the device: the
    // last stretch before the end of the line's work is walked in small steps.
    const isLast = this.#queue.length === 1;
    if (leftMs > 1.2 || (!isLast && leftMs > 0)) {
      this.#timer = setTimeout(() => this.#tick(), isLast ? Math.max(1, Math.floor(leftMs - 1)) : Math.ceil(leftMs));
    } else {
      this.#immediate = setImmediate(() => this.#tick());
    }
  }

  #tick(): void {
    this.#timer = this.#immediate = undefined;
    const now = performance.now();
    for (;;) {
      const next = this.#queue[0];
      if (!next || next.dueMs > now) break;
      this.#queue.shift();
      this.#deliver(next.bytes);
    }
    this.#wake();
  }
}
