/**
 * One run's world: every parameter drawn once from what history leaves open, then one common shock for what hits
 * all devices of a campaign alike (weather, size of the firmware, load). Without the shock, forecasts are too sure.
 */
import { drawBeta, drawNormal, type Random } from './draws.js';
import { drawGroupMean, fitHierarchy, type GroupHistory, type Hierarchy, type Prior } from './shrinkage.js';

/** What stands in until the fleet has history (judgement); forecasts that use any of it are labelled "defaults". */
export const COLD_START = {
  bleBytesPerSecond: 5_000,
  bleLogSd: 0.6,
  /** 115 200 baud, 10 bits a byte, at 90 %. */
  uartBytesPerSecond: (115_200 / 10) * 0.9,
  uartLogSd: 0.1,
  onShare: 0.9,
  meanOnMs: 8 * 3_600_000,
  transportFailure: 0.06,
  firmwareFailure: 0.01,
  fixedMs: 20_000,
  shockLogSd: 0.15,
} as const;

export type LinkKind = 'ble' | 'uart';

/** Tries of one model at its nth attempt, by how they ended. */
export interface AttemptHistory {
  readonly model: string;
  /** From 1; later ones are taken as the last that is known. */
  readonly attempt: number;
  readonly tries: number;
  readonly transportFailures: number;
  readonly firmwareFailures: number;
}

export interface ForecastHistory {
  readonly link: LinkKind;
  /** Log of bytes per second, by model. */
  readonly modelRates: readonly GroupHistory[];
  /** Log of bytes per second less the model's mean, by gateway. */
  readonly gatewayRates: readonly GroupHistory[];
  /** What is left of single sessions after model and gateway; used from 20 on. */
  readonly rateResiduals: readonly number[];
  /** Log-odds of being on, by gateway; observations are on-off cycles. */
  readonly gatewayOn: readonly GroupHistory[];
  /** The same of devices behind an online gateway. */
  readonly deviceOn: readonly GroupHistory[];
  readonly attempts: readonly AttemptHistory[];
  /** Everything of a session but the transfer: enter, activate, prove. By model; missing: the default. */
  readonly fixedMs: Readonly<Record<string, number>>;
  /** ln(actual / p50) of finished campaigns. */
  readonly pastShocks: readonly number[];
}

/** History brought into the form that runs draw from: once a forecast. */
export interface FittedHistory {
  readonly history: ForecastHistory;
  readonly models: Hierarchy;
  readonly gateways: Hierarchy;
  readonly gatewayOn: Hierarchy;
  readonly deviceOn: Hierarchy;
  readonly shockLogSd: number;
  /** True where any default stood in. */
  readonly usesDefaults: boolean;
}

/** Past campaigns that the first guess of the shock is worth. */
const SHOCK_PRIOR_WEIGHT = 4;
/** Log-odds of devices and gateways differ by this much before anything is known of them. */
const ON_SD = 1;

/** @throws InvariantError for history that holds numbers that are none. */
export function fitHistory(history: ForecastHistory): FittedHistory {
  const ble = history.link === 'ble';
  const logSd = ble ? COLD_START.bleLogSd : COLD_START.uartLogSd;
  // Half of what is unknown of a rate lies with the gateway, half with the single session.
  const half = logSd * Math.SQRT1_2;
  const rate = ble ? COLD_START.bleBytesPerSecond : COLD_START.uartBytesPerSecond;
  const on: Prior = { mean: logOdds(COLD_START.onShare), insideSd: ON_SD, betweenSd: ON_SD };
  const models = fitHierarchy(history.modelRates, { mean: Math.log(rate), insideSd: half, betweenSd: half / 2 });
  const gateways = fitHierarchy(history.gatewayRates, { mean: 0, insideSd: half, betweenSd: half });
  const gatewayOn = fitHierarchy(history.gatewayOn, on);
  const deviceOn = fitHierarchy(history.deviceOn, on);
  return {
    history,
    models,
    gateways,
    gatewayOn,
    deviceOn,
    shockLogSd: shockLogSd(history.pastShocks),
    usesDefaults:
      history.modelRates.length === 0 ||
      gateways.usesDefaults ||
      gatewayOn.usesDefaults ||
      deviceOn.usesDefaults ||
      history.attempts.length === 0,
  };
}

