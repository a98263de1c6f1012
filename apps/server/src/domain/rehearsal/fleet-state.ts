/** Units, gateways and stages of one run, with the counts that rules look at. */
import type { DeploymentState, Policy } from '@drydock/contracts';
import type { Candidate } from '../campaign/choose-grants.js';
import type { StageSnapshot } from '../campaign/decide.js';
import type { OnOffState, SessionResult } from '../forecast/index.js';
import type { Ordinals, RehearsalBrakes } from './rehearsal-brakes.js';
import type { RehearsalDevice, RehearsalInput } from './rehearsal-world.js';
import type { WindowCalendar } from './window-calendar.js';

/** Ended devices that a gateway's list carries along. */
const MOST_ENDED = 16;

export interface Unit {
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

export interface Place {
  readonly units: number[];
  planned: number;
  running: number;
  onOff: OnOffState;
  reports: { readonly device: number; readonly attempt: number }[];
  bytes: number;
}

export interface Stage {
  state: StageSnapshot['state'];
  deadlineAtMs: number | null;
  soakUntilMs: number | null;
  note: string | null;
  readonly counts: Partial<Record<DeploymentState, number>>;
  suspect: number;
}

export class FleetState {
  readonly units: Unit[];
  readonly places: Place[];
  readonly stages: Stage[];
  private readonly out: number[];

  /** @param onOff of each gateway at the start. */
  constructor(
    private readonly input: RehearsalInput,
    private readonly policy: Policy,
    onOff: (gateway: number) => OnOffState,
  ) {
    const { fleet, startMs } = input;
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
    this.stages = policy.stages.map((rules, index) => {
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
    this.places = fleet.gateways.map((_, gateway) => ({
      units: [],
      planned: 0,
      running: 0,
      onOff: onOff(gateway),
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
    this.out = fleet.groups.map(() => 0);
  }

  move(unit: Unit, to: DeploymentState): void {
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

  setSuspect(unit: Unit, suspect: boolean): void {
    if (unit.suspect === suspect) return;
    unit.suspect = suspect;
    this.stages[unit.facts.stage]!.suspect += suspect ? 1 : -1;
  }

  release(unit: Unit): void {
    this.places[unit.facts.gateway!]!.running -= 1;
  }

  private runningAtSite(site: number): number {
    let running = 0;
    this.places.forEach((place, index) => {
      if (this.input.fleet.gateways[index]!.site === site) running += place.running;
    });
    return running;
  }

  /** Of each gateway with room, as many from the front of its devices as it can take. */
  candidates(
    room: number,
    stages: readonly number[],
    nowMs: number,
    brakes: RehearsalBrakes,
    calendar: WindowCalendar,
  ): Candidate[] {
    const { perGateway, perSite } = this.policy.limits;
    const { fleet } = this.input;
    const open = this.openSites(nowMs, calendar);
    const mayStart = (index: number): boolean => {
      const unit = this.units[index]!;
      return (
        unit.state === 'planned' &&
        unit.notBeforeMs <= nowMs &&
        stages.includes(unit.facts.stage) &&
        !brakes.isStopped(unit.facts.stratum)
      );
    };
    let firsts: { readonly gateway: number; readonly at: number }[] = [];
    for (let gateway = 0; gateway < this.places.length; gateway += 1) {
      const place = this.places[gateway]!;
      if (place.planned === 0 || place.running >= perGateway || !place.onOff.on) continue;
      if (open?.[fleet.gateways[gateway]!.site] === false || brakes.isQuarantined(gateway)) continue;
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
  private openSites(nowMs: number, calendar: WindowCalendar): boolean[] | undefined {
    const { open } = calendar.at(nowMs);
    return open === null ? undefined : this.input.fleet.sites.map((site) => open.has(site.zone));
  }

  private forgetEnded(place: Place): void {
    const left = place.units.filter((index) => isOpen(this.units[index]!.state) || this.units[index]!.state === 'lost');
    place.units.splice(0, place.units.length, ...left);
  }

  /** Places left of the holders that candidates name. */
  roomOf(): (holder: string) => number {
    const { limits } = this.policy;
    const sites = new Map<string, number>();
    return (holder) => {
      const [kind, id] = [holder.slice(0, 1), Number(holder.slice(1))];
      if (kind === 'g') return limits.perGateway - this.places[id]!.running;
      if (kind === 'r') return this.input.fleet.groups[id]! - this.out[id]!;
      const known = sites.get(holder) ?? this.runningAtSite(id);
      sites.set(holder, known);
      return (limits.perSite ?? Infinity) - known;
    };
  }
}

/** Not at its end, and not lost. */
export const isOpen = (state: DeploymentState): boolean => state === 'planned' || state === 'transferring';
/** Out of service, or about to be. */
const isOut = (state: DeploymentState): boolean => state === 'transferring' || state === 'failed' || state === 'lost';
