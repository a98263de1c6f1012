/** The brakes of one run: the same tests over the same facts as the engine's, without a database. */
import {
  gatewayCap,
  judgeBrakes,
  newBrakeTest,
  overdueLimit,
  recordFailure,
  recordFrontier,
  stratumWeight,
  type BrakeTest,
  type HolderFacts,
  type HoldersFacts,
} from '../brake/index.js';
import type { BrakeFindings } from '../campaign/decide.js';
import type { Sums } from '../sums/sums.js';
import type { RehearsalInput } from './rehearsal-world.js';

/** A gateway or site as the tests compare them. */
interface Holder {
  tried: number;
  finished: number;
  readonly failedOrdinals: number[];
  quarantined: boolean;
}

/** Where a device stands in the orders of granting. */
export interface Ordinals {
  readonly campaign: number;
  readonly stratum: number;
  readonly gateway: number;
  readonly site: number;
}

const QUIET: BrakeFindings = { amber: false, halt: null, strata: [], quarantine: [] };
const LEAST_FAILURES_OF_HOLDER = 3;

export class RehearsalBrakes {
  private firmware: BrakeTest;
  private transport: BrakeTest;
  private readonly overdue: BrakeTest;
  private readonly strata: BrakeTest[];
  private readonly stratumTried: number[];
  private readonly stratumSize: number[];
  private readonly stopped: boolean[];
  private readonly gateways: Holder[];
  private readonly sites: Holder[];
  private readonly final: boolean[] = [];
  private frontier = 0;
  private findings: BrakeFindings = QUIET;
  private heard = false;

  constructor(private readonly input: RehearsalInput) {
    const { fleet, brakeLimit, policy } = input;
    const reachable = fleet.gateways.length;
    const rules = { limit: brakeLimit, gatewayCap: gatewayCap(Math.max(1, reachable)) };
    this.firmware = newBrakeTest(rules);
    this.overdue = newBrakeTest({ ...rules, limit: overdueLimit(brakeLimit) });
    this.transport = newBrakeTest({ ...rules, limit: policy.brake.transportLimit });
    this.strata = fleet.strata.map(() => newBrakeTest(rules));
    this.stratumTried = fleet.strata.map(() => 0);
    this.stratumSize = fleet.strata.map(() => 0);
    for (const device of fleet.devices) this.stratumSize[device.stratum]! += 1;
    this.stopped = fleet.strata.map(() => false);
    const holder = (): Holder => ({ tried: 0, finished: 0, failedOrdinals: [], quarantined: false });
    this.gateways = fleet.gateways.map(holder);
    this.sites = fleet.sites.map(holder);
  }

  isStopped(stratum: number): boolean {
    return this.stopped[stratum]!;
  }

  isQuarantined(gateway: number): boolean {
    return this.gateways[gateway]!.quarantined || this.sites[this.input.fleet.gateways[gateway]!.site]!.quarantined;
  }

  /** The first grant of a device. */
  start(stratum: number, gateway: number): Ordinals {
    const site = this.input.fleet.gateways[gateway]!.site;
    this.final.push(false);
    return {
      campaign: this.final.length,
      stratum: ++this.stratumTried[stratum]!,
      gateway: ++this.gateways[gateway]!.tried,
      site: ++this.sites[site]!.tried,
    };
  }

  get granted(): number {
    return this.final.length;
  }

  /** @param counts which tests hear of it; a try of a transport failure that is tried again counts at its place alone. */
  failed(ordinals: Ordinals, stratum: number, gateway: number, counts: 'firmware' | 'transport' | 'place'): void {
    const { fleet } = this.input;
    const site = fleet.gateways[gateway]!.site;
    const gatewayId = fleet.gateways[gateway]!.id;
    const at = (ordinal: number) => ({ ordinal, gatewayId, weight: 1 });
    if (counts === 'firmware') {
      this.firmware = recordFailure(this.firmware, at(ordinals.campaign));
      this.strata[stratum] = recordFailure(this.strata[stratum]!, at(ordinals.stratum));
    }
    if (counts === 'transport') this.transport = recordFailure(this.transport, at(ordinals.campaign));
    for (const [holder, ordinal] of [
      [this.gateways[gateway]!, ordinals.gateway],
      [this.sites[site]!, ordinals.site],
    ] as const) {
      // One mark a device, however often it fails.
      if (!holder.failedOrdinals.includes(ordinal)) {
        holder.failedOrdinals.push(ordinal);
        holder.finished += 1;
      }
    }
    this.heard = true;
  }

