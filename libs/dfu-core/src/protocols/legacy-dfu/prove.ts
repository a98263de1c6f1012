/** Reads what runs and judges it: for a unit that was updated before. */
import { DrydockError } from '../../errors.js';
import type { Identification, UpdateOutcome, UpdateRequest } from '../../session/protocol.js';
import type { LinkInfo, Session } from '../../session/session.js';
import { applicationAddresses } from '../secure-dfu/identify.js';
import { judge } from '../secure-dfu/judge.js';
import { unexpected } from '../secure-dfu/update.js';
import { identify } from './identify.js';
import { LeaveError, LinkTalk } from '../../session/link-talk.js';

/** Never throws. */
export function* proveNow(
  link: LinkInfo,
  request: UpdateRequest,
  before: Identification | undefined,
): Session<UpdateOutcome> {
  const talk = new LinkTalk(link);
  const known = before && { before };
  let inBootloader = false;
  try {
    const after = yield* identify(talk, request.linkOptions ?? {}, true);
    inBootloader = after.mode === 'bootloader';
    yield* talk.close();
    const addresses = applicationAddresses(before ?? after, request.expectIdentity);
    const verdict = judge(before, after, addresses, request);
    return { ...verdict, ...known, after, sentBytes: 0, needsRescue: inBootloader };
  } catch (error) {
    if (error instanceof LeaveError) return { outcome: 'cancelled', ...known, sentBytes: 0, needsRescue: inBootloader };
    const { code, params } = error instanceof DrydockError ? error : unexpected(error);
    return { outcome: 'failed', code, params, ...known, sentBytes: 0, needsRescue: inBootloader };
  }
}
