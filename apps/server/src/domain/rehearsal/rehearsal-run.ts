/**
 * One run of a rehearsal: the engine's own `decide`, brakes, pace and choice of grants in virtual time, against a world that
 * was drawn once (methods, section 4). Time goes from event to event; no step is made while nothing can change.
 *
 * Taken as given: people approve gates at once; a quarantined gateway stays out; silence alone rings nothing.
 */
import { chooseGrants } from '../campaign/choose-grants.js';
import { decide, type CampaignSnapshot, type Decision, type StageSnapshot } from '../campaign/decide.js';
import { CLOCK_MARGIN_MS } from '../clock-margin.js';
import { grantEnds } from '../deployment/exposure.js';
import { backOffCeiling } from '../deployment/retry.js';
import type { Random } from '../forecast/index.js';
import {
  inFlightMax,
  minutesToToken,
  newPace,
  refill,
  refillStepwise,
  spend,
  stepwiseRate,
  type PaceState,
} from '../pace/index.js';
import { sumOf, sumsOf, type Sums } from '../sums/sums.js';
import { Agenda } from './agenda.js';
import { DrawnWorld } from './drawn-world.js';
import { FleetState, isOpen, type Stage, type Unit } from './fleet-state.js';
import { RehearsalBrakes } from './rehearsal-brakes.js';
import { scaledPolicy, type RehearsalInput, type RunResult } from './rehearsal-world.js';
import type { WindowCalendar } from './window-calendar.js';

/** The engine looks at a campaign so often at most while reports come in. */
const BETWEEN_LOOKS_MS = 5_000;
/** A run is a bounded piece of work, whatever the policy says. */
const MOST_LOOKS = 200_000;
/** Looks between two chances for others to run. */
const LOOKS_AT_ONCE = 50;
const LOAD_SLOT_MS = 10_000;
const MINUTE_MS = 60_000;

type Event =
  | { readonly kind: 'session-end'; readonly device: number; readonly attempt: number }
  | { readonly kind: 'silence'; readonly device: number; readonly attempt: number }
  | { readonly kind: 'unused'; readonly device: number; readonly attempt: number }
  | { readonly kind: 'gateway'; readonly gateway: number }
  | { readonly kind: 'look' };

export interface RunOptions {
  /** The firmware fails on this share of the devices, for good; null: as the fleet's history says. */
  readonly failureRate: number | null;
  readonly calendar: WindowCalendar;
  readonly random: Random;
}

export class RehearsalRun {
  private readonly world: DrawnWorld;
  private readonly brakes: RehearsalBrakes;
  private readonly policy;
  private readonly fleet: FleetState;
  private readonly agenda = new Agenda<Event>();
  private readonly strataKnown: boolean[];
  private readonly loads = new Map<number, number>();
  private readonly deadlineAtMs: number;
  private pace: PaceState | undefined;
  private paceAtMs: number;
  private proven: number;
  private orders = 0;
  private over = false;
  private haltedAtMs: number | null = null;
  private amber = false;

  constructor(
    private readonly input: RehearsalInput,
    private readonly options: RunOptions,
  ) {
    const { fleet, startMs } = input;
    this.policy = scaledPolicy(input.policy, input.scale);
    this.world = new DrawnWorld(input, this.policy, options.failureRate, options.random);
    this.brakes = new RehearsalBrakes(input);
    this.deadlineAtMs = startMs + this.policy.deadlineMs;
    this.paceAtMs = startMs;
    this.fleet = new FleetState(input, this.policy, (gateway) => this.world.gatewayAtStart(gateway));
    this.proven = this.fleet.stages.reduce((sum, stage) => sum + (stage.counts.proven ?? 0), 0);
    this.fleet.places.forEach((place, gateway) => {
      if (place.units.length > 0) this.agenda.add(place.onOff.untilMs, { kind: 'gateway', gateway });
    });
    this.strataKnown = fleet.strata.map(() => false);
    this.agenda.add(startMs, { kind: 'look' });
  }

  /** Plays the run; gives way now and then, so that whoever drives it can let others run. */
  *play(): Generator<void, RunResult, void> {
    let lastLookMs = -Infinity;
    let looks = 0;
    while (!this.over && looks < MOST_LOOKS) {
      const nextMs = this.agenda.nextMs;
      if (nextMs === undefined) break;
      // Reports that come close together are taken together, as the engine does.
      const nowMs = Math.min(Math.max(nextMs, lastLookMs + BETWEEN_LOOKS_MS), Math.max(nextMs, this.deadlineAtMs));
      let changed = false;
      for (let event = this.agenda.takeDue(nowMs); event; event = this.agenda.takeDue(nowMs)) {
        if (this.take(event, nowMs)) changed = true;
      }
      if (!changed) continue;
      lastLookMs = nowMs;
      this.look(nowMs);
      looks += 1;
      if (looks % LOOKS_AT_ONCE === 0) yield;
    }
    return this.result();
  }

