/** What the specs of the forecast share. */
import type { Random } from './draws.js';
import type { ForecastHistory } from './parameters.js';
import type { SessionInput } from './session-model.js';
import type { GroupHistory } from './shrinkage.js';

/** The splitmix32 sequence of a seed: enough to test with. */
export function seeded(seed: number): Random {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x9e3779b9) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 16), 0x21f0aaad);
    mixed = Math.imul(mixed ^ (mixed >>> 15), 0x735a2d97);
    return ((mixed ^ (mixed >>> 15)) >>> 0) / 2 ** 32;
  };
}
export const many = (count: number, draw: () => number) => Array.from({ length: count }, draw);
export const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
export const variance = (values: readonly number[]) => {
  const middle = mean(values);
  return mean(values.map((value) => (value - middle) ** 2));
};

export const group = (id: string, values: readonly number[]): GroupHistory => ({
  id,
  count: values.length,
  mean: mean(values),
  sumSquares: variance(values) * values.length,
});
export const NO_HISTORY: ForecastHistory = {
  link: 'ble',
  modelRates: [],
  gatewayRates: [],
  rateResiduals: [],
  gatewayOn: [],
  deviceOn: [],
  attempts: [],
  fixedMs: {},
  pastShocks: [],
};

export const INPUT: SessionInput = {
  bytes: 100_000,
  model: 'm',
  gatewayId: 'g',
  attempt: 1,
  gatewayBytesPerSecond: null,
  active: 1,
  proveTimeoutMs: 600_000,
};
