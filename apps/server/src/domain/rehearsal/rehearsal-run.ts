/**
 * One run of a rehearsal: the engine's own `decide`, brakes, pace and choice of grants in virtual time, against a world that
 * was drawn once (methods, section 4). Time goes from event to event; no step is made while nothing can change.
 *
 * Taken as given: people approve gates at once; a quarantined gateway stays out; silence alone rings nothing.
 */
import type { DeploymentState } from '@drydock/contracts';
import { chooseGrants, type Candidate } from '../campaign/choose-grants.js';
import { decide, type CampaignSnapshot, type Decision, type StageSnapshot } from '../campaign/decide.js';
import { CLOCK_MARGIN_MS } from '../clock-margin.js';
import { grantEnds } from '../deployment/exposure.js';
import { backOffCeiling } from '../deployment/retry.js';
import {
  advanceOnOff,
  COLD_START,
  drawOnOff,
  drawParameters,
  simulateSession,
  type OnOffState,
  type Random,
  type RunParameters,
  type SessionResult,
} from '../forecast/index.js';
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
import { RehearsalBrakes, type Ordinals } from './rehearsal-brakes.js';
import { scaledPolicy, type RehearsalDevice, type RehearsalInput, type RunResult } from './rehearsal-world.js';
import type { WindowCalendar } from './window-calendar.js';

/** The engine looks at a campaign so often at most while reports come in. */
const BETWEEN_LOOKS_MS = 5_000;
/** A run is a bounded piece of work, whatever the policy says. */
const MOST_LOOKS = 200_000;
/** Looks between two chances for others to run. */
const LOOKS_AT_ONCE = 50;
/** Ended devices that a gateway's list carries along. */
const MOST_ENDED = 16;
const LOAD_SLOT_MS = 10_000;
const MINUTE_MS = 60_000;

type Event =
  | { readonly kind: 'session-end'; readonly device: number; readonly attempt: number }
  | { readonly kind: 'silence'; readonly device: number; readonly attempt: number }
  | { readonly kind: 'unused'; readonly device: number; readonly attempt: number }
  | { readonly kind: 'gateway'; readonly gateway: number }
  | { readonly kind: 'look' };

interface Unit {
  readonly facts: RehearsalDevice;
  state: DeploymentState;
  attempt: number;
  linkFailures: number;
  firmwareFailures: number;
  suspect: boolean;
  notBeforeMs: number;
  ordinals: Ordinals | undefined;
  result: SessionResult | undefined;
  /** Drawn once where a failure rate is injected: bad firmware stays bad on a device. */
  fated: boolean | undefined;
  link: OnOffState | undefined;
  doneAtMs: number | null;
}

interface Place {
  readonly units: number[];
  planned: number;
  running: number;
  onOff: OnOffState;
  reports: { readonly device: number; readonly attempt: number }[];
  bytes: number;
}

interface Stage {
  state: StageSnapshot['state'];
  deadlineAtMs: number | null;
  soakUntilMs: number | null;
  note: string | null;
  readonly counts: Partial<Record<DeploymentState, number>>;
  suspect: number;
}

export interface RunOptions {
  /** The firmware fails on this share of the devices, for good; null: as the fleet's history says. */
  readonly failureRate: number | null;
  readonly calendar: WindowCalendar;
  readonly random: Random;
}

export class RehearsalRun {
  private readonly parameters: RunParameters;
  private readonly brakes: RehearsalBrakes;
  private readonly policy;
  private readonly units: Unit[];
  private readonly places: Place[];
  private readonly stages: Stage[];
  private readonly agenda = new Agenda<Event>();
  private readonly out: number[];
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
    const { random } = options;
    this.policy = scaledPolicy(input.policy, input.scale);
    this.parameters = drawParameters(input.history, random);
    this.brakes = new RehearsalBrakes(input);
    this.deadlineAtMs = startMs + this.policy.deadlineMs;
    this.paceAtMs = startMs;
    this.units = fleet.devices.map((facts) => ({
      facts,
      state: 'planned',
      attempt: 0,
      linkFailures: 0,
      firmwareFailures: 0,
      suspect: false,
      notBeforeMs: 0,
      ordinals: undefined,
      result: undefined,
      fated: undefined,
      link: undefined,
      doneAtMs: null,
    }));
    this.stages = this.policy.stages.map((rules, index) => {
      const begun = input.begun?.[index];
      // A stage that waits for a person goes on: that is what a rehearsal of it asks.
      const passed = begun?.state === 'passed';
      const open = begun !== undefined && !passed && begun.state !== 'pending';
      return {
        state: passed ? 'passed' : open ? 'open' : 'pending',
        deadlineAtMs: open ? startMs + rules.deadlineMs : null,
        soakUntilMs: null,
        note: null,
        counts: { ...begun?.ended },
        suspect: 0,
      };
    });
    this.proven = this.stages.reduce((sum, stage) => sum + (stage.counts.proven ?? 0), 0);
    this.places = fleet.gateways.map((gateway) => ({
      units: [],
      planned: 0,
      running: 0,
      // As the fleet is now: how long it stays so is drawn.
      onOff: this.stateFrom(gateway.online, this.parameters.gatewayOnShare(gateway.id)),
      reports: [],
      bytes: 0,
    }));
    this.units.forEach((unit, index) => {
      const { gateway, stage } = unit.facts;
      const counts = this.stages[stage]!.counts;
      counts.planned = (counts.planned ?? 0) + 1;
      if (gateway === null) return;
      this.places[gateway]!.units.push(index);
      this.places[gateway]!.planned += 1;
    });
    this.places.forEach((place, gateway) => {
      if (place.units.length > 0) this.agenda.add(place.onOff.untilMs, { kind: 'gateway', gateway });
    });
    this.out = fleet.groups.map(() => 0);
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