  /** @returns whether the engine has a reason to look. */
  private take(event: Event, nowMs: number): boolean {
    switch (event.kind) {
      case 'look':
        return true;
      case 'gateway':
        return this.turnGateway(event.gateway, nowMs);
      case 'session-end': {
        const place = this.fleet.places[this.fleet.units[event.device]!.facts.gateway!]!;
        if (place.onOff.on) return this.report(event.device, event.attempt, nowMs);
        place.reports.push(event);
        return false;
      }
      case 'silence': {
        const unit = this.fleet.units[event.device]!;
        if (unit.attempt !== event.attempt || unit.state !== 'transferring') return false;
        this.fleet.release(unit);
        this.fleet.move(unit, 'lost');
        return true;
      }
      case 'unused': {
        const unit = this.fleet.units[event.device]!;
        if (unit.attempt !== event.attempt || unit.state !== 'transferring') return false;
        this.fleet.release(unit);
        this.fleet.move(unit, 'planned');
        return true;
      }
    }
  }

  private turnGateway(gateway: number, nowMs: number): boolean {
    const place = this.fleet.places[gateway]!;
    place.onOff = this.world.gatewayLater(gateway, place.onOff, nowMs);
    const waits = place.units.some((index) => isOpen(this.fleet.units[index]!.state));
    if (waits || place.reports.length > 0) this.agenda.add(place.onOff.untilMs, { kind: 'gateway', gateway });
    if (!place.onOff.on) return false;
    const reports = place.reports;
    place.reports = [];
    for (const { device, attempt } of reports) this.report(device, attempt, nowMs);
    return waits || reports.length > 0;
  }

  /** A result is heard; of an attempt that was given up meanwhile, it corrects what was said (`lost`). */
  private report(device: number, attempt: number, nowMs: number): boolean {
    const unit = this.fleet.units[device]!;
    if (unit.attempt !== attempt || (unit.state !== 'transferring' && unit.state !== 'lost')) return false;
    const gateway = unit.facts.gateway!;
    if (unit.state === 'transferring') this.fleet.release(unit);
    const { outcome } = unit.result!;
    if (outcome === 'proven') {
      this.fleet.move(unit, 'proven');
      this.fleet.setSuspect(unit, false);
      unit.doneAtMs = nowMs;
      this.proven += 1;
      this.strataKnown[unit.facts.stratum] = true;
      this.brakes.ended(unit.ordinals!, gateway, true);
      return true;
    }
    const failures = outcome === 'firmware' ? ++unit.firmwareFailures : ++unit.linkFailures;
    const { maxAttempts, backOffMs } = this.policy.retry[outcome === 'firmware' ? 'firmware' : 'link'];
    const again = failures < maxAttempts && unit.attempt < 20;
    const counts = outcome === 'firmware' ? 'firmware' : again ? 'place' : 'transport';
    this.brakes.failed(unit.ordinals!, unit.facts.stratum, gateway, counts);
    if (again) {
      const ceilingMs = backOffCeiling(failures, backOffMs, this.policy.retry.backOffMaxMs);
      unit.notBeforeMs = nowMs + Math.floor(this.options.random() * (ceilingMs + 1));
      this.agenda.add(unit.notBeforeMs, { kind: 'look' });
      this.fleet.move(unit, 'planned');
      this.fleet.setSuspect(unit, outcome === 'firmware');
    } else {
      this.fleet.move(unit, 'failed');
      this.fleet.setSuspect(unit, false);
      unit.doneAtMs = nowMs;
      this.strataKnown[unit.facts.stratum] = true;
      this.brakes.ended(unit.ordinals!, gateway, false);
    }
    return true;
  }

