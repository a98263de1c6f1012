import { expect, it } from '@jest/globals';
import { exposureCurve, zeroSince } from './exposure-curve.js';

const at = (minute: number) => new Date(Date.UTC(2026, 0, 1, 0, minute)).toISOString();
const sample = (minute: number, model: string, affected: number, affectedSilent = 0, unknown = 0) => ({
  at: at(minute),
  model,
  affected,
  affectedSilent,
  unknown,
  total: 100,
});

it('a model that is not sampled stays as it was, and who comes is marked', () => {
  const curve = exposureCurve([
    sample(0, 'a', 10, 2),
    sample(0, 'b', 5),
    sample(5, 'a', 4, 2),
    sample(9, 'b', 8, 1, 3),
  ]);
  expect(
    curve.map(({ inReach, outOfReach, unknown, total, came }) => [inReach, outOfReach, unknown, total, came]),
  ).toEqual([
    [13, 2, 0, 200, 0],
    [7, 2, 0, 200, 0],
    [9, 3, 3, 200, 3],
  ]);
});

it('zero counts from where nobody was left, and not while somebody is', () => {
  const down = exposureCurve([sample(0, 'a', 3), sample(5, 'a', 0), sample(9, 'a', 0)]);
  expect(zeroSince(down)).toBe(Date.parse(at(5)));
  expect(zeroSince(exposureCurve([sample(0, 'a', 0), sample(5, 'a', 1)]))).toBeUndefined();
  expect(zeroSince([])).toBeUndefined();
});

it('thousands of samples are thinned, and neither a rise nor the end is lost', () => {
  const many = Array.from({ length: 4000 }, (_, minute) => sample(minute, 'a', minute === 3001 ? 50 : 40));
  const curve = exposureCurve(many);
  expect(curve.length).toBeLessThanOrEqual(500);
  expect(curve.some(({ came }) => came === 10)).toBe(true);
  expect(curve.at(-1)!.atMs).toBe(Date.parse(at(3999)));
});
