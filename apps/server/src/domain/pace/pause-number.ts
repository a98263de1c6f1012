/**
 * The pause's number: once granting is closed, how many may still start although they were paused, and when that is
 * over. An upper bound: some may have started unheard. Both numbers only fall, and are 0 at `noneAfter` with every
 * gateway cut off. It holds for agents that keep the protocol and whose clocks drift less than 500 ppm.
 */
import { CLOCK_MARGIN_MS } from '../clock-margin.js';

/** A grant as the outbox knows it, sent or not. */
export interface GrantFacts {
  readonly startByMs: number;
  /** A report of start, refusal or end is committed. */
  readonly settled: boolean;
  /** The gateway has confirmed an order without it: it never starts. */
  readonly withdrawnAcked: boolean;
}

export interface PauseNumber {
  readonly mayStillStart: number;
  readonly noneAfterMs: number;
}

/** @param marginMs what an agent may be late between its last look at the clock and its first write. */
export function pauseNumber(grants: Iterable<GrantFacts>, nowMs: number, marginMs = CLOCK_MARGIN_MS): PauseNumber {
  let [mayStillStart, noneAfterMs] = [0, nowMs];
  for (const grant of grants) {
    const endsMs = grant.startByMs + marginMs;
    // A time that cannot be read does not make a grant end.
    if (grant.settled || grant.withdrawnAcked || endsMs <= nowMs) continue;
    mayStillStart += 1;
    if (endsMs > noneAfterMs) noneAfterMs = endsMs;
  }
  return { mayStillStart, noneAfterMs };
}