  private stateFrom(on: boolean, onShare: number): OnOffState {
    const { startMs } = this.input;
    const { random } = this.options;
    const drawn = drawOnOff({ ...this.onOffRule(onShare), onShare: on ? 1 - 1e-6 : 1e-6 }, startMs, random);
    const meanMs = on ? COLD_START.meanOnMs : (COLD_START.meanOnMs * (1 - onShare)) / onShare;
    return { on, untilMs: drawn.on === on ? startMs - meanMs * Math.log(1 - random()) : startMs };
  }

  private onOffRule(onShare: number) {
    return { onShare, meanOnMs: COLD_START.meanOnMs, seenOnMs: [], seenOffMs: [] };
  }

  /** @returns whether the engine has a reason to look. */
  private take(event: Event, nowMs: number): boolean {
    switch (event.kind) {
      case 'look':
        return true;
      case 'gateway':
        return this.turnGateway(event.gateway, nowMs);
      case 'session-end': {
        const place = this.places[this.units[event.device]!.facts.gateway!]!;
        if (place.onOff.on) return this.report(event.device, event.attempt, nowMs);
        place.reports.push(event);
        return false;
      }
      case 'silence': {
        const unit = this.units[event.device]!;
        if (unit.attempt !== event.attempt || unit.state !== 'transferring') return false;
        this.release(unit);
        this.move(unit, 'lost');
        return true;
      }
      case 'unused': {
        const unit = this.units[event.device]!;
        if (unit.attempt !== event.attempt || unit.state !== 'transferring') return false;
        this.release(unit);
        this.move(unit, 'planned');
        return true;
      }
    }
  }

  private turnGateway(gateway: number, nowMs: number): boolean {
    const place = this.places[gateway]!;
    const id = this.input.fleet.gateways[gateway]!.id;
    place.onOff = advanceOnOff(
      this.onOffRule(this.parameters.gatewayOnShare(id)),
      place.onOff,
      nowMs,
      this.options.random,
    );
    const waits = place.units.some((index) => isOpen(this.units[index]!.state));
    if (waits || place.reports.length > 0) this.agenda.add(place.onOff.untilMs, { kind: 'gateway', gateway });
    if (!place.onOff.on) return false;
    const reports = place.reports;
    place.reports = [];
    for (const { device, attempt } of reports) this.report(device, attempt, nowMs);
    return waits || reports.length > 0;
  }

  /** A result is heard; of an attempt that was given up meanwhile, it corrects what was said (`lost`). */
  private report(device: number, attempt: number, nowMs: number): boolean {
    const unit = this.units[device]!;
    if (unit.attempt !== attempt || (unit.state !== 'transferring' && unit.state !== 'lost')) return false;
    const gateway = unit.facts.gateway!;
    if (unit.state === 'transferring') this.release(unit);
    const { outcome } = unit.result!;
    if (outcome === 'proven') {
      this.move(unit, 'proven');
      this.setSuspect(unit, false);
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
      this.move(unit, 'planned');
      this.setSuspect(unit, outcome === 'firmware');
    } else {
      this.move(unit, 'failed');
      this.setSuspect(unit, false);
      unit.doneAtMs = nowMs;
      this.strataKnown[unit.facts.stratum] = true;
      this.brakes.ended(unit.ordinals!, gateway, false);
    }
    return true;
  }

