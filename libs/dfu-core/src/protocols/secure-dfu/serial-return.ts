/**
 * Leaving and coming back behind a serial line, where only the bootloader speaks: what is seen of an application is that
 * the bootloader falls silent.
 *
 * Source: nRF5 SDK 17, nrf_dfu_serial.c; pc-nrfutil pull requests 198 and 201 (13 s until the bootloader answers again
 * after SoftDevice and bootloader were copied).
 */
import { DrydockError } from '../../errors.js';
import type { UpdateRequest } from '../../session/protocol.js';
import type { Session } from '../../session/session.js';
import { type Conversation, isLinkTrouble } from './conversation.js';
import type { Verdict } from './judge.js';

/** The last answer goes out first; what is heard before this may be of the run that is ending. */
const LEAVE_MS = 1_000;
/** Copying SoftDevice and bootloader takes 13 s on a slow chip; a bootloader that failed is back within a second. */
const SILENCE_MS = 4_000;

/**
 * Waits for the bootloader to answer again, after an image that is followed by another.
 * @throws DrydockError `target.did-not-return`.
 */
export function* serialReturn(talk: Conversation, withinMs: number): Session<void> {
  yield* talk.sleep(LEAVE_MS);
  yield* talk.reconnect({}, withinMs);
  if (yield* talk.isAlive(withinMs)) return;
  throw new DrydockError('target.did-not-return', { withinMs });
}

/**
 * After the last image: a bootloader that speaks again started no application; silence, or a port that went, shows that
 * something else runs, and no more than that.
 * @returns the outcome's own part.
 */
export function* settleSerial(talk: Conversation, request: Pick<UpdateRequest, 'artifact'>): Session<Verdict> {
  const bringsApplication = request.artifact.images.some(({ kind }) => kind === 'application');
  let answers = false;
  try {
    yield* talk.sleep(LEAVE_MS);
    yield* talk.reconnect({}, SILENCE_MS);
    answers = yield* talk.isAlive(SILENCE_MS);
    yield* talk.close();
  } catch (error) {
    // A USB port that is gone belongs to a bootloader that is gone.
    if (!isLinkTrouble(error)) throw error;
  }
  if (answers && bringsApplication) {
    return { outcome: 'failed', code: 'target.in-bootloader', params: { detail: 'no application started' } };
  }
  return { outcome: 'unproven', reason: bringsApplication ? 'version-not-readable' : 'image-not-readable' };
}
