/** What many runs say together, and how far past forecasts may be believed. */
import { InvariantError } from '@drydock/dfu-core';
import { ascending, quantile } from '../rates/quantiles.js';
import type { Random } from './draws.js';

/** Shares of the *reachable* devices whose time is forecast. "All done" is no quantile worth forecasting. */
export const FORECAST_SHARES = [0.5, 0.9, 0.95, 0.99] as const;
export const FORECAST_RUNS = 200;
export const REPORT_RUNS = 1_000;
/** Above this a sample of whole gateways is simulated. */
export const MOST_SIMULATED_DEVICES = 20_000;
/** Failure rates injected in a halt rehearsal. */
export const HALT_REHEARSAL_RATES = [0.01, 0.02, 0.05, 0.2, 1] as const;

/** One run, as the loop saw it. */
export interface RunOutcome {
  /** When each reachable device was done, in any order; those not done before the run's end are missing. */
  readonly doneAtMs: readonly number[];
  readonly reachable: number;
  /** Unlikely to be reached by the deadline. */
  readonly outOfReach: number;
  readonly failed: number;
  readonly haltedAtMs: number | null;
}

/** Quantiles over runs; null: not within the horizon. */
export interface Spread {
  readonly p10: number | null;
  readonly p50: number | null;
  readonly p90: number | null;
  /** Order statistics between which the true p90 lies (95 %): with 200 runs the 172nd and the 188th. */
  readonly p90Low: number | null;
  readonly p90High: number | null;
}

export interface ForecastSummary {
  readonly runs: number;
  /** By share of the reachable devices, as of {@link FORECAST_SHARES}. */
  readonly finish: readonly { readonly share: number; readonly atMs: Spread }[];
  readonly outOfReach: Spread;
  readonly failed: Spread;
  readonly haltShare: number;
  /** Of the runs that halted. */
  readonly haltAtMs: Spread | null;
  readonly usesDefaults: boolean;
}

/** @throws InvariantError without a run. */
export function summariseRuns(runs: readonly RunOutcome[], usesDefaults: boolean): ForecastSummary {
  if (runs.length === 0) throw new InvariantError('a forecast without a run');
  const done = runs.map((run) => ascending(run.doneAtMs));
  const halts = runs.flatMap((run) => (run.haltedAtMs === null ? [] : [run.haltedAtMs]));
  return {
    runs: runs.length,
    finish: FORECAST_SHARES.map((share) => ({
      share,
      atMs: spreadOf(runs.map((run, index) => timeOfShare(done[index]!, run.reachable, share))),
    })),
    outOfReach: spreadOf(runs.map((run) => run.outOfReach)),
    failed: spreadOf(runs.map((run) => run.failed)),
    haltShare: halts.length / runs.length,
    haltAtMs: halts.length === 0 ? null : spreadOf(halts),
    usesDefaults,
  };
}

/** When so large a share of the reachable was done; Infinity where it was not. With none reachable: never. */
function timeOfShare(sortedMs: readonly number[], reachable: number, share: number): number {
  const needed = Math.max(1, Math.ceil(share * reachable - 1e-9));
  return reachable === 0 ? Infinity : (sortedMs[needed - 1] ?? Infinity);
}

export function spreadOf(values: readonly number[]): Spread {
  const sorted = ascending(values);
  const at = (p: number) => finite(quantile(sorted, p));
  const n = sorted.length;
  const half = 1.959964 * Math.sqrt(n * 0.9 * 0.1);
  const order = (rank: number) => finite(sorted[Math.min(n, Math.max(1, rank)) - 1]);
  return {
    p10: at(0.1),
    p50: at(0.5),
    p90: at(0.9),
    p90Low: order(Math.round(0.9 * n - half)),
    p90High: order(Math.round(0.9 * n + half)),
  };
}

function finite(value: number | undefined): number | null {
  return value === undefined || !Number.isFinite(value) ? null : value;
}

/** Finished campaigns needed before their misses set the p90. */
export const LEAST_CALIBRATION = 9;

export interface CalibratedP90 {
  /** Time from the start of the campaign. */
  readonly p90Ms: number;
  readonly source: 'runs' | 'past-forecasts';
}

/**
 * p90 by split conformal prediction over exchangeable campaigns: p50 times the ceil(0.9(m+1))-th smallest of
 * actual / p50. The runs' own p90 stands while fewer than nine campaigns have finished.
 */
export function calibratedP90(p50Ms: number, runsP90Ms: number, pastRatios: readonly number[]): CalibratedP90 {
  const ratios = ascending(pastRatios.filter((ratio) => Number.isFinite(ratio) && ratio > 0));
  if (ratios.length < LEAST_CALIBRATION) return { p90Ms: runsP90Ms, source: 'runs' };
  // 0.9 * (m + 1) in tenths, so that rounding does not ask for one more.
  const rank = Math.ceil((9 * (ratios.length + 1)) / 10);
  return { p90Ms: p50Ms * ratios[Math.min(rank, ratios.length) - 1]!, source: 'past-forecasts' };
}

export interface TrackRecord {
  readonly inside: number;
  readonly of: number;
  /** Fewer inside than chance explains: below the 5 % quantile of Binomial(m, 0.8). */
  readonly tooSure: boolean;
  readonly sentence: string;
}

/** "Forecasts so far: k of m inside" the 80 % interval. */
export function trackRecord(inside: number, of: number): TrackRecord {
  if (!(Number.isSafeInteger(inside) && Number.isSafeInteger(of) && inside >= 0 && of >= inside))
    throw new InvariantError(`${inside} of ${of} forecasts inside`);
  const tooSure = inside < binomialQuantile(0.05, of, 0.8);
  const note = tooSure ? ' They were too sure: expect longer.' : '';
  return { inside, of, tooSure, sentence: `Forecasts so far: ${inside} of ${of} inside.${note}` };
}

/** The smallest k with P(X <= k) >= p. */
export function binomialQuantile(p: number, n: number, success: number): number {
  let [logTerm, below] = [n * Math.log1p(-success), 0];
  for (let k = 0; k <= n; k++) {
    below += Math.exp(logTerm);
    if (below >= p) return k;
    logTerm += Math.log((n - k) / (k + 1)) + Math.log(success) - Math.log1p(-success);
  }
  return n;
}

export interface GatewaySample {
  readonly gatewayIds: readonly string[];
  /** Devices of the sample / all devices: the pace and the caps of the campaign are scaled with it. */
  readonly scale: number;
}

/** Whole gateways, never single devices: the slowest gateways set the date. */
export function sampleGateways(
  gateways: readonly { readonly id: string; readonly devices: number }[],
  random: Random,
  mostDevices = MOST_SIMULATED_DEVICES,
): GatewaySample {
  const total = gateways.reduce((sum, gateway) => sum + gateway.devices, 0);
  if (total <= mostDevices) return { gatewayIds: gateways.map((gateway) => gateway.id), scale: 1 };
  const order = [...gateways];
  let [taken, at] = [0, 0];
  // Fisher-Yates, as far as it is needed; at least one gateway, however large.
  for (; at < order.length; at++) {
    const other = at + Math.min(order.length - at - 1, Math.floor(random() * (order.length - at)));
    [order[at], order[other]] = [order[other]!, order[at]!];
    if (at > 0 && taken + order[at]!.devices > mostDevices) break;
    taken += order[at]!.devices;
  }
  return { gatewayIds: order.slice(0, at).map((gateway) => gateway.id), scale: taken / total };
}