/** Log standard deviation of the common shock: 0.15 at first, then what past campaigns missed by. */
export function shockLogSd(past: readonly number[]): number {
  const squares = past.filter(Number.isFinite).map((value) => value * value);
  const prior = SHOCK_PRIOR_WEIGHT * COLD_START.shockLogSd ** 2;
  return Math.sqrt((prior + squares.reduce((sum, value) => sum + value, 0)) / (SHOCK_PRIOR_WEIGHT + squares.length));
}

/** Parameters of one run. Ids that history does not know are drawn when first asked, and stay for the run. */
export interface RunParameters {
  /** Log; added to the log of every session's time. */
  readonly shock: number;
  readonly logRate: (model: string, gatewayId: string) => number;
  readonly gatewayOnShare: (gatewayId: string) => number;
  readonly deviceOnShare: (deviceId: string) => number;
  readonly failure: (model: string, attempt: number) => FailureProbabilities;
  readonly fixedMs: (model: string) => number;
  readonly residuals: readonly number[];
  readonly residualSd: number;
}

export interface FailureProbabilities {
  readonly transport: number;
  readonly firmware: number;
}

/** @param random of this run; the same seed and the same order of questions give the same run. */
export function drawParameters(fitted: FittedHistory, random: Random): RunParameters {
  const { history } = fitted;
  const shock = fitted.shockLogSd * drawNormal(random);
  const model = once((id) => drawGroupMean(fitted.models, id, random));
  const gateway = once((id) => drawGroupMean(fitted.gateways, id, random));
  const gatewayOn = once((id) => shareOf(drawGroupMean(fitted.gatewayOn, id, random)));
  const deviceOn = once((id) => shareOf(drawGroupMean(fitted.deviceOn, id, random)));
  const attempts = new Map<string, FailureProbabilities>();
  return {
    shock,
    logRate: (modelId, gatewayId) => model(modelId) + gateway(gatewayId),
    gatewayOnShare: gatewayOn,
    deviceOnShare: deviceOn,
    failure: (modelId, attempt) => {
      const seen = attemptHistory(history.attempts, modelId, attempt);
      const key = `${seen?.attempt ?? 0}:${modelId}`;
      const drawn = attempts.get(key) ?? drawFailure(seen, random);
      attempts.set(key, drawn);
      return drawn;
    },
    fixedMs: (modelId) => (Object.hasOwn(history.fixedMs, modelId) ? history.fixedMs[modelId]! : COLD_START.fixedMs),
    residuals: history.rateResiduals,
    residualSd: Math.sqrt(fitted.gateways.insideVariance),
  };
}

/** Beta(s + 1/2, f + 1/2) of what was seen; the defaults where nothing was. */
function drawFailure(seen: AttemptHistory | undefined, random: Random): FailureProbabilities {
  if (!seen || seen.tries <= 0) return { transport: COLD_START.transportFailure, firmware: COLD_START.firmwareFailure };
  const draw = (failures: number) =>
    drawBeta(Math.max(0, failures) + 0.5, Math.max(0, seen.tries - failures) + 0.5, random);
  return { transport: draw(seen.transportFailures), firmware: draw(seen.firmwareFailures) };
}

/** The attempt itself, or the nearest earlier one that is known. */
function attemptHistory(
  attempts: readonly AttemptHistory[],
  model: string,
  attempt: number,
): AttemptHistory | undefined {
  let best: AttemptHistory | undefined;
  for (const one of attempts)
    if (one.model === model && one.attempt <= attempt && (!best || one.attempt > best.attempt)) best = one;
  return best;
}

function once(draw: (id: string) => number): (id: string) => number {
  const drawn = new Map<string, number>();
  return (id) => {
    const known = drawn.get(id);
    if (known !== undefined) return known;
    const value = draw(id);
    drawn.set(id, value);
    return value;
  };
}

export function logOdds(share: number): number {
  const inside = Math.min(1 - 1e-6, Math.max(1e-6, share));
  return Math.log(inside / (1 - inside));
}

export function shareOf(odds: number): number {
  return 1 / (1 + Math.exp(-odds));
}
