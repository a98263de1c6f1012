/** A session that gives up soon where nobody says anything. */
import { LinkError } from '../errors.js';
import type { Session } from './session.js';

/** Sessions that note a cancellation first finish the wait that they are in. */
const GOODBYE_MS = 20;

/**
 * Plays a session that only asks. When nothing at all was heard for `withinMs` of its waiting, the session is asked to
 * leave as by a cancellation: it says its goodbyes (the speed of a line is restored), and sends nothing more. From the
 * first frame on it has all the patience of its own.
 * @throws LinkError `link.timeout` when it was sent away; otherwise what the session throws.
 */
export function* untilFirstWord<Outcome>(session: Session<Outcome>, withinMs: number): Session<Outcome> {
  let restMs = withinMs;
  let state: 'listening' | 'heard' | 'sent-away' = 'listening';
  try {
    let step = session.next();
    while (!step.done) {
      const effect = step.value;
      if (effect.kind !== 'await' || state === 'heard') {
        step = session.next(yield effect);
        continue;
      }
      const listensMs = Math.min(effect.withinMs, state === 'sent-away' ? GOODBYE_MS : restMs);
      const input = yield { ...effect, withinMs: listensMs };
      if (state === 'listening') {
        if (input.kind !== 'timeout') state = 'heard';
        else restMs -= listensMs;
      }
      if (state === 'listening' && restMs <= 0) {
        state = 'sent-away';
        step = session.next({ kind: 'cancel' });
      } else step = session.next(input);
    }
    return step.value;
  } catch (error) {
    if (state !== 'sent-away') throw error;
    throw new LinkError('link.timeout', { withinMs, detail: 'nobody says anything' }, { cause: error });
  }
}
