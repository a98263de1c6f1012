/**
 * Our whole policy as shipped, over a simulated fleet in virtual time: pace, earned exposure, spread over gateways,
 * every test of the brake, quarantine. The mathematics is the server's own; only the loop is the bench's.
 */
import {
  DEFAULT_ALPHA,
  DEFAULT_EXPOSURE,
  DEFAULT_PACE,
  TRANSPORT_LIMIT,
  chooseGrants,
  gatewayCap,
  inFlightMax,
  judgeBrakes,
  mostOverdue,
  newBrakeTest,
  newPace,
  overdueLimit,
  recordFailure,
  recordFrontier,
  refill,
  spend,
  type BrakeFacts,
  type BrakeTest,
  type Candidate,
  type HoldersFacts,
} from '@drydock/server/policy-mathematics';
import {
  ACTIVATION_SHARE,
  countFailed,
  fails,
  GATEWAYS,
  PROOF_99_MINUTES,
  type Fleet,
  type Outcome,
  type World,
} from './fleet.js';

const TICK_MINUTES = 1 / 6;
/** Updates of one gateway at once. */
const GATEWAY_SLOTS = 4;
/** So that the bench ends, whatever the policy does. */
const MOST_MINUTES = 3_000;

/** Of a started device: its result, its activation overdue, the deadline of its state without a result. */
type Event = 'result' | 'overdue' | 'deadline';

/** Silence ends here: the device leaves its slot and counts as past its deadline. */
const DEADLINE_MINUTES = 30;

interface Gateway {
  started: number;
  running: number;
  finished: number;
  failed: number;
  failedOrdinals: number[];
  quarantined: boolean;
}

export interface DrydockOutcome extends Outcome {
  readonly quarantined: number;
}

export function runDrydock(fleet: Fleet, world: World, limit: number): DrydockOutcome {
  return new Campaign(fleet, world, limit).run();
}

class Campaign {
  private readonly gateways: Gateway[] = Array.from({ length: GATEWAYS }, () => ({
    started: 0,
    running: 0,
    finished: 0,
    failed: 0,
    failedOrdinals: [],
    quarantined: false,
  }));
  private readonly waiting: number[];
  private readonly started: number[] = [];
  private readonly ordinals = new Map<number, { campaign: number; gateway: number }>();
  private readonly final: boolean[] = [];
  /** What happens in a tick: results, and activations that have become overdue. */
  private readonly agenda = new Map<number, { device: number; what: Event }[]>();
  private firmware: BrakeTest;
  private model: BrakeTest;
  private overdue: BrakeTest;
  private readonly transport = newBrakeTest({ limit: TRANSPORT_LIMIT });
  private frontier = 0;
  private proven = 0;
  private running = 0;
  private overdueInFlight = 0;
  private amber = false;

  constructor(
    private readonly fleet: Fleet,
    private readonly world: World,
    private readonly limit: number,
  ) {
    this.waiting = fleet.map((_, index) => index);
    const cap = { gatewayCap: gatewayCap(GATEWAYS) };
    this.firmware = newBrakeTest({ limit, ...cap });
    this.model = newBrakeTest({ limit, ...cap });
    this.overdue = newBrakeTest({ limit: overdueLimit(limit), ...cap });
  }

  run(): DrydockOutcome {
    let pace = newPace(DEFAULT_PACE);
    let [halted, tick, lastResult] = [false, 0, 0];
    for (; tick * TICK_MINUTES < MOST_MINUTES; tick++) {
      if (tick > 0) pace = refill(DEFAULT_PACE, pace, TICK_MINUTES, this.amber);
      const events = this.agenda.get(tick) ?? [];
      this.agenda.delete(tick);
      for (const event of events) this.take(event.device, event.what);
      if (events.length > 0) {
        lastResult = tick;
        this.advanceFrontier();
      }
      if (events.length > 0 || this.amber) halted = this.judge();
      if (halted) break;
      const grants = this.choose(pace.tokens);
      for (const grant of grants) this.start(grant.position, tick);
      pace = spend(pace, grants.length);
      if (this.agenda.size === 0 && this.waiting.length === 0) break;
    }
    return {
      halted,
      started: this.started.length,
      failed: countFailed(this.fleet, this.started, this.world),
      minutes: (halted ? tick : lastResult) * TICK_MINUTES,
      quarantined: this.gateways.filter((gateway) => gateway.quarantined).length,
    };
  }

  private choose(tokens: number): Candidate[] {
    const room = inFlightMax(DEFAULT_EXPOSURE, this.proven) - this.running;
    const most = Math.max(0, Math.floor(Math.min(tokens, room, this.waiting.length)));
    if (most === 0) return [];
    // Looked at from the front; enough for every grant to find a gateway with a free slot.
    const window = Math.min(this.waiting.length, 40 + 20 * most);
    const candidates = this.waiting.slice(0, window).map((index): Candidate => {
      const gateway = this.fleet[index]!.gateway;
      const [id, gatewayId] = [String(index), String(gateway)];
      return { deploymentId: id, deviceId: id, gatewayId, stage: 0, position: index, holders: [gatewayId] };
    });
    const chosen = chooseGrants(candidates, most, (id) => GATEWAY_SLOTS - this.gateways[Number(id)]!.running);
    const taken = new Set(chosen.map((one) => one.position));
    this.waiting.splice(0, window, ...this.waiting.slice(0, window).filter((index) => !taken.has(index)));
    return chosen;
  }

