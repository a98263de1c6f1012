/**
 * The wire rules as a model: one device, two gateways (one of which may be cloned), a network that loses, repeats and
 * reorders, and time. The server's side is the real rules of `domain/`; the agent's side is written from the protocol
 * (design, section 4) in the fewest words. Observers that are neither check P2, P3 and P4 after every step.
 */
import { Policy, mayMove, DEPLOYMENT_LIFECYCLE, type DeploymentState, type IdentityFact } from '@drydock/contracts';
import { CLOCK_MARGIN_MS } from '../clock-margin.js';
import { applyReport, type AttemptReport } from '../deployment/apply-report.js';
import { holdsGrant, isEnd, moveTo, type DeploymentFacts } from '../deployment/deployment.js';
import { exposureOf, grantEnds, type Exposure } from '../deployment/exposure.js';
import { loseSilent, mayGrantNext, overAt } from '../deployment/silence.js';
import {
  emptyJournal,
  ModelAgent,
  type Mistake,
  type ModelGrant,
  type Numbered,
  type Order,
} from './model-agent.fixture.js';
import { judgeBatch } from '../report-cursor/cursor.js';

export class Violation extends Error {}

const TIMEOUTS = { startMs: 10_000, transferMs: 8_000, activateMs: 2_000, proveMs: 2_000 };
/** From the agent's last look at the time to its write (the protocol's check-to-act gap). */
const GAP_MS = 1_000;
const IDENTITY: IdentityFact = { kind: 'chip-id', value: '01' };
const HASH = 'aa'.repeat(32);
const OLD = { image: 0, hash: '00'.repeat(32) };
const POLICY = Policy.parse({ retry: { link: { maxAttempts: 20, backOffMs: 0 } } });

export class WireWorld {
  now = 1_000_000;
  readonly agents: ModelAgent[] = [];
  /** How often the exploration got to what it is about. */
  readonly seen = { touched: 0, ended: 0, secondAttempt: 0, lost: 0, paused: 0, clones: 0, settled: 0 };
  private dep: DeploymentFacts;
  private fencedUntil: number | null = null;
  private readonly cursors = new Map<string, number>();
  private readonly committed = new Map<string, number>();
  private readonly knownEpoch = new Map<string, string>();
  /** Newest order that each epoch said it holds. */
  private readonly heldBy = new Map<string, number>();
  private revision = 0;
  private epochs = 0;
  private readonly orders: Order[] = [];
  private readonly batches: { gateway: string; reports: Numbered[] }[] = [];
  private readonly acks: { epoch: string; cursor: number; unapplied: number[] }[] = [];
  /** Reports that were committed and moved nothing. */
  private readonly unapplied = new Set<string>();
  private pause: { answer: Exposure; firstTouches: number } | undefined;
  /** First writes by true time, told by the device itself. */
  private readonly touchedAttempts = new Set<number>();

  constructor(readonly mistake: Mistake | undefined = undefined) {
    this.dep = {
      id: '11111111-1111-4111-8111-111111111111',
      campaignId: 'c',
      stageIdx: 0,
      deviceId: 'd',
      gatewayId: null,
      state: 'planned',
      reign: 0,
      attempt: 0,
      tries: 0,
      unusedGrants: 0,
      heard: false,
      startByMs: null,
      finishByMs: null,
      notBeforeMs: null,
      touchedAtMs: null,
      atRisk: false,
      atRiskAtMs: null,
      needsRescue: false,
      cancelMode: null,
      outcomeCode: null,
      outcomeReason: null,
      outcomeParams: null,
      beforeRunning: null,
      step: null,
      afterRunning: null,
      corrected: false,
      resultEpoch: null,
      resultSeq: null,
      stateAtMs: 0,
      endedAtMs: null,
    };
    this.agents.push(
      new ModelAgent('g1', 'g1', emptyJournal(), this),
      new ModelAgent('g2', 'g2', emptyJournal(), this),
    );
  }

  freshEpoch(): string {
    return `e${++this.epochs}`;
  }

  settled(): void {
    this.seen.settled++;
  }

  ref(attempt: number): AttemptReport['ref'] {
    return { deployment: this.dep.id as AttemptReport['ref']['deployment'], reign: 0, attempt };
  }

