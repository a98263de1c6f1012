/**
 * One file by XMODEM-CRC: a byte answers each block. A block that is not answered is sent again: the receiver knows
 * numbers, acknowledges a second one and takes it once.
 *
 * Source: gecko_sdk 4.4.1, btl_xmodem.c, btl_comm_xmodem_common.c; NabuCasa/universal-silabs-flasher, xmodemcrc.py.
 */
import { LinkError } from '../../errors.js';
import { encodeXmodemBlock, XMODEM_DATA_BYTES, XmodemByte } from '../../framing/xmodem.js';
import type { Session } from '../../session/session.js';
import type { Payload } from '../silabs/payload.js';
import { StartOverError } from '../silabs/talk.js';
import type { Hooks } from '../silabs/update-way.js';
import { findAbort, findMenu, readText } from './codec.js';
import { abortError } from './errors.js';
import { BEGIN_UPLOAD, Choice, COMPLETE } from './messages.js';
import type { Terminal } from './terminal.js';

/** The bootloader asks once a second, 60 times. */
const START_MS = 5_000;
/** It waits 3 s for a block before it says NAK; flash is erased before the answer. */
const ANSWER_MS = 5_000;
/** CRC and signature are checked while the file comes; the end is quick. */
const END_MS = 15_000;
const REPORT_MS = 1_000;
const MAX_TRIES = 10;
const MAX_STRAY_PIECES = 512;
/** So many `C` in a row are no remainder of the start: it waits for a first block. */
const ASKS_AGAIN = 3;

/** `C` behind the announcement; three in a row where that was lost on the line. */
function isAskedToBegin(text: string): true | undefined {
  const announced = text.indexOf(BEGIN_UPLOAD);
  const asked = announced >= 0 && text.includes('C', announced + BEGIN_UPLOAD.length);
  return asked || text.endsWith('CCC') ? true : undefined;
}

const MAX_FRESH_CHARS = 512;

const restarted = (): StartOverError =>
  new StartOverError('link.lost', { detail: 'the bootloader was started anew in the middle of the transfer' });

type Answer = 'ack' | 'nak' | 'cancelled' | 'silence';

export class Transfer {
  constructor(
    private readonly terminal: Terminal,
    private readonly hooks: Hooks,
    /** A file error may be the line's fault, and was not tried again yet. */
    private readonly again: boolean,
  ) {}

  /** From the menu; ends when the bootloader has accepted the file. */
  *run(payload: Payload): Session<void> {
    const { terminal, hooks } = this;
    yield* this.#start();
    yield* hooks.erase();
    yield* hooks.advanced(0);
    for (let at = 0, index = 0; at < payload.sizeBytes; index++) {
      const data = yield* payload.read(terminal.talk, at, XMODEM_DATA_BYTES);
      yield* this.#deliver(encodeXmodemBlock(index, data), ANSWER_MS, index === 0);
      at += data.length;
      yield* hooks.advanced(at);
    }
    yield* hooks.finish();
    yield* this.#deliver(Uint8Array.of(XmodemByte.Eot), END_MS);
  }

  *#start(): Session<void> {
    const { terminal } = this;
    yield* terminal.drain();
    yield* terminal.write(Choice.Upload);
    if (!(yield* terminal.until(isAskedToBegin, START_MS))) {
      throw new StartOverError('link.timeout', { withinMs: START_MS, detail: 'the upload did not begin' });
    }
    yield* terminal.talk.heardAnswer();
    terminal.clear();
  }

  /** One block, or the end, until it is acknowledged. */
  *#deliver(bytes: Uint8Array, withinMs: number, isFirst = false): Session<void> {
    const { terminal } = this;
    for (let tries = 0; tries < MAX_TRIES; tries++) {
      yield* terminal.send(bytes);
      const answer = yield* this.#answer(withinMs, isFirst);
      if (answer === 'ack') return;
      if (answer === 'cancelled') throw yield* this.#whyCancelled();
    }
    throw new LinkError('link.timeout', { withinMs, detail: `a block was sent ${MAX_TRIES} times in vain` });
  }

  /** @throws StartOverError when the bootloader was started anew and knows nothing of the transfer. */
  *#answer(withinMs: number, isFirst: boolean): Session<Answer> {
    const { terminal } = this;
    let fresh = '';
    for (let strays = 0; strays < MAX_STRAY_PIECES; strays++) {
      const bytes = yield* terminal.listen(withinMs);
      if (!bytes) return 'silence';
      for (const byte of bytes) {
        if (byte === XmodemByte.Ack) return 'ack';
        if (byte === XmodemByte.Nak) return 'nak';
        if (byte === XmodemByte.Can) return 'cancelled';
        // `C` from before the first block, and noise, are no answer.
      }
      // Single bytes may be damaged; the texts behind them are not.
      if (terminal.text.includes(COMPLETE)) return 'ack';
      if (findAbort(terminal.text)) return 'cancelled';
      fresh = (fresh + readText(bytes)).slice(-MAX_FRESH_CHARS);
      if (findMenu(fresh)) throw restarted();
      if (fresh.endsWith('C'.repeat(ASKS_AGAIN))) {
        if (isFirst) return 'silence';
        throw restarted();
      }
    }
    throw new LinkError('link.corrupt', { detail: 'the line is busy with something that is no answer' });
  }

  /** The bootloader prints what it did not like. */
  *#whyCancelled(): Session<Error> {
    const { terminal, again } = this;
    const withCode = yield* terminal.until((text) => {
      const report = findAbort(text);
      return report?.code === undefined ? undefined : report;
    }, REPORT_MS);
    return abortError(withCode ?? findAbort(terminal.text) ?? { kind: 'unknown', code: undefined }, again);
  }
}
