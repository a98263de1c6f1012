/** Whose turn it is: puts what waits, what the links have room for and what is known of them before `chooseNext`. */
import type { Clock } from '../clock.js';
import type { Lanes } from '../links/lanes.js';
import { linkLane } from '../links/parse-link.js';
import type { Signals } from '../links/signals.js';
import type { TrustedTime } from '../uplink/trusted-time.js';
import type { AirTime } from './air-time.js';
import type { Attempt } from './attempt.js';
import { chooseNext, type Candidate } from './choose-next.js';

export interface TurnsPorts {
  readonly clock: Pick<Clock, 'monotonicMs'>;
  readonly time: Pick<TrustedTime, 'remainingMs'>;
  readonly lanes: Pick<Lanes, 'hasRoom' | 'tryTake'>;
  readonly airTime: Pick<AirTime, 'expectedMs'>;
  readonly signals: Pick<Signals, 'of'>;
}

export interface Turn {
  readonly attempt: Attempt;
  /** Frees its lanes. */
  readonly free: () => void;
}

export class Turns {
  constructor(private readonly ports: TurnsPorts) {}

  /**
   * The attempt that begins now, with its lanes taken; undefined when there is none.
   * @param ready attempts that have all they need but a link.
   */
  next(ready: readonly Attempt[]): Turn | undefined {
    const { clock, lanes } = this.ports;
    const now = clock.monotonicMs();
    const waiting = new Map<Candidate, Attempt>();
    for (const attempt of ready) {
      const candidate = this.#candidate(attempt, now);
      if (candidate) waiting.set(candidate, attempt);
    }
    for (;;) {
      const candidate = chooseNext([...waiting.keys()], lanes, now);
      if (!candidate) return undefined;
      const free = lanes.tryTake(candidate.lanes);
      if (free) return { attempt: waiting.get(candidate)!, free };
      // A look holds what it wants, and was asked to give way: its turn comes when that is free. Others go on meanwhile.
      waiting.delete(candidate);
    }
  }

  #candidate(attempt: Attempt, now: number): Candidate | undefined {
    const { time, airTime, signals } = this.ports;
    const remainingMs = time.remainingMs(attempt.endsAtMs);
    if (remainingMs === undefined) return undefined;
    attempt.readyAtMs ??= now;
    const heard = attempt.grant.links.map((name) => signals.of(linkLane(name))).find((signal) => signal !== undefined);
    return {
      key: attempt.key,
      rank: attempt.grant.mode === 'rescue' ? 'rescue' : attempt.resumed ? 'left' : 'update',
      lanes: attempt.lanes,
      readyAtMs: attempt.readyAtMs,
      notBeforeMs: attempt.notBeforeMs,
      endsAtMs: now + remainingMs,
      expectedMs: airTime.expectedMs(attempt.grant),
      ...(heard && { signal: heard }),
    };
  }
}
