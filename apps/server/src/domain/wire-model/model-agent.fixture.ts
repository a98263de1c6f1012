/** The agent of the wire model: what the protocol asks of it (design, section 4), in the fewest words. */
import type { Report } from '@drydock/contracts';
import type { AttemptReport } from '../deployment/apply-report.js';

/** Mistakes that the exploration must find: the model's own test. */
export type Mistake =
  | 'grants-before-the-end-is-known'
  | 'starts-without-looking-at-the-time'
  | 'takes-grants-of-another-epoch'
  | 'counts-duplicates'
  | 'prunes-without-ack'
  | 'pause-forgets-unheard-grants'
  | 'touches-unheard-of'
  | 'forgets-what-moved-nothing';

/** What an agent needs of the world around it. */
export interface AgentSurroundings {
  readonly mistake: Mistake | undefined;
  freshEpoch(): string;
  /** A question for an attempt that was never heard of was answered. */
  settled(): void;
  ref(attempt: number): AttemptReport['ref'];
}

export interface ModelGrant {
  readonly attempt: number;
  readonly startBy: number;
  readonly finishBy: number;
}
export interface Order {
  readonly gateway: string;
  readonly epoch: string;
  readonly revision: number;
  readonly grants: readonly ModelGrant[];
  /** Attempts of which the server has no word: was it started, was it heard of? */
  readonly settle: readonly { readonly attempt: number; readonly epoch: string }[];
}
export interface Numbered {
  readonly epoch: string;
  readonly seq: number;
  readonly report: Report;
}

/** What survives on the card of a gateway. */
export interface Journal {
  held: Order | undefined;
  started: ModelGrant[];
  over: Set<number>;
  reports: Numbered[];
  /** Epochs that it was written in, whole. */
  epochs: Set<string>;
  /** Number up to which each epoch's reports are known to be committed. */
  acked: Map<string, number>;
}

export class ModelAgent {
  epoch = '';
  private seq = 0;
  /** Upper bound of the server's time: stamp and when it was asked for. */
  anchor: { stamp: number; askedAt: number } | undefined;
  /** The last look at the time that allowed a first write, and for which grant. */
  looked: { at: number; grant: ModelGrant } | undefined;
  /** Numbers of the reports that a grant is held, of this epoch. */
  private taken = new Map<number, number>();

  constructor(
    readonly name: string,
    readonly gateway: string,
    public journal: Journal,
    private readonly world: AgentSurroundings,
  ) {
    this.boot();
  }

  boot(): void {
    this.epoch = this.world.freshEpoch();
    this.journal.epochs.add(this.epoch);
    this.seq = 0;
    this.anchor = undefined;
    this.looked = undefined;
    this.taken = new Map();
    this.note({ kind: 'epoch-started', agentVersion: '1', journal: 'intact' });
    // Grants of earlier epochs are dead; what was started goes on.
    for (const grant of this.journal.held?.grants ?? []) {
      if (!this.isKnown(grant.attempt)) this.withdraw(grant, 'epoch-ended');
    }
    this.journal.held = undefined;
  }

  bound(now: number): number {
    return this.anchor ? this.anchor.stamp + (now - this.anchor.askedAt) : Infinity;
  }

  isKnown(attempt: number): boolean {
    return this.journal.over.has(attempt) || this.journal.started.some((grant) => grant.attempt === attempt);
  }

  takeOrder(order: Order): void {
    const { held } = this.journal;
    const foreign = order.epoch !== this.epoch && this.world.mistake !== 'takes-grants-of-another-epoch';
    if (foreign || (held && held.revision >= order.revision)) return;
    this.journal.held = order;
    for (const grant of held?.grants ?? []) {
      const still = order.grants.some((other) => other.attempt === grant.attempt);
      if (!still && !this.isKnown(grant.attempt)) this.withdraw(grant, 'superseded');
    }
    this.answerSettle(order);
    // First report of every attempt; nothing is touched before it is known to be committed.
    for (const { attempt } of order.grants) {
      if (this.isKnown(attempt) || this.taken.has(attempt)) continue;
      this.note({ kind: 'downloading', ref: this.world.ref(attempt) });
      this.taken.set(attempt, this.seq);
    }
  }

  /** What the journal cannot vouch for is not answered. */
  private answerSettle(order: Order): void {
    for (const { attempt, epoch } of order.settle) {
      if (!this.journal.epochs.has(epoch) || this.isKnown(attempt)) continue;
      if (order.grants.some((grant) => grant.attempt === attempt)) continue;
      this.world.settled();
      this.withdraw({ attempt }, 'never-arrived');
    }
  }

  /** The server took these reports for nothing: what they name is over. */
  refuse(seqs: readonly number[]): void {
    for (const [attempt, seq] of this.taken) {
      if (seqs.includes(seq) && !this.isKnown(attempt)) this.withdraw({ attempt }, 'superseded');
    }
  }

  isHeardOf(attempt: number): boolean {
    const seq = this.taken.get(attempt);
    if (this.world.mistake === 'touches-unheard-of') return true;
    return seq !== undefined && (this.journal.acked.get(this.epoch) ?? 0) >= seq;
  }

  withdraw(
    grant: Pick<ModelGrant, 'attempt'>,
    why: 'superseded' | 'epoch-ended' | 'start-by-passed' | 'never-arrived',
  ): void {
    this.journal.over.add(grant.attempt);
    this.note({ kind: 'withdrawn', ref: this.world.ref(grant.attempt), why });
  }

  note(report: Record<string, unknown>): void {
    this.journal.reports.push({
      epoch: this.epoch,
      seq: ++this.seq,
      report: { ...report, seq: this.seq, atMs: null } as Report,
    });
  }
}

export function emptyJournal(): Journal {
  return { held: undefined, started: [], over: new Set(), reports: [], epochs: new Set(), acked: new Map() };
}