  /** One step: `kind` chooses what happens, `a` and `b` to whom and with what. Steps that cannot happen do nothing. */
  step(kind: number, a: number, b: number): void {
    const agent = this.agents[a % this.agents.length]!;
    const steps: readonly (() => void)[] = [
      () => this.passTime(1 + (b % 1_500)),
      () => this.passTime(b % 4 === 0 ? b % 25_000 : b % 500),
      () => this.presence(agent),
      () => this.grant(agent.gateway),
      () => this.grantAndTell(agent),
      () => this.grantAndTell(agent),
      () => this.publishOrder(agent.gateway),
      () => this.askAgain(agent),
      () => this.askAgain(agent),
      () => this.deliverOrder(agent, b),
      () => this.deliverOrder(agent, this.orders.length - 1),
      () => void (agent.anchor = { stamp: this.now + (b % 50), askedAt: this.now - (b % 300) }),
      () => this.look(agent),
      () => this.firstWrite(agent),
      () => this.lookAndWrite(agent, b),
      () => this.lookAndWrite(agent, b),
      () => this.laterWrite(agent, b),
      () => this.finish(agent, b),
      () => this.giveUpLate(agent),
      () => this.sendBatch(agent, b),
      () => this.deliverBatch(b),
      () => this.deliverBatch(this.batches.length - 1),
      () => this.sendAndDeliver(agent),
      () => this.sendAndDeliver(agent),
      () => this.deliverAck(agent, b),
      () => agent.boot(),
      () => this.loseJournal(agent, b),
      () => this.clone(agent, b),
      () => this.expire(),
      () => this.stopGranting(),
      () => this.resume(),
      () => this.cancel(),
    ];
    steps[kind % steps.length]!();
    this.check();
  }

  private passTime(ms: number): void {
    this.now += ms;
  }

  // Several steps at once, as they mostly happen: without these a random history seldom gets far.

  private presence(agent: ModelAgent): void {
    this.knownEpoch.set(agent.gateway, agent.epoch);
    this.heldBy.set(agent.epoch, agent.journal.held?.revision ?? 0);
  }

  private grantAndTell(agent: ModelAgent): void {
    this.presence(agent);
    this.grant(agent.gateway);
    this.deliverOrder(agent, -1);
  }

  /** A machine turns up: it gets the newest order, answers, and is heard. */
  private askAgain(agent: ModelAgent): void {
    this.presence(agent);
    this.publishOrder(agent.gateway);
    this.deliverOrder(agent, -1);
    for (let batch = 0; batch < 3; batch++) this.sendAndDeliver(agent);
  }

  private lookAndWrite(agent: ModelAgent, b: number): void {
    if (b % 4 !== 0) for (let batch = 0; batch < 3; batch++) this.sendAndDeliver(agent);
    agent.anchor = { stamp: this.now, askedAt: this.now - (b % 300) };
    this.look(agent);
    this.passTime(b % (GAP_MS + 1));
    this.firstWrite(agent);
  }

  private sendAndDeliver(agent: ModelAgent): void {
    this.sendBatch(agent, 3);
    this.deliverBatch(-1);
    this.deliverAck(agent, -1);
  }

  // The server

  private grant(gateway: string): void {
    const epoch = this.knownEpoch.get(gateway);
    if (epoch === undefined || this.pause) return;
    const early = this.mistake === 'grants-before-the-end-is-known' && holdsGrant(this.dep.state);
    if (!early && !mayGrantNext(this.dep, this.fencedUntil, this.now)) return;
    const ends = grantEnds(this.now, TIMEOUTS);
    this.dep = {
      ...this.dep,
      state: 'granted',
      attempt: this.dep.attempt + 1,
      gatewayId: gateway,
      startByMs: ends.startByMs,
      finishByMs: ends.finishByMs,
      touchedAtMs: null,
      heard: false,
      cancelMode: null,
    };
    this.fencedUntil = ends.finishByMs + CLOCK_MARGIN_MS;
    this.grantEpoch = epoch;
    if (this.dep.attempt > 1) this.seen.secondAttempt++;
    this.grantRevision = this.revision + 1;
    this.publishOrder(gateway);
  }
  private grantEpoch = '';
  /** First order that names the grant. */
  private grantRevision = 0;

