/**
 * A rehearsal: many runs of one campaign, each with its own world, then the same with firmware that fails at given rates.
 * Seeded: the same fleet and the same seed give the same report.
 */
import {
  drawParameters,
  HALT_REHEARSAL_RATES,
  simulateSession,
  spreadOf,
  summariseRuns,
  type ForecastSummary,
  type Spread,
} from '../forecast/index.js';
import { ascending, quantile } from '../rates/quantiles.js';
import { RehearsalRun } from './rehearsal-run.js';
import type { RehearsalInput, RunResult } from './rehearsal-world.js';
import { seededRandom } from './seeded-random.js';
import { WindowCalendar } from './window-calendar.js';

export interface RehearsalPlan {
  readonly seed: number;
  readonly runs: number;
  readonly haltRuns: number;
}

export interface HaltRehearsal {
  readonly failureRate: number;
  /** Devices that the firmware failed on in the whole fleet, those under way at the halt included. */
  readonly hit: Spread;
  readonly haltShare: number;
  /** From the start; of the runs that halted. */
  readonly haltAfterMs: Spread | null;
}

export interface RehearsalReport {
  readonly forecast: ForecastSummary;
  readonly halts: readonly HaltRehearsal[];
  readonly load: {
    readonly orders: Spread;
    readonly peakOrdersPerSecond: Spread;
    /** Bytes over the links of one gateway: the middle one and the busiest. */
    readonly linkBytesPerGateway: { readonly p50: number | null; readonly max: number | null };
  };
  /** Share of the runs that stopped for a person, and why the first of them did. */
  readonly held: { readonly share: number; readonly note: string | null };
}

/** Devices that are played in all runs together: what bounds the time of a rehearsal. */
const MOST_DEVICE_RUNS = 400_000;
const LEAST_RUNS = 20;

/** As many runs as the size allows, 200 at most. */
export function runsFor(devices: number, wanted: number): number {
  const bounded = Math.floor(MOST_DEVICE_RUNS / Math.max(1, devices));
  return Math.max(1, Math.min(wanted, Math.max(LEAST_RUNS, bounded)));
}

/** @yields between pieces of work of a few milliseconds. */
export function* rehearse(input: RehearsalInput, plan: RehearsalPlan): Generator<void, RehearsalReport, void> {
  const calendar = new WindowCalendar(
    input.policy.windows,
    [...new Set(input.fleet.sites.map((site) => site.zone))],
    input.startMs,
    sessionP90(input, plan.seed),
  );
  const seeds = seededRandom(plan.seed);
  const seedOf = (): number => Math.floor(seeds() * 2 ** 32);
  const runs: RunResult[] = [];
  for (let run = 0; run < plan.runs; run += 1) {
    const options = { failureRate: null, calendar, random: seededRandom(seedOf()) };
    runs.push(yield* new RehearsalRun(input, options).play());
    yield;
  }
  const halts: HaltRehearsal[] = [];
  for (const failureRate of HALT_REHEARSAL_RATES) {
    const played: RunResult[] = [];
    for (let run = 0; run < plan.haltRuns; run += 1) {
      // A halt comes among the first hundreds: the whole pace over a part of the fleet is the truth there.
      const options = { failureRate, calendar, random: seededRandom(seedOf()) };
      played.push(yield* new RehearsalRun({ ...input, scale: 1 }, options).play());
      yield;
    }
    const after = played.flatMap((run) => (run.haltedAtMs === null ? [] : [run.haltedAtMs - input.startMs]));
    halts.push({
      failureRate,
      hit: spreadOf(played.map((run) => run.hit)),
      haltShare: after.length / Math.max(1, played.length),
      haltAfterMs: after.length === 0 ? null : spreadOf(after),
    });
  }
  return reportOf(runs, halts, input);
}

function reportOf(runs: readonly RunResult[], halts: readonly HaltRehearsal[], input: RehearsalInput): RehearsalReport {
  const { scale } = input;
  const whole = (n: number): number => Math.round(n / scale);
  const summary = summariseRuns(
    runs.map((run) => ({ ...run, outOfReach: whole(run.outOfReach), failed: whole(run.failed) })),
    input.history.usesDefaults,
  );
  const held = runs.filter((run) => run.held !== null);
  const bytes = ascending(runs.flatMap((run) => run.linkBytes));
  return {
    forecast: summary,
    halts,
    load: {
      orders: spreadOf(runs.map((run) => whole(run.orders))),
      peakOrdersPerSecond: spreadOf(runs.map((run) => run.peakOrdersPerSecond / scale)),
      linkBytesPerGateway: {
        p50: rounded(quantile(bytes, 0.5)),
        max: rounded(bytes.at(-1)),
      },
    },
    held: { share: held.length / runs.length, note: held[0]?.held ?? null },
  };
}

const rounded = (value: number | undefined): number | null => (value === undefined ? null : Math.round(value));

const P90_SESSIONS = 300;

/** What a start must leave room for before its window closes. */
function sessionP90(input: RehearsalInput, seed: number): number {
  const random = seededRandom(seed ^ 0x5eed);
  const parameters = drawParameters(input.history, random);
  const durations = Array.from({ length: P90_SESSIONS }, (_, index) => {
    const gatewayId = input.fleet.gateways[index % Math.max(1, input.fleet.gateways.length)]?.id ?? '';
    return simulateSession(
      {
        bytes: input.artifactBytes,
        model: input.model,
        gatewayId,
        attempt: 1,
        gatewayBytesPerSecond: input.gatewayBytesPerSecond,
        active: 1,
        proveTimeoutMs: input.policy.timeouts.proveMs,
      },
      parameters,
      random,
    ).durationMs;
  });
  return quantile(ascending(durations), 0.9) ?? 0;
}
