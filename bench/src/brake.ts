/**
 * What a bad release costs, and how often a healthy one is halted: our whole policy, hawkBit's rule with groups of
 * 1000, and AWS IoT Jobs' with a minimum of 100, over the same seeded fleets of 5000 devices behind 125 gateways,
 * each releasing devices as its product does. The limit is 2 % everywhere.
 *
 * Failed devices are counted in the whole fleet, with those that were in flight at the halt.
 */
import { drawFleet, type Outcome, type World } from './brake/fleet.js';
import { runDrydock, type DrydockOutcome } from './brake/drydock.js';
import { runAws, runHawkbit } from './brake/other-products.js';

const LIMIT = 0.02;
const RUNS = 200;
const HEALTHY = 0.005;
const RATES: readonly (readonly [string, number])[] = [
  ['Healthy', HEALTHY],
  ['At1Percent', 0.01],
  ['At2Percent', 0.02],
  ['At5Percent', 0.05],
  ['At20Percent', 0.2],
  ['At100Percent', 1],
];

const RULES = {
  '': runDrydock,
  hawkbit1000: (fleet: Parameters<typeof runHawkbit>[0], world: World, limit: number) =>
    runHawkbit(fleet, world, limit, 1_000),
  aws100: (fleet: Parameters<typeof runAws>[0], world: World, limit: number) => runAws(fleet, world, limit, 100),
} as const;
type Rule = keyof typeof RULES;

export async function run(): Promise<Record<string, number>> {
  const figures: Record<string, number> = {};
  const name = (rule: Rule, what: string) => (rule === '' ? what[0]!.toLowerCase() + what.slice(1) : rule + what);
  for (const rule of Object.keys(RULES) as Rule[]) {
    const falseHalts: number[] = [];
    for (const [at, failureRate] of RATES) {
      const outcomes = play(rule, { failureRate, mute: false, sickGatewayRate: 0 });
      figures[name(rule, `MeanFailures${at}`)] = mean(outcomes, (outcome) => outcome.failed);
      figures[name(rule, `P95Failures${at}`)] = percentile95(outcomes.map((outcome) => outcome.failed));
      const haltRate = mean(outcomes, (outcome) => (outcome.halted ? 1 : 0));
      figures[name(rule, `HaltRate${at}`)] = haltRate;
      if (failureRate <= LIMIT) falseHalts.push(haltRate);
      if (failureRate === HEALTHY) figures[name(rule, 'MinutesHealthy')] = mean(outcomes, (outcome) => outcome.minutes);
      console.error(`brake: ${rule || 'drydock'} at ${failureRate * 100} %: ${summary(outcomes)}`);
    }
    // Every campaign that keeps its limit, from healthy to exactly at it, ought to run to its end.
    figures[name(rule, 'FalseHaltRate')] = round(falseHalts.reduce((sum, rate) => sum + rate, 0) / falseHalts.length);

    for (const [kind, failureRate] of [
      ['Mute', 1],
      ['MuteAt20Percent', 0.2],
    ] as const) {
      const outcomes = play(rule, { failureRate, mute: true, sickGatewayRate: 0 });
      figures[name(rule, `${kind}StartedBeforeHalt`)] = mean(outcomes, (outcome) => outcome.started);
      figures[name(rule, `${kind}HaltRate`)] = mean(outcomes, (outcome) => (outcome.halted ? 1 : 0));
      console.error(`brake: ${rule || 'drydock'} mute at ${failureRate * 100} %: ${summary(outcomes)}`);
    }
    const sick = play(rule, { failureRate: HEALTHY, mute: false, sickGatewayRate: 0.8 });
    figures[name(rule, 'SickGatewayHaltRate')] = mean(sick, (outcome) => (outcome.halted ? 1 : 0));
    if (rule === '')
      figures.sickGatewayQuarantineRate = mean(sick as DrydockOutcome[], (one) => (one.quarantined > 0 ? 1 : 0));
  }
  for (const at of ['At20Percent', 'At100Percent']) {
    const others = Math.min(figures[`hawkbit1000MeanFailures${at}`]!, figures[`aws100MeanFailures${at}`]!);
    figures[`lossRatio${at}`] = round(figures[`meanFailures${at}`]! / others);
  }
  return figures;
}

function play(rule: Rule, world: World): Outcome[] {
  return Array.from({ length: RUNS }, (_, seed) => RULES[rule](drawFleet(seed + 1), world, LIMIT));
}

function mean<T>(outcomes: readonly T[], of: (outcome: T) => number): number {
  return round(outcomes.reduce((sum, outcome) => sum + of(outcome), 0) / outcomes.length);
}

function percentile95(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.ceil(0.95 * values.length) - 1]!;
}

function summary(outcomes: readonly Outcome[]): string {
  const share = mean(outcomes, (outcome) => (outcome.halted ? 1 : 0));
  const minutes = mean(outcomes, (outcome) => outcome.minutes).toFixed(0);
  return `${mean(outcomes, (outcome) => outcome.failed)} failed of ${mean(outcomes, (outcome) => outcome.started)} started, halted ${share * 100} %, ${minutes} min`;
}

const round = (value: number): number => Math.round(value * 10_000) / 10_000;