  private publishOrder(gateway: string): void {
    const epoch = this.knownEpoch.get(gateway);
    if (epoch === undefined) return;
    const { dep } = this;
    const named =
      dep.gatewayId === gateway &&
      holdsGrant(dep.state) &&
      this.grantEpoch === epoch &&
      (dep.touchedAtMs !== null || (!this.pause && dep.cancelMode === null));
    const grants = named ? [{ attempt: dep.attempt, startBy: dep.startByMs!, finishBy: dep.finishByMs! }] : [];
    this.orders.push({ gateway, epoch, revision: ++this.revision, grants, settle: this.toSettle(gateway, named) });
  }

  /** What was granted, is not in the order, and was never heard of by the epoch it was granted to. */
  private toSettle(gateway: string, named: boolean): Order['settle'] {
    const { dep } = this;
    const open = dep.gatewayId === gateway && holdsGrant(dep.state) && dep.touchedAtMs === null && !named;
    const heardOf = dep.heard || (this.heldBy.get(this.grantEpoch) ?? 0) >= this.grantRevision;
    return open && !heardOf ? [{ attempt: dep.attempt, epoch: this.grantEpoch }] : [];
  }

  private stopGranting(): void {
    if (this.pause) return;
    const forgets = this.mistake === 'pause-forgets-unheard-grants' && this.dep.state === 'granted';
    this.seen.paused++;
    this.pause = { answer: exposureOf(forgets ? [] : [this.dep], this.now), firstTouches: 0 };
    if (this.dep.gatewayId) this.publishOrder(this.dep.gatewayId);
  }

  private resume(): void {
    this.pause = undefined;
  }

  private cancel(): void {
    if (!holdsGrant(this.dep.state) || this.dep.touchedAtMs !== null) return;
    const next = moveTo(this.dep, 'cancelling', this.now);
    if (next) this.dep = { ...next, cancelMode: 'before-start' };
  }

  private expire(): void {
    const lost = loseSilent(this.dep, this.now);
    if (lost) {
      this.seen.lost++;
      this.dep = lost;
      this.fencedUntil = null;
    }
  }

  private deliverBatch(index: number): void {
    const batch = this.batches[modulo(index, this.batches.length)];
    if (!batch) return;
    const [first] = batch.reports;
    const cursor = this.cursors.get(first!.epoch) ?? 0;
    const verdict = judgeBatch(cursor, first!.seq, batch.reports.length);
    if (verdict.kind === 'gap') {
      this.acks.push({ epoch: first!.epoch, cursor, unapplied: [] });
      return;
    }
    const twice = this.mistake === 'counts-duplicates' && verdict.kind === 'duplicate';
    const fresh = twice ? batch.reports : verdict.kind === 'take' ? batch.reports.slice(verdict.skip) : [];
    for (const numbered of fresh) {
      const key = `${numbered.epoch} ${numbered.seq}`;
      this.committed.set(key, (this.committed.get(key) ?? 0) + 1);
      this.applyToServer(batch.gateway, numbered);
    }
    this.cursors.set(first!.epoch, verdict.cursor);
    if (verdict.cursor < cursor) throw new Violation('P4: a cursor went back');
    const told = this.mistake === 'forgets-what-moved-nothing' ? [] : batch.reports;
    const unapplied = told.filter(({ epoch, seq }) => this.unapplied.has(`${epoch} ${seq}`)).map(({ seq }) => seq);
    this.acks.push({ epoch: first!.epoch, cursor: this.cursors.get(first!.epoch)!, unapplied });
  }

  private applyToServer(gateway: string, { epoch, seq, report }: Numbered): void {
    if (report.kind === 'epoch-started') return;
    const before = this.dep;
    const effect = applyReport(before, report, {
      nowMs: this.now,
      epoch,
      seq,
      gatewayId: gateway,
      campaignState: 'running',
      retry: POLICY.retry,
      onAbort: 'finish',
      artifact: { images: [{ image: 0, runningHash: HASH }], runningVersion: null, versionProves: false },
      device: { identity: IDENTITY },
    });
    if (effect.disposition !== 'applied') {
      this.unapplied.add(`${epoch} ${seq}`);
      return;
    }
    this.checkMove(before.state, effect.next.state);
    if (report.ref.attempt !== before.attempt) throw new Violation('P3: an older attempt changed the deployment');
    this.dep = effect.next;
    if (report.kind === 'ended') this.seen.ended++;
    if (effect.endKnown) this.fencedUntil = null;
  }

