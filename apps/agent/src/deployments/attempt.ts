/** One attempt that this agent holds, from grant to end. */
import type { AttemptRef, Epoch, Grant } from '@drydock/contracts';
import type { Identification } from '@drydock/dfu-core';
import type { Fences } from '../driver/fences.js';
import type { SessionDriver } from '../driver/session-driver.js';
import type { Step } from '../journal/ledger.js';
import { attemptKey, refOf, type ReportDraft } from '../journal/records.js';
import { linkLane } from '../links/parse-link.js';
import type { TrustedTime } from '../uplink/trusted-time.js';

/**
 * - `waiting`: wants its artifact; `downloading`: gets it; `ready`: wants its turn; `running`: has the link.
 * - `withdrawn`: will never touch the device; its report may still be owed.
 * - `done`: its end is written down.
 */
export type AttemptPhase = 'waiting' | 'downloading' | 'ready' | 'running' | 'withdrawn' | 'done';

export class Attempt {
  readonly key: string;
  readonly ref: AttemptRef;
  phase: AttemptPhase = 'waiting';
  /** Set in the moment before `touched` is written down: from then on it runs, and is no longer withdrawn. */
  started: boolean;
  /** A named cancellation asks it to leave at its next safe point. */
  cancelWanted = false;
  readonly steps: Set<Step>;
  before: Identification | undefined;
  driver: SessionDriver | undefined;
  /** Ends waits that touch no device. */
  readonly abort = new AbortController();
  startedAtMs: number | undefined;
  sentBytes = 0;
  /** Its session went past the limit of a phase and was asked to leave. */
  overdue = false;
  /** A report that could not be written down yet. */
  owedReport: ReportDraft | undefined;
  /** Not tried again before this (monotonic clock): a resumed attempt whose device does not answer. */
  notBeforeMs = 0;

  constructor(
    readonly epoch: Epoch,
    /** Replaced by a renewal, which keeps the attempt and moves its ends. */
    public grant: Grant,
    readonly resumed: { readonly steps: ReadonlySet<Step>; readonly before: Identification | undefined } | undefined,
  ) {
    this.ref = refOf(grant);
    this.key = attemptKey(grant);
    this.started = resumed !== undefined;
    this.steps = new Set(resumed?.steps);
    this.before = resumed?.before;
  }

  get device(): string {
    return this.grant.device;
  }

  get lanes(): string[] {
    return [...new Set([`device:${this.grant.device}`, ...this.grant.links.map(linkLane)])];
  }

  fences(time: TrustedTime): Fences {
    return {
      startRemainingMs: () => (this.resumed ? Number.POSITIVE_INFINITY : time.remainingMs(this.grant.startBy)),
      finishRemainingMs: () => time.remainingMs(this.grant.finishBy),
    };
  }
}