  ended(ordinals: Ordinals, gateway: number, good: boolean): void {
    const site = this.input.fleet.gateways[gateway]!.site;
    if (good) {
      for (const [holder, ordinal] of [
        [this.gateways[gateway]!, ordinals.gateway],
        [this.sites[site]!, ordinals.site],
      ] as const) {
        if (!holder.failedOrdinals.includes(ordinal)) holder.finished += 1;
      }
    }
    this.final[ordinals.campaign - 1] = true;
    const before = this.frontier;
    while (this.final[this.frontier] === true) this.frontier += 1;
    if (this.frontier === before) return;
    this.firmware = recordFrontier(this.firmware, this.frontier);
    this.transport = recordFrontier(this.transport, this.frontier);
  }

  /** Judged anew only where a failure came in, or amber may have passed. */
  look(sums: Sums): BrakeFindings {
    if (!this.heard && !this.findings.amber) return QUIET;
    this.heard = false;
    const { fleet, brakeLimit, policy } = this.input;
    const gateways = holdersFacts(
      this.gateways,
      fleet.gateways.map((gateway) => gateway.id),
    );
    const sites = holdersFacts(
      this.sites,
      fleet.sites.map((site) => site.id),
    );
    const seen = { granted: this.granted, gatewaysTried: gateways.tried };
    const verdict = judgeBrakes({
      alpha: policy.brake.alpha,
      limit: brakeLimit,
      campaign: { test: this.firmware, ...seen },
      strata: fleet.strata.map((key, index) => ({
        kind: 'version' as const,
        key,
        weight: stratumWeight({ membership: 'frozen', strata: fleet.strata.length }, index + 1),
        left: this.stratumSize[index]! - this.stratumTried[index]!,
        stopped: this.stopped[index]!,
        test: this.strata[index]!,
        granted: this.stratumTried[index]!,
        gatewaysTried: gateways.tried,
      })),
      left: sums.planned,
      overdue: { test: this.overdue, ...seen },
      transport: { test: this.transport, ...seen },
      gateways,
      sites,
      thresholds: policy.brake.thresholds.map((one) => ({ share: one.maxFailureShare, minTried: one.minTried })),
      bad: sums.failed + sums.reverted + sums.suspect,
      tried: sums.known + sums.suspect,
      overdueInFlight: 0,
      mostOverdueInFlight: Number.MAX_SAFE_INTEGER,
    });
    for (const stopped of verdict.strataStopped) this.stopped[fleet.strata.indexOf(stopped.key)] = true;
    for (const { id } of verdict.gatewaysQuarantined) {
      this.gateways[fleet.gateways.findIndex((gateway) => gateway.id === id)]!.quarantined = true;
    }
    for (const { id } of verdict.sitesQuarantined) {
      this.sites[fleet.sites.findIndex((site) => site.id === id)]!.quarantined = true;
    }
    const [halt] = verdict.halts;
    this.findings = {
      ...QUIET,
      amber: verdict.amber.length > 0,
      rising: verdict.amber[0] && { test: verdict.amber[0].test, sentence: verdict.amber[0].sentence },
      halt: halt ? { rule: halt.sentence, evidence: {} } : null,
    };
    return this.findings;
  }
}

function holdersFacts(holders: readonly Holder[], ids: readonly string[]): HoldersFacts {
  const listed: HolderFacts[] = [];
  let [tried, quarantined, finished, failed] = [0, 0, 0, 0];
  holders.forEach((holder, index) => {
    if (holder.tried > 0) tried += 1;
    if (holder.quarantined) quarantined += 1;
    finished += holder.finished;
    failed += holder.failedOrdinals.length;
    if (holders.length < 2 || holder.quarantined || holder.failedOrdinals.length < LEAST_FAILURES_OF_HOLDER) return;
    listed.push({
      id: ids[index]!,
      failedOrdinals: holder.failedOrdinals,
      neverStarted: [],
      finished: holder.finished,
      failed: holder.failedOrdinals.length,
      quarantined: false,
    });
  });
  return { total: Math.max(1, holders.length), tried, quarantined, finished, failed, listed };
}
