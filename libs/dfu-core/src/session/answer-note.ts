/**
 * Notes, for the driver's fences, that the target answered in its own language something that was sent after `touched`.
 *
 * Over Bluetooth every frame and every acknowledged write is the target's own word, and the driver sees it. A serial line
 * carries logs and noise as well, and who sends a datagram is anybody's claim: there only the session can tell.
 */
import type { Effect, LinkInfo, Session } from './session.js';

export class AnswerNote {
  #state: 'untouched' | 'touched' | 'sent' | 'told' = 'untouched';

  /** `touched` was journalled. */
  touched(): void {
    if (this.#state === 'untouched') this.#state = 'touched';
  }

  /** Bytes went out. */
  sent(): void {
    if (this.#state === 'touched') this.#state = 'sent';
  }

  /** True while the answer to what was sent since `touched` would be the first. */
  get isOpen(): boolean {
    return this.#state === 'sent';
  }

  /** An answer was understood. Tells the driver of the first one that counts; costs nothing otherwise. */
  *heard(link: LinkInfo, perform: (effect: Effect) => Session<unknown>): Session<void> {
    if (this.#state !== 'sent') return;
    this.#state = 'told';
    if (link.kind !== 'ble') yield* perform({ kind: 'answered', withinMs: 0 });
  }
}