  private look(nowMs: number): void {
    const stages = this.fleet.stages.map((stage, index) => this.snapshotOf(stage, index));
    const sums = sumOf(stages.map((stage) => stage.sums));
    const brakes = this.brakes.look(sums);
    this.amber = brakes.amber;
    this.refill(nowMs);
    const snapshot: CampaignSnapshot = {
      state: 'running',
      policy: this.policy,
      deadlineAtMs: this.deadlineAtMs,
      stages,
      startAtMs: null,
      holding: sums.running + sums.granted,
      inFlightMax: inFlightMax(
        {
          first: this.policy.limits.firstInFlight,
          perProven: this.policy.limits.earnedPerProven,
          limit: this.policy.limits.inFlight,
        },
        this.proven,
      ),
      startTokens: this.pace!.tokens,
      nextTokenMs: null,
      brakes,
      settlingUntilMs: null,
      blobPresent: true,
      nextDueMs: null,
    };
    for (const decision of decide(snapshot, nowMs)) {
      if (this.over) break;
      this.apply(decision, nowMs);
    }
    if (!this.over) this.planLook(sums, nowMs);
  }

  private snapshotOf(stage: Stage, index: number): StageSnapshot {
    const wanted = this.policy.stages[index]!.gate.strata;
    return {
      index,
      state: stage.state,
      deadlineAtMs: stage.deadlineAtMs,
      soakUntilMs: stage.soakUntilMs,
      forgiven: 0,
      approved: true,
      untriedStrata:
        wanted === undefined
          ? []
          : this.input.fleet.strata.filter(
              (name, at) => !this.strataKnown[at] && (wanted === 'all' || wanted.includes(name)),
            ),
      sums: sumsOf(stage.counts, { suspect: stage.suspect }, { acceptUnproven: this.policy.acceptUnproven }),
    };
  }

  private refill(nowMs: number): void {
    const rule = this.policy.pace;
    const minutes = (nowMs - this.paceAtMs) / MINUTE_MS;
    this.paceAtMs = nowMs;
    if (rule.kind === 'steps') {
      const steps = stepsOf(rule);
      const first = { tokens: stepwiseRate(steps, 0), openMinutes: 0 };
      this.pace = refillStepwise(steps, this.pace ?? first, minutes, this.proven);
      return;
    }
    this.pace = refill(rule, this.pace ?? newPace(rule), minutes, this.amber);
  }

  private apply(decision: Decision, nowMs: number): void {
    const stage = 'stage' in decision ? this.fleet.stages[decision.stage]! : undefined;
    switch (decision.kind) {
      case 'open-stage':
        Object.assign(stage!, { state: 'open', deadlineAtMs: decision.deadlineAtMs });
        return;
      case 'soak-stage':
        Object.assign(stage!, { state: 'soaking', soakUntilMs: decision.untilMs });
        return;
      case 'reopen-stage':
        Object.assign(stage!, { state: 'open', soakUntilMs: null });
        return;
      case 'pass-stage':
        stage!.state = 'passed';
        // The next stage opens at the next look, which is at once.
        this.agenda.add(nowMs, { kind: 'look' });
        return;
      case 'hold-stage':
      case 'fail-stage':
        Object.assign(stage!, { state: decision.kind === 'hold-stage' ? 'held' : 'failed', note: decision.note });
        return;
      case 'halt':
        this.haltedAtMs = nowMs;
        this.over = true;
        return;
      case 'pause':
      case 'complete':
        this.over = true;
        return;
      case 'grant':
        if (decision.mode === 'update') this.grant(decision.room, decision.stages, nowMs);
        return;
      default:
        // What is left is the database's own housekeeping; brake findings are acted on in `RehearsalBrakes`.
        return;
    }
  }

  private grant(room: number, stages: readonly number[], nowMs: number): void {
    const candidates = this.fleet.candidates(room, stages, nowMs, this.brakes, this.options.calendar);
    const roomOf = this.fleet.roomOf();
    const chosen = chooseGrants(candidates, room, roomOf);
    const gateways = new Set<string>();
    for (const one of chosen) {
      gateways.add(one.gatewayId);
      this.start(Number(one.deploymentId), nowMs);
    }
    this.pace = spend(this.pace!, chosen.length);
    this.orders += gateways.size;
    const slot = Math.floor(nowMs / LOAD_SLOT_MS);
    this.loads.set(slot, (this.loads.get(slot) ?? 0) + gateways.size);
  }

