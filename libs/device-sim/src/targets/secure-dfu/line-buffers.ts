/**
 * The receive buffers of a UART bootloader, in the line's own time.
 *
 * A paced line in real time delivers late and then several frames at once; on a wire they came one after the other. So
 * frames are taken to have arrived no faster than the line carries them, and buffers to be free when flash is done with
 * them on that scale, whenever the machine gets round to it.
 */
import type { Scheduler } from '../../target.js';

const BITS_PER_BYTE = 10;
/** Opcode and END. */
const FRAME_BYTES = 2;

export class LineBuffers {
  #arrivedMs = Number.NEGATIVE_INFINITY;
  #flashFreeMs = Number.NEGATIVE_INFINITY;
  /** When each buffer that is taken will be free. */
  #takenUntilMs: number[] = [];

  constructor(
    private readonly scheduler: Scheduler,
    private readonly baud: number,
    private readonly count: number,
  ) {}

  /** @returns false when every buffer is taken as this frame is there. */
  take(bytes: number, flashMs: number): boolean {
    const wireMs = ((bytes + FRAME_BYTES) * BITS_PER_BYTE * 1000) / this.baud;
    this.#arrivedMs = Math.max(this.scheduler.now(), this.#arrivedMs + wireMs);
    this.#takenUntilMs = this.#takenUntilMs.filter((until) => until > this.#arrivedMs);
    if (this.#takenUntilMs.length >= this.count) return false;
    this.#flashFreeMs = Math.max(this.#flashFreeMs, this.#arrivedMs) + flashMs;
    this.#takenUntilMs.push(this.#flashFreeMs);
    return true;
  }
}
