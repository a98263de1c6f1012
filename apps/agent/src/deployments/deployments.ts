/**
 * What next: holds the newest order, withdraws and starts attempts, one at a time per device and link, and
 * writes down how they ended (design, P2, P3, sections 3 and 4).
 *
 * An attempt counts as started in the moment before its `touched` is written down. Before that it can be
 * withdrawn, and is never started afterwards; after that it runs to its end, and is never called withdrawn.
 */
import type { AttemptRef, OrdersBody } from '@drydock/contracts';
import { DrydockError, type UpdateOutcome } from '@drydock/dfu-core';
import type { Journal } from '../journal/journal.js';
import { attemptKey } from '../journal/records.js';
import type { Lanes } from '../links/lanes.js';
import { Signals } from '../links/signals.js';
import type { ArtifactCache } from '../uplink/artifact-cache.js';
import type { ReceivedOrder } from '../uplink/uplink.js';
import { afterSession } from './after-session.js';
import { AirTime } from './air-time.js';
import { Attempt, type ShutRule } from './attempt.js';
import { AttemptEnds } from './attempt-ends.js';
import { runAttempt, type RunnerPorts } from './attempt-runner.js';
import { failedOutcome, isWithoutApplication } from './ended-report.js';
import { tellEnd } from './tell-end.js';
import { leavingRule } from './leaving-rule.js';
import type { LocalRules } from './local-rules.js';
import { neverStarted } from './never-started.js';
import { Turns } from './turns.js';

export interface DeploymentsOptions extends Omit<RunnerPorts, 'journal' | 'cache' | 'progress'> {
  readonly journal: Pick<
    Journal,
    'append' | 'attempt' | 'covers' | 'epoch' | 'found' | 'lastWord' | 'openAttempts' | 'reign' | 'trouble'
  >;
  readonly cache: Pick<ArtifactCache, 'open' | 'discard' | 'hold' | 'obtain'>;
  readonly lanes: Lanes;
  /** How strongly devices are heard. */
  readonly signals?: Signals;
  /** What the site allows, and its hooks. */
  readonly rules: Pick<LocalRules, 'shut' | 'before' | 'after' | 'forget'>;
  /** An attempt takes its link. */
  working?(attempt: Attempt): void;
  /** Whether an attempt that is ready may take its turn, beside the others; any may where this is left out. */
  mayStart?(attempt: Attempt, all: readonly Attempt[]): boolean;
  /** Whether the server has committed the report of this epoch with that number. */
  heard(seq: number): boolean;
  /** Reports were written: the sender may go on. */
  reported(): void;
  /** The held order changed. */
  held(): void;
  progress(ref: AttemptRef, sentBytes: number, totalBytes: number): void;
  /** An attempt ended: its device is worth a look. */
  ended(attempt: Attempt): void;
}

const TICK_MS = 1000;
/** A device that did not answer after a restart is looked for again after this, until `finishBy`. */
const RESUME_PAUSE_MS = 5000;
const MAX_PREFETCH_MS = 6 * 3_600_000;

export class Deployments {
  readonly #options: DeploymentsOptions;
  readonly #attempts = new Map<string, Attempt>();
  readonly #runs = new Set<Promise<void>>();
  #held = { reign: 0, revision: 0 };
  #work: Promise<void> = Promise.resolve();
  #tick: (() => void) | undefined;
  #stopping = false;
  readonly #ends: AttemptEnds;
  readonly #turns: Turns;
  /** What updates take here, and how long links were held. */
  readonly airTime = new AirTime();
  readonly #stopListening: () => void;

  constructor(options: DeploymentsOptions) {
    this.#options = options;
    this.#ends = new AttemptEnds(options, this.#attempts);
    const signals = options.signals ?? new Signals(() => options.clock.monotonicMs());
    this.#turns = new Turns({ ...options, airTime: this.airTime, signals });
    this.#stopListening = options.lanes.onFree(() => this.pump());
  }

  /** (reign, revision) of the order that this epoch holds. */
  get holds(): { readonly reign: number; readonly revision: number } {
    return this.#held;
  }