  // The agents

  private deliverOrder(agent: ModelAgent, index: number): void {
    const mine = this.orders.filter((order) => order.gateway === agent.gateway);
    const order = mine[modulo(index, mine.length)];
    if (order) agent.takeOrder(order);
  }

  /** The look directly before the first write. */
  private look(agent: ModelAgent): void {
    const grant = agent.journal.held?.grants.find((candidate) => !agent.isKnown(candidate.attempt));
    if (!grant) return;
    const blind = this.mistake === 'starts-without-looking-at-the-time';
    if (!blind && agent.bound(this.now) >= grant.startBy) return;
    agent.looked = { at: this.now, grant };
  }

  private firstWrite(agent: ModelAgent): void {
    const { looked } = agent;
    agent.looked = undefined;
    if (!looked || this.now - looked.at > GAP_MS || agent.isKnown(looked.grant.attempt)) return;
    const stillHeld = agent.journal.held?.grants.some((grant) => grant.attempt === looked.grant.attempt);
    if (!stillHeld || !agent.isHeardOf(looked.grant.attempt)) return;
    // Journalled before it is done.
    agent.journal.started.push(looked.grant);
    agent.note({ kind: 'touched', ref: this.ref(looked.grant.attempt), identity: IDENTITY, before: [OLD] });
    // A grant is dead in any other epoch, so neither a lost journal nor a cloned card starts it again.
    if (this.touchedAttempts.has(looked.grant.attempt)) {
      throw new Violation(`P3: attempt ${looked.grant.attempt} was started twice`);
    }
    this.deviceIsWritten(looked.grant.attempt);
  }

  private running(agent: ModelAgent): ModelGrant | undefined {
    return agent.journal.started.find((grant) => !agent.journal.over.has(grant.attempt));
  }

  private laterWrite(agent: ModelAgent, b: number): void {
    const grant = this.running(agent);
    if (!grant || agent.bound(this.now) >= grant.finishBy) return;
    const kinds = ['erased', 'complete', 'activating'] as const;
    agent.note({ kind: kinds[b % kinds.length]!, ref: this.ref(grant.attempt) });
    this.deviceIsWritten(grant.attempt);
  }

  private finish(agent: ModelAgent, b: number): void {
    const grant = this.running(agent);
    if (!grant) return;
    agent.journal.over.add(grant.attempt);
    const failed = b % 3 !== 0 || agent.bound(this.now) >= grant.finishBy;
    agent.note({
      kind: 'ended',
      ref: this.ref(grant.attempt),
      touched: true,
      needsRescue: failed && b % 5 === 0,
      sentBytes: 1,
      durationMs: 1,
      ...(failed
        ? { outcome: 'failed', code: 'link.lost' }
        : { outcome: 'proven', identity: IDENTITY, before: [OLD], after: [{ image: 0, hash: HASH }] }),
    });
  }

  private giveUpLate(agent: ModelAgent): void {
    for (const grant of agent.journal.held?.grants ?? []) {
      if (!agent.isKnown(grant.attempt) && agent.anchor && agent.bound(this.now) >= grant.startBy) {
        agent.withdraw(grant, 'start-by-passed');
      }
    }
  }

  private sendBatch(agent: ModelAgent, b: number): void {
    const [oldest] = agent.journal.reports;
    if (!oldest) return;
    const reports = agent.journal.reports.filter((numbered) => numbered.epoch === oldest.epoch).slice(0, 1 + (b % 4));
    this.batches.push({ gateway: agent.gateway, reports });
    if (this.mistake === 'prunes-without-ack') this.prune(agent, reports);
  }

  private deliverAck(agent: ModelAgent, index: number): void {
    const ack = this.acks[modulo(index, this.acks.length)];
    if (!ack) return;
    const { acked } = agent.journal;
    if (ack.epoch === agent.epoch) agent.refuse(ack.unapplied);
    acked.set(ack.epoch, Math.max(acked.get(ack.epoch) ?? 0, ack.cursor));
    this.prune(
      agent,
      agent.journal.reports.filter((numbered) => numbered.epoch === ack.epoch && numbered.seq <= ack.cursor),
    );
  }