  private start(index: number, tick: number): void {
    const device = this.fleet[index]!;
    const gateway = this.gateways[device.gateway]!;
    this.started.push(index);
    this.ordinals.set(index, { campaign: this.started.length, gateway: ++gateway.started });
    this.final.push(false);
    this.running += 1;
    gateway.running += 1;
    const at = (minutes: number) => tick + Math.max(1, Math.ceil(minutes / TICK_MINUTES));
    const overdueAfter = ACTIVATION_SHARE * device.minutes + PROOF_99_MINUTES;
    const silent = this.world.mute && fails(device, this.world);
    this.plan(at(silent ? DEADLINE_MINUTES : device.minutes), index, silent ? 'deadline' : 'result');
    if (silent || overdueAfter < device.minutes) this.plan(at(overdueAfter), index, 'overdue');
  }

  private plan(tick: number, device: number, what: Event): void {
    const events = this.agenda.get(tick);
    if (events) events.push({ device, what });
    else this.agenda.set(tick, [{ device, what }]);
  }

  private take(index: number, what: Event): void {
    const device = this.fleet[index]!;
    const gateway = this.gateways[device.gateway]!;
    const ordinal = this.ordinals.get(index)!;
    const failure = { ordinal: ordinal.campaign, gatewayId: String(device.gateway), weight: 1 };
    if (what === 'overdue') {
      this.overdue = recordFailure(this.overdue, failure);
      return;
    }
    this.running -= 1;
    gateway.running -= 1;
    if (what === 'deadline') {
      this.overdueInFlight += 1;
      return;
    }
    gateway.finished += 1;
    this.final[ordinal.campaign - 1] = true;
    if (!fails(device, this.world)) {
      this.proven += 1;
      return;
    }
    gateway.failed += 1;
    gateway.failedOrdinals.push(ordinal.gateway);
    this.firmware = recordFailure(this.firmware, failure);
    this.model = recordFailure(this.model, failure);
  }

  private advanceFrontier(): void {
    const before = this.frontier;
    while (this.final[this.frontier] === true) this.frontier += 1;
    if (this.frontier === before) return;
    this.firmware = recordFrontier(this.firmware, this.frontier);
    this.model = recordFrontier(this.model, this.frontier);
    this.overdue = recordFrontier(this.overdue, this.frontier);
  }

  /** @returns whether the campaign is halted. */
  private judge(): boolean {
    const verdict = judgeBrakes(this.facts());
    if (verdict.cannotTell.length > 0) throw new Error(`cannot judge: ${JSON.stringify(verdict.cannotTell)}`);
    for (const { id } of verdict.gatewaysQuarantined) {
      this.gateways[Number(id)]!.quarantined = true;
      const kept = this.waiting.filter((index) => this.fleet[index]!.gateway !== Number(id));
      this.waiting.splice(0, this.waiting.length, ...kept);
    }
    this.amber = verdict.amber.length > 0;
    return verdict.halts.length > 0;
  }

  private facts(): BrakeFacts {
    const granted = this.started.length;
    const gatewaysTried = this.gateways.reduce((sum, gateway) => sum + (gateway.started > 0 ? 1 : 0), 0);
    const seen = { granted, gatewaysTried };
    const left = this.waiting.length;
    const bad = this.gateways.reduce((sum, gateway) => sum + gateway.failed, 0);
    return {
      alpha: DEFAULT_ALPHA,
      limit: this.limit,
      campaign: { test: this.firmware, ...seen },
      strata: [{ test: this.model, ...seen, kind: 'model', key: 'm', weight: 1, left, stopped: false }],
      left,
      overdue: { test: this.overdue, ...seen },
      transport: { test: this.transport, ...seen },
      gateways: this.holders(gatewaysTried),
      // Each gateway is a site of its own: the same test would only be made twice.
      sites: { total: GATEWAYS, tried: gatewaysTried, quarantined: 0, finished: 0, failed: 0, listed: [] },
      thresholds: [],
      bad,
      tried: this.proven + bad,
      overdueInFlight: this.overdueInFlight,
      mostOverdueInFlight: mostOverdue(inFlightMax(DEFAULT_EXPOSURE, this.proven)),
    };
  }

  private holders(tried: number): HoldersFacts {
    const sum = (of: (gateway: Gateway) => number) => this.gateways.reduce((total, gateway) => total + of(gateway), 0);
    return {
      total: GATEWAYS,
      tried,
      quarantined: sum((gateway) => (gateway.quarantined ? 1 : 0)),
      finished: sum((gateway) => gateway.finished),
      failed: sum((gateway) => gateway.failed),
      listed: this.gateways.flatMap((gateway, id) =>
        gateway.failed < 3
          ? []
          : [
              {
                id: String(id),
                failedOrdinals: gateway.failedOrdinals,
                neverStarted: [],
                finished: gateway.finished,
                failed: gateway.failed,
                quarantined: gateway.quarantined,
              },
            ],
      ),
    };
  }
}
