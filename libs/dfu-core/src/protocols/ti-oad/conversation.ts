/** One conversation with a target: commands and their answers, on top of the link. */
import { LinkError, MalformedFrameError } from '../../errors.js';
import { LinkTalk, MAX_STRAY_FRAMES } from '../../session/link-talk.js';
import type { Channel, Session } from '../../session/session.js';
import { decodeControl, encodeCommand } from './codec.js';
import { type Command, CONTROL, type ControlAnswer } from './messages.js';

export { ForbiddenStepError, isLinkTrouble, LeaveError } from '../../session/link-talk.js';

export const ANSWER_MS = 3_000;

export class Conversation extends LinkTalk {
  has(channel: Channel): boolean {
    return this.link.channels.includes(channel);
  }

  /** Control commands can only be written without response. */
  *command(command: Command): Session<void> {
    yield* this.send(CONTROL, encodeCommand(command), false);
  }

  /** A command and the first answer that `wanted` accepts; others are passed over. @returns undefined on silence. */
  *ask<Answer extends ControlAnswer>(
    command: Command,
    wanted: (answer: ControlAnswer) => answer is Answer,
    withinMs = ANSWER_MS,
  ): Session<Answer | undefined> {
    yield* this.command(command);
    for (let strays = 0; strays < MAX_STRAY_FRAMES; strays++) {
      const answer = yield* this.control(withinMs);
      if (answer === undefined || (answer !== 'noise' && wanted(answer))) return answer;
    }
    throw new LinkError('link.corrupt', { detail: `${MAX_STRAY_FRAMES} answers to nothing that was asked` });
  }

  /** The next control answer; what cannot be read is `noise`: a later answer, or silence, decides. */
  *control(withinMs: number): Session<ControlAnswer | 'noise' | undefined> {
    const frame = yield* this.receiveAny([CONTROL], withinMs);
    return frame && readOrNoise(() => decodeControl(frame.bytes));
  }

  /** Waits for the target to end the link. @returns whether it did. */
  *seesItLeave(channels: readonly Channel[], withinMs: number): Session<boolean> {
    try {
      for (let strays = 0; strays < MAX_STRAY_FRAMES; strays++) {
        if (!(yield* this.receiveAny(channels, withinMs))) return false;
      }
      return false;
    } catch (error) {
      if (error instanceof LinkError && error.code === 'link.lost') return true;
      throw error;
    }
  }
}

/** @returns `noise` instead of a malformed frame. */
export function readOrNoise<T>(read: () => T): T | 'noise' {
  try {
    return read();
  } catch (error) {
    if (error instanceof MalformedFrameError) return 'noise';
    throw error;
  }
}
