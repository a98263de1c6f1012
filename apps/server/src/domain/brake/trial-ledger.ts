/**
 * What one test of the brake remembers: failures by ordinal, in the order of granting.
 *
 * A trial gets its ordinal (1, 2, ...) when its first grant is committed. Counting in the order of *reports*
 * would be biased, as failures and successes do not take equally long; counted by ordinal, with everything not
 * yet known to have failed as 0, the statistic stays below the true one at every moment, whatever the delays.
 *
 * A grant that proves never to have started is no trial: its ordinal is void, and the device gets a new one with its
 * next grant. All attempts of a device that has started are one trial under one ordinal.
 *
 * The state is plain JSON and small: single failures only above the frontier (the largest ordinal up to which
 * all trials are final), below it totals and peaks. Functions return a new ledger.
 */
import { InvariantError } from '@drydock/dfu-core';
import { logEvidence } from './e-value.js';
import { LEAST_FAILURES, LEAST_GATEWAYS } from './staircase.js';

export interface CountedFailure {
  /** Place in this test's order of first grants, from 1. */
  readonly ordinal: number;
  readonly gatewayId: string;
  /** In (0, 1]; 1 for a failure that counts in full. */
  readonly weight: number;
}

/** A prefix with its evidence. */
export interface Peak {
  readonly logE: number;
  /** Sum of weights. */
  readonly failures: number;
  readonly trials: number;
}

/** The largest evidence, by what the floor has seen in that prefix. */
export interface Peaks {
  /** Without any floor. */
  readonly bare: Peak | null;
  /** At least three failures. */
  readonly enough: Peak | null;
  /** At least three failures, on at least two gateways. */
  readonly spread: Peak | null;
}

export interface TrialLedger {
  readonly limit: number;
  /** Only so many failures of one gateway count; null: all. */
  readonly gatewayCap: number | null;
  readonly frontier: number;
  readonly below: {
    readonly trials: number;
    /** Sum of weights that count. */
    readonly failures: number;
    /** Counted failures by gateway, never more than the cap. */
    readonly byGateway: Readonly<Record<string, number>>;
    readonly peaks: Peaks;
  };
  /** Above the frontier, sorted by ordinal, one entry an ordinal. */
  readonly failures: readonly CountedFailure[];
  /** Ordinals above the frontier whose grant is proven never to have started, sorted: no trials. */
  readonly neverStarted: readonly number[];
}

export interface LedgerRules {
  readonly limit: number;
  readonly gatewayCap?: number | null;
}

const NO_PEAKS: Peaks = { bare: null, enough: null, spread: null };

/** @throws InvariantError for a limit outside (0, 1) or a cap below 1. */
export function newLedger(rules: LedgerRules): TrialLedger {
  logEvidence(rules.limit);
  const gatewayCap = rules.gatewayCap ?? null;
  if (gatewayCap !== null && !(Number.isInteger(gatewayCap) && gatewayCap >= 1))
    throw new InvariantError(`the cap of a gateway is ${gatewayCap}`);
  const below = { trials: 0, failures: 0, byGateway: {}, peaks: NO_PEAKS };
  return { limit: rules.limit, gatewayCap, frontier: 0, below, failures: [], neverStarted: [] };
}

/**
 * Enters a counted failure. Above the frontier it may come twice; the larger weight stays. Below it, where single
 * failures are no longer known, it is entered at the frontier (conservative), and the caller enters each device
 * once. A weight of 0 changes nothing. @throws InvariantError for an ordinal or weight that is none.
 */
export function withFailure(ledger: TrialLedger, failure: CountedFailure): TrialLedger {
  checkOrdinal(failure.ordinal);
  if (!(failure.weight >= 0 && failure.weight <= 1))
    throw new InvariantError(`the weight of a failure is ${failure.weight}`);
  if (failure.weight === 0) return ledger;
  if (failure.ordinal <= ledger.frontier) return { ...ledger, below: counted(ledger, ledger.below, failure, 0) };
  const at = lowerBound(ledger.failures, failure.ordinal);
  const present = ledger.failures[at];
  const failures = [...ledger.failures];
  if (present?.ordinal !== failure.ordinal) failures.splice(at, 0, failure);
  else if (present.weight < failure.weight) failures[at] = failure;
  else return ledger;
  // What failed has started, whatever was said before.
  return { ...ledger, failures, neverStarted: ledger.neverStarted.filter((one) => one !== failure.ordinal) };
}

/** A grant is proven never to have started: no trial. Below the frontier it stays one (conservative). */
export function withNeverStarted(ledger: TrialLedger, ordinal: number): TrialLedger {
  checkOrdinal(ordinal);
  if (ordinal <= ledger.frontier || ledger.neverStarted.includes(ordinal)) return ledger;
  if (ledger.failures[lowerBound(ledger.failures, ordinal)]?.ordinal === ordinal) return ledger;
  return { ...ledger, neverStarted: [...ledger.neverStarted, ordinal].sort((a, b) => a - b) };
}

