/** The proof apart from the update: an agent that was restarted, or a device that came back late. */
import { DrydockError } from '../../errors.js';
import type { Identification, UpdateOutcome, UpdateRequest } from '../../session/protocol.js';
import type { LinkInfo, Session } from '../../session/session.js';
import { Conversation, LeaveError } from './conversation.js';
import { applicationAddresses, identify, modeOf } from './identify.js';
import { judge } from './judge.js';
import { settleSerial } from './serial-return.js';
import { unexpected } from './update.js';

/** Reads what runs and judges it. Never throws. */
export function* proveNow(
  link: LinkInfo,
  request: UpdateRequest,
  before: Identification | undefined,
): Session<UpdateOutcome> {
  const talk = new Conversation(link);
  const known = before && { before };
  try {
    if (talk.isSerial) {
      const settled = yield* settleSerial(talk, request);
      return { ...settled, ...known, sentBytes: 0, needsRescue: settled.outcome === 'failed' };
    }
    const after = yield* identify(talk, request.linkOptions ?? {}, true);
    yield* talk.close();
    const reference = before ?? after;
    const addresses = applicationAddresses(reference, request.expectIdentity);
    const verdict = judge(before, after, addresses, request);
    return { ...verdict, ...known, after, sentBytes: 0, needsRescue: after.mode === 'bootloader' };
  } catch (error) {
    if (error instanceof LeaveError) return { outcome: 'cancelled', ...known, sentBytes: 0, needsRescue: false };
    const { code, params } = error instanceof DrydockError ? error : unexpected(error);
    return { outcome: 'failed', code, params, ...known, sentBytes: 0, needsRescue: modeOf(link) === 'bootloader' };
  }
}