  private prune(agent: ModelAgent, gone: readonly Numbered[]): void {
    agent.journal.reports = agent.journal.reports.filter((numbered) => !gone.includes(numbered));
    for (const { epoch, seq } of gone) this.pruned.push(`${epoch} ${seq}`);
  }
  private readonly pruned: string[] = [];

  private loseJournal(agent: ModelAgent, b: number): void {
    if (b % 3 !== 0) return;
    agent.journal = emptyJournal();
    agent.boot();
  }

  private clone(agent: ModelAgent, b: number): void {
    // A card that is copied with a grant on it can speak for an attempt that the other machine goes on with: numbers
    // cannot keep the two apart, only the quarantine of a key with two live epochs can. Copied before, it must do no harm.
    const idle =
      !this.running(agent) && (agent.journal.held?.grants.every((grant) => agent.isKnown(grant.attempt)) ?? true);
    if (b % 4 !== 0 || this.agents.length >= 3 || !idle) return;
    this.seen.clones++;
    const { held, started, over, reports, epochs, acked } = agent.journal;
    const copy = {
      held,
      started: [...started],
      over: new Set(over),
      reports: [...reports],
      epochs: new Set(epochs),
      acked: new Map(acked),
    };
    this.agents.push(new ModelAgent(`${agent.name}-clone`, agent.gateway, copy, this));
  }

  // The observers

  private deviceIsWritten(attempt: number): void {
    // P3: whoever writes, no later attempt has been granted.
    if (attempt !== this.dep.attempt) {
      throw new Violation(`P3: attempt ${attempt} writes although attempt ${this.dep.attempt} is granted`);
    }
    if (this.touchedAttempts.has(attempt)) return;
    this.touchedAttempts.add(attempt);
    this.seen.touched++;
    // A rescue goes on while paused: its device was touched long ago.
    if (!this.pause || this.dep.needsRescue) return;
    this.pause.firstTouches++;
    const { mayStillStart, noneAfter } = this.pause.answer;
    if (this.pause.firstTouches > mayStillStart)
      throw new Violation('P2: more devices were touched than the pause said');
    if (this.now > noneAfter) throw new Violation('P2: a device was touched after noneAfter');
  }

  private check(): void {
    for (const [key, count] of this.committed) if (count > 1) throw new Violation(`P4: ${key} was committed twice`);
    for (const key of this.pruned.splice(0)) {
      if (!this.committed.has(key)) throw new Violation(`P4: ${key} was pruned before it was committed`);
    }
    if (this.pause && !this.dep.needsRescue) {
      const { mayStillStart } = exposureOf([this.dep], this.now);
      if (mayStillStart > this.pause.answer.mayStillStart && this.mistake === undefined) {
        throw new Violation('P2: mayStillStart grew after the pause');
      }
      if (this.now >= this.pause.answer.noneAfter && mayStillStart > 0 && this.mistake === undefined) {
        throw new Violation('P2: mayStillStart is not 0 at noneAfter');
      }
    }
    // P8: no state without an end in sight.
    if (holdsGrant(this.dep.state) && !(overAt(this.dep) > 0)) throw new Violation('P8: a grant without an end');
    if (isEnd(this.dep.state) !== (this.dep.endedAtMs !== null)) throw new Violation('P8: an end without its time');
  }

  private checkMove(from: DeploymentState, to: DeploymentState): void {
    if (from === to) return;
    // Several moves may be one report's (granted -> transferring -> activating), each of them in the table.
    const seen = new Set([from]);
    for (const state of seen) {
      if (mayMove(DEPLOYMENT_LIFECYCLE, state, to, true)) return;
      for (const next of DEPLOYMENT_LIFECYCLE.moves[state]) if (holdsGrant(next)) seen.add(next);
    }
    throw new Violation(`the lifecycle has no way from ${from} to ${to}`);
  }
}

function modulo(value: number, size: number): number {
  return size === 0 ? 0 : ((value % size) + size) % size;
}