/** Moves the frontier: all trials up to `finalUpTo` are final. A smaller one than before changes nothing. */
export function withFrontier(ledger: TrialLedger, finalUpTo: number): TrialLedger {
  if (!(Number.isSafeInteger(finalUpTo) && finalUpTo >= 0))
    throw new InvariantError(`the frontier is moved to ${finalUpTo}`);
  if (finalUpTo <= ledger.frontier) return ledger;
  const settled = ledger.failures.filter((failure) => failure.ordinal <= finalUpTo);
  const voided = ledger.neverStarted.filter((ordinal) => ordinal <= finalUpTo);
  let below = ledger.below;
  for (const failure of settled) below = counted(ledger, below, failure, trialsAfterFrontier(ledger, failure.ordinal));
  return {
    ...ledger,
    frontier: finalUpTo,
    below: { ...below, trials: ledger.below.trials + finalUpTo - ledger.frontier - voided.length },
    failures: ledger.failures.slice(settled.length),
    neverStarted: ledger.neverStarted.slice(voided.length),
  };
}

/** The largest evidence over all prefixes, which never falls as reports come in. Linear in the open failures. */
export function peaksOf(ledger: TrialLedger): Peaks {
  return allCounted(ledger).peaks;
}

/**
 * The evidence *now*: all that count among all granted, unknown outcomes as 0. Falls again with more trials.
 * @param granted ordinals given out so far.
 */
export function currentEvidence(ledger: TrialLedger, granted: number): Peak {
  const { failures } = allCounted(ledger);
  const trials = Math.max(trialsUpTo(ledger, Math.max(granted, lastOrdinal(ledger))), 0);
  return { logE: logEvidence(ledger.limit)(failures, trials), failures, trials };
}

/** The peak that may ring: three failures, on two gateways where two or more have tried. */
export function floored(peaks: Peaks, gatewaysTried: number): Peak | null {
  return gatewaysTried >= LEAST_GATEWAYS ? peaks.spread : peaks.enough;
}

type Below = TrialLedger['below'];

function allCounted(ledger: TrialLedger): Below {
  const evidence = logEvidence(ledger.limit);
  const byGateway = { ...ledger.below.byGateway };
  let { failures, peaks } = ledger.below;
  let gateways = Object.keys(byGateway).length;
  let voided = 0;
  for (const failure of ledger.failures) {
    const before = Object.hasOwn(byGateway, failure.gatewayId) ? byGateway[failure.gatewayId]! : 0;
    if (before >= (ledger.gatewayCap ?? Infinity)) continue;
    if (before === 0) gateways += 1;
    setOwn(byGateway, failure.gatewayId, before + 1);
    failures += failure.weight;
    while (voided < ledger.neverStarted.length && ledger.neverStarted[voided]! <= failure.ordinal) voided += 1;
    const trials = ledger.below.trials + failure.ordinal - ledger.frontier - voided;
    peaks = raised(peaks, { logE: evidence(failures, trials), failures, trials }, gateways);
  }
  return { trials: ledger.below.trials, failures, byGateway, peaks };
}

/** @param further trials of the prefix beyond the ledger's frontier. */
function counted(ledger: TrialLedger, below: Below, failure: CountedFailure, further: number): Below {
  const before = Object.hasOwn(below.byGateway, failure.gatewayId) ? below.byGateway[failure.gatewayId]! : 0;
  if (before >= (ledger.gatewayCap ?? Infinity)) return below;
  const byGateway = { ...below.byGateway };
  setOwn(byGateway, failure.gatewayId, before + 1);
  const failures = below.failures + failure.weight;
  const trials = ledger.below.trials + further;
  const peak = { logE: logEvidence(ledger.limit)(failures, trials), failures, trials };
  return { ...below, failures, byGateway, peaks: raised(below.peaks, peak, Object.keys(byGateway).length) };
}

function raised(peaks: Peaks, peak: Peak, gateways: number): Peaks {
  const larger = (old: Peak | null) => (old === null || peak.logE > old.logE ? peak : old);
  const enough = peak.failures >= LEAST_FAILURES;
  return {
    bare: larger(peaks.bare),
    enough: enough ? larger(peaks.enough) : peaks.enough,
    spread: enough && gateways >= LEAST_GATEWAYS ? larger(peaks.spread) : peaks.spread,
  };
}

function trialsAfterFrontier(ledger: TrialLedger, ordinal: number): number {
  let voided = 0;
  for (const one of ledger.neverStarted) if (one <= ordinal) voided += 1;
  return ordinal - ledger.frontier - voided;
}

function trialsUpTo(ledger: TrialLedger, ordinal: number): number {
  return ledger.below.trials + trialsAfterFrontier(ledger, Math.max(ordinal, ledger.frontier));
}

function lastOrdinal(ledger: TrialLedger): number {
  return ledger.failures.at(-1)?.ordinal ?? ledger.frontier;
}

/** Ids come from outside: one called `__proto__` is a key like any other. */
function setOwn(record: Record<string, number>, key: string, value: number): void {
  Object.defineProperty(record, key, { value, enumerable: true, configurable: true, writable: true });
}

function lowerBound(failures: readonly CountedFailure[], ordinal: number): number {
  let [low, high] = [0, failures.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (failures[middle]!.ordinal < ordinal) low = middle + 1;
    else high = middle;
  }
  return low;
}

function checkOrdinal(ordinal: number): void {
  if (!(Number.isSafeInteger(ordinal) && ordinal >= 1))
    throw new InvariantError(`the ordinal of a trial is ${ordinal}`);
}