  /** Attempts in hand, for people and tests. */
  get attempts(): readonly Attempt[] {
    return [...this.#attempts.values()];
  }

  /**
   * What the journal shows from before this start. Grants of an earlier epoch are dead: those never
   * started are withdrawn, those that were go on until `finishBy`. A journal that lost something proves
   * nothing, so nothing goes on, and nothing is called unstarted.
   */
  recover(): Promise<void> {
    // Before any order: what an order names may already be running.
    const recovered = this.#work.then(() => this.#recover());
    this.#work = recovered.catch(() => undefined);
    return recovered;
  }

  async #recover(): Promise<void> {
    const { journal } = this.#options;
    for (const book of journal.openAttempts()) {
      if (book.epoch === journal.epoch) continue;
      const attempt = new Attempt(
        book.epoch,
        book.grant,
        book.state === 'touched' ? { steps: book.steps, before: book.before, answered: book.answered } : undefined,
        leavingRule(book.grant, this.#options.protocols),
      );
      if (book.state === 'granted') {
        if (journal.found === 'intact') await this.#ends.withdraw(attempt, 'epoch-ended');
      } else if (journal.found === 'intact') {
        this.#adopt(attempt);
      } else {
        await this.#ends.end(attempt, failedOutcome(attempt, new DrydockError('gateway.restarted')), 0);
      }
    }
    this.pump();
  }

  /** Takes an order that was checked. Orders are worked through one after the other. */
  take(order: ReceivedOrder): Promise<void> {
    this.#work = this.#work
      .then(() => this.#take(order))
      .catch((error: unknown) => this.#options.log.error({ detail: (error as Error).message }, 'order'));
    return this.#work;
  }

  /** Looks what can be started now. Cheap; called whenever something changed. */
  pump(): void {
    if (this.#stopping) return;
    const { time } = this.#options;
    const ready: Attempt[] = [];
    for (const attempt of [...this.#attempts.values()].sort((a, b) => a.grant.startBy - b.grant.startBy)) {
      if (attempt.phase === 'done' || attempt.phase === 'running') continue;
      if (attempt.phase === 'withdrawn') {
        this.#background(this.#ends.owe(attempt));
        continue;
      }
      const remaining = time.remainingMs(attempt.endsAtMs);
      if (remaining !== undefined && remaining <= 0) {
        if (attempt.resumed) this.#background(this.#ends.giveUp(attempt));
        // A rule of the site stayed shut: then that is why, and nothing was tried.
        else if (attempt.shut)
          this.#background(this.#ends.end(attempt, failedOutcome(attempt, ruleError(attempt.shut)), 0));
        else this.#background(this.#ends.withdraw(attempt, 'start-by-passed'));
      } else if (attempt.phase === 'waiting') this.#background(this.#download(attempt));
      else if (attempt.phase === 'ready' && remaining !== undefined && this.#isHeardOf(attempt)) ready.push(attempt);
    }
    this.#start(ready);
    this.#wake();
  }

  /** The server took these reports of ours for nothing: what they name is over there, and is not touched here. */
  refuse(seqs: readonly number[]): void {
    for (const attempt of [...this.#attempts.values()]) {
      if (attempt.takenSeq !== undefined && seqs.includes(attempt.takenSeq))
        this.#background(this.#ends.withdraw(attempt, 'superseded'));
    }
  }

  /** Running attempts whose device is between erase (or activation) and proof: only its session brings it out of that. */
  get atRisk(): readonly Attempt[] {
    return [...this.#attempts.values()].filter((attempt) => attempt.phase === 'running' && attempt.isAtRisk);
  }

  /**
   * Starts nothing more and asks what runs to leave at its next safe point. What was touched is left as
   * the journal shows it, and goes on at the next start. A device between erase and proof is waited for past `withinMs`:
   * its session ends by its own limits, at the latest at `finishBy`.
   * @param forced not even for those.
   */
  async stop(withinMs: number, forced = false): Promise<void> {
    this.#stopping = true;
    this.#stopListening();
    this.#tick?.();
    for (const attempt of this.#attempts.values()) {
      attempt.abort.abort();
      attempt.driver?.cancel();
    }
    const { clock } = this.#options;
    let callOff: () => void = () => undefined;
    const late = new Promise<void>((resolve) => {
      const look = (): void => {
        if (forced || this.atRisk.length === 0) return resolve();
        callOff = clock.after(TICK_MS, look);
      };
      callOff = clock.after(withinMs, look);
    });
    await Promise.race([Promise.allSettled([...this.#runs, this.#work]), late]);
    callOff();
  }

  /** Resolves when nothing runs and nothing is being written. For tests. */
  async idle(): Promise<void> {
    await this.#work;
    while (this.#runs.size > 0) await Promise.allSettled([...this.#runs]);
  }

  async #take(order: ReceivedOrder): Promise<void> {
    const { journal } = this.#options;
    for (const cancellation of order.cancellations) {
      const attempt = this.#attempts.get(attemptKey(cancellation));
      if (!attempt || attempt.phase === 'done') continue;
      if (!attempt.started) await this.#ends.withdraw(attempt, 'cancelled');
      else if (cancellation.mode === 'safe-point') {
        attempt.cancelWanted = true;
        attempt.driver?.cancel();
        if (attempt.resumed && attempt.phase !== 'running') {
          await this.#ends.end(
            attempt,
            { outcome: 'cancelled', sentBytes: 0, needsRescue: isWithoutApplication(attempt) },
            0,
          );
        }
      }
    }
    const { body } = order;
    if (body && isNewer(body, this.#held) && body.reign >= journal.reign) await this.#replace(body);
    this.pump();
  }

  async #replace(body: OrdersBody): Promise<void> {
    const { journal } = this.#options;
    const held = { reign: body.reign, revision: body.revision };
    const named = new Set(body.grants.map(attemptKey));
    for (const attempt of [...this.#attempts.values()]) {
      if (!named.has(attempt.key) && !attempt.started) await this.#ends.withdraw(attempt, 'superseded', held);
    }
    await this.#answerSettle(body);
    for (const grant of body.grants) {
      const known = journal.attempt(grant);
      const attempt = this.#attempts.get(attemptKey(grant));
      if (known && (known.state === 'ended' || known.state === 'withdrawn' || known.epoch !== journal.epoch)) continue;
      if (!known && journal.lastWord(grant) !== undefined) continue; // ended or refused before
      if (attempt?.phase === 'withdrawn' || attempt?.phase === 'done') continue;
      if (attempt && JSON.stringify(attempt.grant) === JSON.stringify(grant)) continue;
      try {
        await journal.append({ t: 'grant', epoch: journal.epoch, grant });
      } catch (error) {
        // Not written down, not held: the grant ends by itself.
        this.#options.log.error({ detail: (error as Error).message, deployment: grant.deployment }, 'grant not taken');
        continue;
      }
      if (attempt) {
        // A renewal moves the ends; what is done, where and with what stays as it was granted.
        attempt.grant = { ...attempt.grant, startBy: grant.startBy, finishBy: grant.finishBy };
      } else this.#adopt(new Attempt(journal.epoch, grant, undefined, leavingRule(grant, this.#options.protocols)));
    }
    this.#held = held;
    this.#options.held();
    for (const artifact of body.prefetch) {
      this.#options.cache
        .obtain(artifact, MAX_PREFETCH_MS)
        .catch((error: unknown) =>
          this.#options.log.info({ sha256: artifact.sha256, detail: (error as Error).message }, 'not fetched ahead'),
        );
    }
  }

  /** Answers for grants that never arrived. What cannot be written down is not said; a later order asks again. */
  async #answerSettle(body: OrdersBody): Promise<void> {
    const { journal, log, time, reported } = this.#options;
    const drafts = neverStarted(body, journal, time.estimateMs()).filter(
      (report) => 'ref' in report && !this.#attempts.has(attemptKey(report.ref)),
    );
    if (drafts.length === 0) return;
    try {
      await journal.append(...drafts.map((report) => ({ t: 'draft' as const, report })));
      reported();
      log.info({ attempts: drafts.length }, 'grants that never arrived are refused');
    } catch (error) {
      log.error({ detail: (error as Error).message, attempts: drafts.length }, 'not written down');
    }
  }

  #adopt(attempt: Attempt): void {
    const unclaim = this.#options.lanes.claim(attempt.lanes);
    // From now on, not only while it runs: what waits for its turn must find its artifact, whatever is fetched meanwhile.
    const release = this.#options.cache.hold(attempt.grant.artifact.sha256);
    attempt.unclaim = () => {
      unclaim();
      release();
      this.#options.rules.forget(attempt);
    };
    this.#attempts.set(attempt.key, attempt);
  }

  async #download(attempt: Attempt): Promise<void> {
    const { cache, log, time } = this.#options;
    const { artifact, timeouts } = attempt.grant;
    attempt.phase = 'downloading';
    try {
      if (!attempt.resumed && attempt.takenSeq === undefined) {
        attempt.takenSeq = await this.#ends.report({ kind: 'downloading', ref: attempt.ref, atMs: time.estimateMs() });
      }
      await cache.obtain(artifact, timeouts.downloadMs, attempt.abort.signal);
      if (this.#phaseOf(attempt) === 'downloading') attempt.phase = 'ready';
    } catch (error) {
      if (this.#phaseOf(attempt) !== 'downloading' || this.#stopping) return;
      log.warn({ attempt: attempt.key, detail: (error as Error).message }, 'artifact not obtained');
      if (attempt.resumed) {
        attempt.phase = 'waiting';
        attempt.notBeforeMs = this.#options.clock.monotonicMs() + RESUME_PAUSE_MS;
      } else await this.#ends.end(attempt, failedOutcome(attempt, error), 0);
    }
    this.pump();
  }

  #start(ready: readonly Attempt[]): void {
    const { journal, site, working, mayStart, rules } = this.#options;
    const { trouble } = journal;
    if (trouble) {
      const error = new DrydockError(trouble.code, { detail: trouble.detail });
      for (const attempt of ready) {
        if (!attempt.resumed) this.#background(this.#ends.end(attempt, failedOutcome(attempt, error), 0));
      }
      return;
    }
    const waiting = new Set(ready);
    for (;;) {
      const running = this.attempts.filter(({ phase }) => phase === 'running').length;
      if (running >= site.limits.parallel) return;
      const turn = this.#turns.next(
        [...waiting].filter((attempt) => mayStart?.(attempt, this.attempts) ?? true),
        (attempt) => (attempt.shut = rules.shut(attempt)) === undefined,
      );
      if (!turn) return;
      const { attempt, free } = turn;
      waiting.delete(attempt);
      attempt.phase = 'running';
      working?.(attempt);
      this.#background(this.#run(attempt).finally(free));
    }
  }

  async #run(attempt: Attempt): Promise<void> {
    const { clock, log, cache, rules } = this.#options;
    const release = cache.hold(attempt.grant.artifact.sha256);
    const began = clock.monotonicMs();
    attempt.startedAtMs = began;
    let outcome: UpdateOutcome;
    let overdue = false;
    try {
      const ports: RunnerPorts = {
        ...this.#options,
        progress: (_, sent, total) => this.#options.progress(attempt.ref, sent, total),
      };
      await rules.before(attempt);
      outcome = await runAttempt(attempt, {
        ...ports,
        journal: {
          append: (...entries) => this.#options.journal.append(...entries).finally(() => this.#options.reported()),
        },
      });
      overdue = attempt.overdue;
    } catch (error) {
      outcome = failedOutcome(attempt, error);
    } finally {
      release();
    }
    const failed = await rules.after(attempt, outcome);
    if (failed) {
      attempt.alsoFailed = [failed];
      log.warn({ attempt: attempt.key, ...failed }, 'hook failed');
    }
    tellEnd(log, attempt, outcome, this.#options.site);
    const durationMs = clock.monotonicMs() - began;
    this.airTime.used(attempt.grant, durationMs);
    // Only what carried the whole file tells how long that takes.
    if (outcome.outcome === 'proven' && !attempt.resumed) this.airTime.took(attempt.grant, durationMs);
    await this.#settle(attempt, outcome, durationMs, overdue);
    this.pump();
  }

  async #settle(attempt: Attempt, outcome: UpdateOutcome, durationMs: number, overdue: boolean): Promise<void> {
    if (attempt.phase !== 'running') return; // withdrawn while it had not touched anything
    const next = afterSession(attempt, outcome, this.#stopping);
    if (next === 'end') return this.#ends.end(attempt, outcome, durationMs, overdue);
    if (next === 'start-by-passed') return this.#ends.withdraw(attempt, next);
    attempt.phase = 'ready';
    if (next === 'later') attempt.notBeforeMs = this.#options.clock.monotonicMs() + RESUME_PAUSE_MS;
  }

  /**
   * The server has committed that this gateway holds the grant. Before that nothing is touched: else a copy of this card,
   * made before the grant came, could say that the attempt never started, and be believed (design, P3).
   */
  #isHeardOf(attempt: Attempt): boolean {
    return attempt.started || (attempt.takenSeq !== undefined && this.#options.heard(attempt.takenSeq));
  }

  #phaseOf(attempt: Attempt): Attempt['phase'] {
    return attempt.phase;
  }

  #background(work: Promise<void>): void {
    const run = work.catch((error: unknown) =>
      this.#options.log.error({ detail: (error as Error).message }, 'deployments'),
    );
    this.#runs.add(run);
    void run.then(() => this.#runs.delete(run));
  }

  /** While something waits, the clock is looked at. */
  #wake(): void {
    this.#tick?.();
    this.#tick = undefined;
    if (this.#stopping || this.#attempts.size === 0) return;
    this.#tick = this.#options.clock.after(TICK_MS, () => this.pump());
  }
}

function isNewer(a: { reign: number; revision: number }, b: { reign: number; revision: number }): boolean {
  return a.reign > b.reign || (a.reign === b.reign && a.revision > b.revision);
}

function ruleError({ code, detail }: ShutRule): DrydockError {
  return new DrydockError(code, { detail });
}
