/**
 * Between the two programs of an on-chip target: the user application, which can only be asked to leave, and the
 * persistent application, which takes updates.
 *
 * Sources: TI SimpleLink SDKs, `oad_reset_service.c`; TI SimpleLink Connect, `FWUpdate_Modal.tsx` (same address after the
 * restart); TI SimpleLink CC2640R2 SDK, persistent application of `simple_peripheral_oad_onchip` (third refused identify).
 */
import { LinkError } from '../../errors.js';
import type { Session } from '../../session/session.js';
import { decodeIdentifyStatus } from './codec.js';
import { type Conversation, isLinkTrouble, readOrNoise } from './conversation.js';
import { CONTROL, IMAGE_BLOCK, IMAGE_IDENTIFY, RESET, ResetCommand, Status } from './messages.js';

/** TI's own application waits 12 s for the restart before it asks a person to press the button. */
const LEAVE_MS = 12_000;
const FIND_MS = 60_000;
const MAX_TRIES = 2;
const IDENTIFY_MS = 3_000;
/** The third refusal makes a persistent application start the user application, if that is still whole. */
const REFUSALS = 3;

/** Whether what answers is a user application that has to be asked to leave. */
export const isUserApplication = (talk: Conversation): boolean =>
  talk.has(RESET) && !(talk.has(IMAGE_IDENTIFY) && talk.has(IMAGE_BLOCK));

/**
 * Starts the persistent application.
 * @throws LinkError when the user application comes back instead.
 */
export function* enterPersistent(talk: Conversation, addresses: readonly string[]): Session<void> {
  for (let tries = 1; ; tries++) {
    try {
      yield* talk.send(RESET, Uint8Array.of(ResetCommand.PersistentApplication), true);
    } catch (error) {
      // It may leave before it has answered the write.
      if (!(error instanceof LinkError && error.code === 'link.lost')) throw error;
    }
    yield* restarted(talk, addresses, FIND_MS);
    if (!isUserApplication(talk)) return;
    if (tries === MAX_TRIES) {
      throw new LinkError('link.timeout', { withinMs: FIND_MS, detail: 'its persistent application did not start' });
    }
  }
}

/** Sees the target go, if it still can be seen, and waits for what comes back. @returns whether it was seen to go. */
export function* restarted(talk: Conversation, addresses: readonly string[], withinMs: number): Session<boolean> {
  const channels = [CONTROL, IMAGE_IDENTIFY, IMAGE_BLOCK].filter((channel) => talk.has(channel));
  // Frames of what was said before may be left; a link without any channel of ours is awaited all the same.
  const left = talk.isOpen ? yield* talk.seesItLeave(channels.length > 0 ? channels : [RESET], LEAVE_MS) : true;
  yield* talk.reconnect({ addresses }, withinMs);
  return left;
}

/**
 * From a persistent application whose user application was not erased yet back to that one: through the reset service
 * where there is one, else by identifying an image that no target takes.
 * @returns whether the user application answers.
 */
export function* leavePersistent(talk: Conversation, addresses: readonly string[], withinMs: number): Session<boolean> {
  if (isUserApplication(talk)) return true;
  if (talk.has(RESET)) yield* talk.send(RESET, Uint8Array.of(ResetCommand.UserApplication), true);
  else if (!(yield* provokeRestart(talk))) return false;
  yield* restarted(talk, addresses, withinMs);
  return isUserApplication(talk);
}

function* provokeRestart(talk: Conversation): Session<boolean> {
  try {
    for (let tries = 0; tries < REFUSALS; tries++) {
      yield* talk.send(IMAGE_IDENTIFY, new Uint8Array(18), true);
      const frame = yield* talk.receiveAny([IMAGE_IDENTIFY], IDENTIFY_MS);
      const status = frame && readOrNoise(() => decodeIdentifyStatus(frame.bytes));
      if (status === Status.IdentifyTimeout) return true;
    }
    return false;
  } catch (error) {
    if (isLinkTrouble(error)) return true;
    throw error;
  }
}
