/** The UART as a terminal: what was printed lately, single bytes out, and the bytes of XMODEM between the texts. */
import { LinkError } from '../../errors.js';
import { SERIAL_CHANNEL, type Session } from '../../session/session.js';
import type { Talk } from '../silabs/talk.js';
import { findMenu, readText } from './codec.js';
import { Choice, type Menu, WAKE_UP } from './messages.js';

/** Texts are short; what is older is forgotten. */
const MAX_KEPT_BYTES = 4096;
/** Pieces that bring nothing that was waited for; more of them in a row than this is noise. */
const MAX_STRAY_PIECES = 512;
const MENU_MS = 1_500;
const DRAIN_MS = 20;

export class Terminal {
  #bytes: Uint8Array = new Uint8Array();

  constructor(readonly talk: Talk) {}

  /** What was printed since the last `clear`. */
  get text(): string {
    return readText(this.#bytes);
  }

  clear(): void {
    this.#bytes = new Uint8Array();
  }

  *write(...bytes: readonly number[]): Session<void> {
    yield* this.talk.send(SERIAL_CHANNEL, Uint8Array.from(bytes));
  }

  *send(bytes: Uint8Array): Session<void> {
    yield* this.talk.send(SERIAL_CHANNEL, bytes);
  }

  /** @returns the bytes that came; undefined for silence. */
  *listen(withinMs: number): Session<Uint8Array | undefined> {
    const bytes = yield* this.talk.receive(SERIAL_CHANNEL, withinMs);
    if (bytes) {
      const joined = new Uint8Array(this.#bytes.length + bytes.length);
      joined.set(this.#bytes);
      joined.set(bytes, this.#bytes.length);
      this.#bytes = joined.slice(-MAX_KEPT_BYTES);
    }
    return bytes;
  }

  /**
   * Listens until `found` sees in the text what it looks for.
   * @returns undefined when it did not come within the time after the last byte.
   */
  *until<T>(found: (text: string) => T | undefined, withinMs: number): Session<T | undefined> {
    for (let strays = 0; strays < MAX_STRAY_PIECES; strays++) {
      const result = found(this.text);
      if (result !== undefined) return result;
      if (!(yield* this.listen(withinMs))) return undefined;
    }
    throw new LinkError('link.corrupt', { detail: 'the line is busy with something that is no bootloader menu' });
  }

  /** Throws away what was said so far. */
  *drain(): Session<void> {
    for (let strays = 0; strays < MAX_STRAY_PIECES; strays++) {
      if (!(yield* this.listen(DRAIN_MS))) break;
    }
    this.clear();
  }

  /** @param tries each wakes it up once. @returns undefined when no menu is printed. */
  *menu(tries: number): Session<Menu | undefined> {
    for (let attempt = 0; attempt < tries; attempt++) {
      yield* this.drain();
      yield* this.write(attempt % 2 === 0 ? WAKE_UP : Choice.Menu);
      const menu = yield* this.until(findMenu, MENU_MS);
      if (!menu) continue;
      yield* this.talk.heardAnswer();
      return menu;
    }
    return undefined;
  }
}