  private start(device: number, nowMs: number): void {
    const unit = this.fleet.units[device]!;
    const gateway = unit.facts.gateway!;
    const place = this.fleet.places[gateway]!;
    const gatewayId = this.input.fleet.gateways[gateway]!.id;
    unit.ordinals ??= this.brakes.start(unit.facts.stratum, gateway);
    unit.attempt += 1;
    this.fleet.move(unit, 'transferring');
    place.running += 1;
    const { attempt } = unit;
    const ends = grantEnds(nowMs, this.policy.timeouts);
    unit.link = this.world.linkOf(device, unit.link, nowMs);
    if (!unit.link.on && unit.link.untilMs >= ends.startByMs) {
      // Not to be heard until the grant has ended: it is used up, which is no try.
      unit.result = undefined;
      this.agenda.add(ends.startByMs + CLOCK_MARGIN_MS, { kind: 'unused', device, attempt });
      return;
    }
    const beginsMs = unit.link.on ? nowMs : unit.link.untilMs;
    unit.result = this.world.session(unit, gatewayId, place.running);
    place.bytes += unit.result.transferBytes;
    this.agenda.add(beginsMs + unit.result.durationMs, { kind: 'session-end', device, attempt });
    this.agenda.add(ends.finishByMs + CLOCK_MARGIN_MS, { kind: 'silence', device, attempt });
  }

  /** The next moment at which something may start though nothing is reported. */
  private planLook(sums: Sums, nowMs: number): void {
    if (this.isStuck(sums)) {
      this.over = true;
      return;
    }
    const times: number[] = [this.deadlineAtMs];
    for (const stage of this.fleet.stages) {
      if (stage.state === 'soaking' && stage.soakUntilMs !== null) times.push(stage.soakUntilMs);
      if ((stage.state === 'open' || stage.state === 'soaking') && stage.deadlineAtMs !== null) {
        times.push(stage.deadlineAtMs);
      }
    }
    if (sums.planned > 0) {
      times.push(this.options.calendar.at(nowMs).untilMs);
      if (this.pace!.tokens < 1) times.push(nowMs + this.minutesToToken() * MINUTE_MS);
      else if (this.wasShort) times.push(nowMs + BETWEEN_LOOKS_MS);
    }
    const next = Math.min(...times.filter((ms) => ms > nowMs));
    // A look that is planned already comes first and plans the next.
    if (Number.isFinite(next) && (this.plannedLookMs <= nowMs || next < this.plannedLookMs)) {
      this.plannedLookMs = next;
      this.agenda.add(next, { kind: 'look' });
    }
  }

  /** Nothing is under way and no open stage has anything left: only a person could go on. */
  private isStuck(sums: Sums): boolean {
    if (sums.running + sums.granted > 0 || !this.fleet.stages.some((stage) => stage.state === 'held')) return false;
    return this.fleet.stages.every(
      (stage) => stage.state === 'held' || stage.state === 'pending' || !stage.counts.planned,
    );
  }

  private plannedLookMs = -Infinity;

  /** The pace, and not the room in flight, is what starts wait for. */
  private get wasShort(): boolean {
    return this.pace!.tokens < 2;
  }

  private minutesToToken(): number {
    const rule = this.policy.pace;
    if (rule.kind === 'steps') return (1 - this.pace!.tokens) / stepwiseRate(stepsOf(rule), this.proven);
    return minutesToToken(rule, this.pace!);
  }

  private result(): RunResult {
    const reachable = this.fleet.units.filter((unit) => unit.facts.gateway !== null).length;
    const doneAtMs = this.fleet.units.flatMap((unit) => (unit.doneAtMs === null ? [] : [unit.doneAtMs]));
    const held = this.fleet.stages.find((stage) => stage.state === 'held')?.note ?? null;
    const firmware = (unit: Unit): boolean =>
      unit.firmwareFailures > 0 || (unit.state === 'transferring' && unit.result?.outcome === 'firmware');
    const open = this.fleet.units.filter((unit) => isOpen(unit.state) || unit.state === 'lost').length;
    return {
      doneAtMs,
      reachable,
      outOfReach: this.haltedAtMs === null && held === null ? open : this.fleet.units.length - reachable,
      failed: this.fleet.units.filter((unit) => unit.state === 'failed').length,
      haltedAtMs: this.haltedAtMs,
      started: this.brakes.granted,
      hit: this.fleet.units.filter(firmware).length,
      orders: this.orders,
      peakOrdersPerSecond: (Math.max(0, ...this.loads.values()) * 1000) / LOAD_SLOT_MS,
      linkBytes: this.fleet.places.flatMap((place) => (place.bytes > 0 ? [place.bytes] : [])),
      held,
    };
  }
}

const stepsOf = (rule: { startPerMinute: number; factor: number; everyProven: number; maxPerMinute: number }) => ({
  basePerMinute: rule.startPerMinute,
  factor: rule.factor,
  provenPerStep: rule.everyProven,
  maxPerMinute: rule.maxPerMinute,
});
