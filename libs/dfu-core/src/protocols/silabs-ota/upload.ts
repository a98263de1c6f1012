/**
 * One file over an open connection: start, data, end.
 *
 * Data goes in writes without response, with an acknowledged one after each window and at the end: its answer says that
 * the target kept up, and carries the error if it did not. After the first loss all writes are acknowledged.
 *
 * Source: gecko_sdk 4.4.1, bt_host_ota_dfu/main.c; SimplicityConnect-android (chunk of a multiple of 4).
 */
import { DrydockError, LinkError } from '../../errors.js';
import type { Session } from '../../session/session.js';
import type { Payload } from '../silabs/payload.js';
import { StartOverError, type Talk } from '../silabs/talk.js';
import type { Hooks } from '../silabs/update-way.js';
import { encodeControl } from './codec.js';
import { attErrorOf, refusalError, type Request } from './errors.js';
import { Control, OTA_CONTROL, OTA_DATA } from './messages.js';

/** ATT gives a request 30 s; the first write waits for an erase. */
const DATA_MS = 30_000;
const CONTROL_MS = 15_000;
/** The target checks CRC and signature of the whole file. */
const FINISH_MS = 30_000;
/** The vendor's application waits this long before it starts, and before it ends. */
const BEFORE_START_MS = 200;
const BEFORE_FINISH_MS = 100;
/** Fills an ATT_MTU of 247, and is a multiple of 4. */
const MAX_CHUNK_BYTES = 244;
const MIN_CHUNK_BYTES = 20;
/** Unacknowledged writes in a row: a few hundred milliseconds of air. */
const WINDOW = 160;

/** How data is written: at full speed with confirmations, or each write confirmed. */
export type Pace = 'windowed' | 'acknowledged';

export class Upload {
  /** The end was about to be told, or was told. */
  finishing = false;

  constructor(
    private readonly talk: Talk,
    private readonly by: 'loader' | 'application',
    private readonly pace: Pace,
    private readonly hooks: Hooks,
  ) {}

  /** Ends when the target has accepted the whole file (AppLoader), or has it all (application). */
  *run(payload: Payload): Session<void> {
    const { talk, hooks } = this;
    yield* hooks.touch();
    yield* talk.sleep(BEFORE_START_MS);
    yield* this.#write('start', OTA_CONTROL, encodeControl(Control.Start), CONTROL_MS);
    talk.leaveIfAsked();
    if (this.by === 'loader') yield* hooks.erase();
    yield* hooks.advanced(0);
    yield* this.#data(payload);
    yield* talk.sleep(BEFORE_FINISH_MS);
    yield* hooks.finish();
    this.finishing = true;
    yield* this.#write('finish', OTA_CONTROL, encodeControl(Control.Finish), FINISH_MS);
  }

  *#data(payload: Payload): Session<void> {
    const { talk, hooks } = this;
    const limit = hooks.request.tuning?.maxWriteBytes ?? MAX_CHUNK_BYTES;
    const usable = Math.max(MIN_CHUNK_BYTES, Math.min(talk.link.maxWriteBytes, limit, MAX_CHUNK_BYTES));
    const chunkBytes = usable - (usable % 4);
    const window = this.pace === 'windowed' ? (hooks.request.tuning?.window ?? WINDOW) : 1;
    for (let at = 0, count = 0; at < payload.sizeBytes; count++) {
      const chunk = yield* payload.read(talk, at, chunkBytes);
      at += chunk.length;
      // The first tells whether the start was accepted, before anything is lost.
      const confirmed = count % window === 0 || at === payload.sizeBytes;
      if (!confirmed) {
        yield* talk.send(OTA_DATA, chunk, false);
        continue;
      }
      yield* this.#write('data', OTA_DATA, chunk, DATA_MS);
      yield* hooks.advanced(at);
    }
  }

  *#write(request: Request, channel: string, bytes: Uint8Array, withinMs: number): Session<void> {
    try {
      yield* this.talk.send(channel, bytes, true, withinMs);
    } catch (error) {
      const att = attErrorOf(error);
      if (att !== undefined) throw refusalError(att, request, this.by, this.pace === 'windowed');
      if (error instanceof LinkError && error.code === 'link.timeout' && request === 'data') {
        // An application drops data without a word when it did not accept the start.
        throw new StartOverError('link.timeout', { withinMs, detail: 'data was not answered: start again' });
      }
      throw error;
    }
  }
}

/** Whether slower writes may help where this failed. */
export function wasTooFast(error: unknown): boolean {
  return error instanceof StartOverError || (error instanceof DrydockError && error.code === 'link.timeout');
}