  private move(unit: Unit, to: DeploymentState): void {
    const { counts } = this.stages[unit.facts.stage]!;
    counts[unit.state] = (counts[unit.state] ?? 0) - 1;
    counts[to] = (counts[to] ?? 0) + 1;
    if (unit.facts.group !== null) {
      this.out[unit.facts.group]! += (isOut(to) ? 1 : 0) - (isOut(unit.state) ? 1 : 0);
    }
    if (unit.facts.gateway !== null) {
      this.places[unit.facts.gateway]!.planned += (to === 'planned' ? 1 : 0) - (unit.state === 'planned' ? 1 : 0);
    }
    unit.state = to;
  }

  private setSuspect(unit: Unit, suspect: boolean): void {
    if (unit.suspect === suspect) return;
    unit.suspect = suspect;
    this.stages[unit.facts.stage]!.suspect += suspect ? 1 : -1;
  }

  private release(unit: Unit): void {
    this.places[unit.facts.gateway!]!.running -= 1;
  }

  private look(nowMs: number): void {
    const stages = this.stages.map((stage, index) => this.snapshotOf(stage, index));
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
    const stage = 'stage' in decision ? this.stages[decision.stage]! : undefined;
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
    const candidates = this.candidates(room, stages, nowMs);
    const { limits } = this.policy;
    const sites = new Map<string, number>();
    const roomOf = (holder: string): number => {
      const [kind, id] = [holder.slice(0, 1), Number(holder.slice(1))];
      if (kind === 'g') return limits.perGateway - this.places[id]!.running;
      if (kind === 'r') return this.input.fleet.groups[id]! - this.out[id]!;
      const known = sites.get(holder) ?? this.runningAtSite(id);
      sites.set(holder, known);
      return (limits.perSite ?? Infinity) - known;
    };
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

  private runningAtSite(site: number): number {
    let running = 0;
    this.places.forEach((place, index) => {
      if (this.input.fleet.gateways[index]!.site === site) running += place.running;
    });
    return running;
  }

  /** Of each gateway with room, as many from the front of its devices as it can take. */
  private candidates(room: number, stages: readonly number[], nowMs: number): Candidate[] {
    const { perGateway, perSite } = this.policy.limits;
    const { fleet } = this.input;
    const open = this.openSites(nowMs);
    const mayStart = (index: number): boolean => {
      const unit = this.units[index]!;
      return (
        unit.state === 'planned' &&
        unit.notBeforeMs <= nowMs &&
        stages.includes(unit.facts.stage) &&
        !this.brakes.isStopped(unit.facts.stratum)
      );
    };
    let firsts: { readonly gateway: number; readonly at: number }[] = [];
    for (let gateway = 0; gateway < this.places.length; gateway += 1) {
      const place = this.places[gateway]!;
      if (place.planned === 0 || place.running >= perGateway || !place.onOff.on) continue;
      if (open?.[fleet.gateways[gateway]!.site] === false || this.brakes.isQuarantined(gateway)) continue;
      if (place.units.length > place.planned + place.running + MOST_ENDED) this.forgetEnded(place);
      const at = place.units.findIndex(mayStart);
      if (at >= 0) firsts.push({ gateway, at });
    }
    if (perSite === undefined && fleet.groups.length === 0 && firsts.length > room) {
      // Each gets its first before any gets a second, and nothing else can refuse one: the others are not asked.
      const first = (one: { gateway: number; at: number }): number => this.places[one.gateway]!.units[one.at]!;
      firsts = firsts.sort((a, b) => first(a) - first(b)).slice(0, room);
    }
    const found: Candidate[] = [];
    for (const { gateway, at } of firsts) {
      const { units, running } = this.places[gateway]!;
      let free = Math.min(room, perGateway - running);
      for (let next = at; next < units.length && free > 0; next += 1) {
        const index = units[next]!;
        if (!mayStart(index)) continue;
        const { stage, group } = this.units[index]!.facts;
        const holders = [`g${gateway}`];
        if (perSite !== undefined) holders.push(`s${fleet.gateways[gateway]!.site}`);
        if (group !== null) holders.push(`r${group}`);
        const id = String(index);
        found.push({ deploymentId: id, deviceId: id, gatewayId: String(gateway), stage, position: index, holders });
        free -= 1;
      }
    }
    return found;
  }

  /** By site, whether its window is open; undefined: there are no windows. */
  private openSites(nowMs: number): boolean[] | undefined {
    const { open } = this.options.calendar.at(nowMs);
    return open === null ? undefined : this.input.fleet.sites.map((site) => open.has(site.zone));
  }

  private forgetEnded(place: Place): void {
    const left = place.units.filter((index) => isOpen(this.units[index]!.state) || this.units[index]!.state === 'lost');
    place.units.splice(0, place.units.length, ...left);
  }

  private start(device: number, nowMs: number): void {
    const unit = this.units[device]!;
    const gateway = unit.facts.gateway!;
    const place = this.places[gateway]!;
    const gatewayId = this.input.fleet.gateways[gateway]!.id;
    const { random } = this.options;
    unit.ordinals ??= this.brakes.start(unit.facts.stratum, gateway);
    unit.attempt += 1;
    this.move(unit, 'transferring');
    place.running += 1;
    const { attempt } = unit;
    const ends = grantEnds(nowMs, this.policy.timeouts);
    const rule = this.onOffRule(this.parameters.deviceOnShare(String(device)));
    unit.link = unit.link ? advanceOnOff(rule, unit.link, nowMs, random) : drawOnOff(rule, nowMs, random);
    if (!unit.link.on && unit.link.untilMs >= ends.startByMs) {
      // Not to be heard until the grant has ended: it is used up, which is no try.
      unit.result = undefined;
      this.agenda.add(ends.startByMs + CLOCK_MARGIN_MS, { kind: 'unused', device, attempt });
      return;
    }
    const beginsMs = unit.link.on ? nowMs : unit.link.untilMs;
    unit.result = this.session(unit, gatewayId, place.running);
    place.bytes += unit.result.transferBytes;
    this.agenda.add(beginsMs + unit.result.durationMs, { kind: 'session-end', device, attempt });
    this.agenda.add(ends.finishByMs + CLOCK_MARGIN_MS, { kind: 'silence', device, attempt });
  }

  private session(unit: Unit, gatewayId: string, active: number): SessionResult {
    const { artifactBytes, model, gatewayBytesPerSecond } = this.input;
    const { timeouts } = this.policy;
    const { failureRate, random } = this.options;
    let { parameters } = this;
    if (failureRate !== null) {
      unit.fated ??= random() < failureRate;
      const { transport } = this.parameters.failure(model, unit.attempt);
      const firmware = unit.fated ? 1 : 0;
      parameters = { ...parameters, failure: () => ({ transport, firmware }) };
    }
    const result = simulateSession(
      {
        bytes: artifactBytes,
        model,
        gatewayId,
        attempt: unit.attempt,
        gatewayBytesPerSecond,
        active,
        proveTimeoutMs: timeouts.proveMs,
      },
      parameters,
      random,
    );
    const transferMs = Math.max(0, result.durationMs - result.fixedMs);
    if (transferMs <= timeouts.transferMs) return result;
    // The agent gives up a transfer that takes longer than it may.
    const share = timeouts.transferMs / transferMs;
    return {
      ...result,
      outcome: 'transport',
      durationMs: timeouts.transferMs,
      transferBytes: result.transferBytes * share,
    };
  }

  /** The next moment at which something may start though nothing is reported. */
  private planLook(sums: Sums, nowMs: number): void {
    if (this.isStuck(sums)) {
      this.over = true;
      return;
    }
    const times: number[] = [this.deadlineAtMs];
    for (const stage of this.stages) {
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
    if (sums.running + sums.granted > 0 || !this.stages.some((stage) => stage.state === 'held')) return false;
    return this.stages.every((stage) => stage.state === 'held' || stage.state === 'pending' || !stage.counts.planned);
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
    const reachable = this.units.filter((unit) => unit.facts.gateway !== null).length;
    const doneAtMs = this.units.flatMap((unit) => (unit.doneAtMs === null ? [] : [unit.doneAtMs]));
    const held = this.stages.find((stage) => stage.state === 'held')?.note ?? null;
    const firmware = (unit: Unit): boolean =>
      unit.firmwareFailures > 0 || (unit.state === 'transferring' && unit.result?.outcome === 'firmware');
    const open = this.units.filter((unit) => isOpen(unit.state) || unit.state === 'lost').length;
    return {
      doneAtMs,
      reachable,
      outOfReach: this.haltedAtMs === null && held === null ? open : this.units.length - reachable,
      failed: this.units.filter((unit) => unit.state === 'failed').length,
      haltedAtMs: this.haltedAtMs,
      started: this.brakes.granted,
      hit: this.units.filter(firmware).length,
      orders: this.orders,
      peakOrdersPerSecond: (Math.max(0, ...this.loads.values()) * 1000) / LOAD_SLOT_MS,
      linkBytes: this.places.flatMap((place) => (place.bytes > 0 ? [place.bytes] : [])),
      held,
    };
  }
}

const isOpen = (state: DeploymentState): boolean => state === 'planned' || state === 'transferring';
/** Out of service, or about to be. */
const isOut = (state: DeploymentState): boolean => state === 'transferring' || state === 'failed' || state === 'lost';

const stepsOf = (rule: { startPerMinute: number; factor: number; everyProven: number; maxPerMinute: number }) => ({
  basePerMinute: rule.startPerMinute,
  factor: rule.factor,
  provenPerStep: rule.everyProven,
  maxPerMinute: rule.maxPerMinute,
});
