/** One attempt that this agent holds, from grant to end. */
import type { AttemptRef, Epoch, ErrorCode, Grant } from '@drydock/contracts';
import type { Identification } from '@drydock/dfu-core';
import type { Fences } from '../driver/fences.js';
import type { SessionDriver } from '../driver/session-driver.js';
import type { Step } from '../journal/ledger.js';
import { attemptKey, refOf, type ReportDraft } from '../journal/records.js';
import { linkLane } from '../links/parse-link.js';
import { LinkMeasures } from './link-measures.js';
import type { TrustedTime } from '../uplink/trusted-time.js';

/**
 * - `waiting`: wants its artifact; `downloading`: gets it; `ready`: wants its turn; `running`: has the link.
 * - `withdrawn`: will never touch the device; its report may still be owed.
 * - `done`: its end is written down.
 */
export type AttemptPhase = 'waiting' | 'downloading' | 'ready' | 'running' | 'withdrawn' | 'done';

/** The rule that keeps an attempt from starting, as the code of the end it comes to when the rule stays shut. */
export interface ShutRule {
  readonly code: ErrorCode;
  readonly detail: string;
}

/** What the journal shows of an attempt that was started before this start of the agent. */
export interface Resumed {
  readonly steps: ReadonlySet<Step>;
  readonly before: Identification | undefined;
  /** The unit answered after it was touched. */
  readonly answered: boolean;
}

export class Attempt {
  readonly key: string;
  readonly ref: AttemptRef;
  phase: AttemptPhase = 'waiting';
  /** Set in the moment before `touched` is written down: from then on it runs, and is no longer withdrawn. */
  started: boolean;
  /** A named cancellation asks it to leave at its next safe point. */
  cancelWanted = false;
  /** The unit has answered something after `touched`: it was touched in time, and `startBy` is behind the attempt. */
  answered: boolean;
  readonly steps: Set<Step>;
  before: Identification | undefined;
  /**
   * How this agent saw the unit last, while nothing was said to it since that may have led it out of its application.
   */
  sight: Identification['mode'] | undefined;
  driver: SessionDriver | undefined;
  /** Ends waits that touch no device. */
  readonly abort = new AbortController();
  startedAtMs: number | undefined;
  sentBytes = 0;
  readonly measures = new LinkMeasures();
  /** Its session went past the limit of a phase and was asked to leave. */
  overdue = false;
  /** Number of the report that the grant is held. */
  takenSeq: number | undefined;
  /** The rule of the site that kept it from starting when it was looked at last. */
  shut: ShutRule | undefined;
  /** What failed beside the update: hooks of the site. */
  alsoFailed: { code: ErrorCode; detail: string }[] = [];
  /** A report that could not be written down yet. */
  owedReport: ReportDraft | undefined;
  /** Not tried again before this (monotonic clock): a resumed attempt whose device does not answer. */
  notBeforeMs = 0;
  /** Since when it waits for its turn (monotonic clock). */
  readyAtMs: number | undefined;
  /** Lets go of its lanes, so that others may look at the device, and of its artifact in the cache. */
  unclaim: () => void = () => undefined;

  constructor(
    readonly epoch: Epoch,
    /** Replaced by a renewal, which keeps the attempt and moves its ends. */
    public grant: Grant,
    readonly resumed: Resumed | undefined,
    /** Whether its protocol first leads a unit found like this out of its application. */
    private readonly leaves: (before: Identification | undefined) => boolean = () => false,
  ) {
    this.ref = refOf(grant);
    this.key = attemptKey(grant);
    this.started = resumed !== undefined;
    this.steps = new Set(resumed?.steps);
    this.before = resumed?.before;
    this.answered = resumed?.answered ?? false;
  }

  get device(): string {
    return this.grant.device;
  }

  get lanes(): string[] {
    return [...new Set([`device:${this.grant.device}`, ...this.grant.links.map(linkLane)])];
  }

  /**
   * `touched` is all that is known of it: perhaps no write ever arrived, so it may begin only before `startBy`, like
   * one that was not started. Further steps were reached through answers.
   */
  get onlyTouched(): boolean {
    return this.started && !this.answered && this.steps.size <= 1;
  }

  /** Its application was erased, or the new image is being started, and nothing is proven yet. */
  get isAtRisk(): boolean {
    return this.steps.has('erased') || this.steps.has('activating');
  }

  /** Touched by a protocol that begins by leading units out of their application. */
  get wasLedOut(): boolean {
    return this.started && this.leaves(this.before);
  }

  /** Until when it may begin or, once its unit is known to be touched, go on. */
  get endsAtMs(): number {
    return this.resumed && !this.onlyTouched ? this.grant.finishBy : this.grant.startBy;
  }

  fences(time: TrustedTime): Fences {
    return {
      startRemainingMs: () => (this.answered ? Number.POSITIVE_INFINITY : time.remainingMs(this.grant.startBy)),
      finishRemainingMs: () => time.remainingMs(this.grant.finishBy),
    };
  }
}
