import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { roundTicks, versionStack } from './version-stack.js';

const HOUR = 3_600_000;
const point = (hour: number, n: number[], other = 0, unknown = 0) => ({
  at: new Date(Date.UTC(2026, 10, 20) + hour * HOUR).toISOString(),
  n,
  other,
  unknown,
  total: n.reduce((sum, one) => sum + one, 0) + other + unknown,
});
const ONE = { model: 'a', version: '2.0' };

describe('versions over time', () => {
  it('lie on each other in the order of the server, and reach its total', () => {
    const stack = versionStack({
      versions: [ONE, { model: 'a', version: '1.0' }],
      points: [point(0, [1, 9], 2, 3), point(1, [6, 4], 2, 3)],
      gapMs: 3 * HOUR,
    });
    expect(stack.layers.map(({ label, from, to }) => [label, from, to])).toEqual([
      ['2.0', [0, 0], [1, 6]],
      ['1.0', [1, 6], [10, 10]],
      ['other versions', [10, 10], [12, 12]],
      ['version not known', [12, 12], [15, 15]],
    ]);
    expect(stack.layers.at(-1)!.to).toEqual(stack.totals);
  });

  it('leave out a part that nothing is in, name models where there are several, and draw no gap', () => {
    const stack = versionStack({
      versions: [ONE, { model: 'b', version: '2.0' }],
      points: [point(0, [1, 0]), point(1, [1, 1]), point(9, [1, 1])],
      gapMs: 3 * HOUR,
    });
    expect(stack.layers.map(({ label }) => label)).toEqual(['2.0 · a', '2.0 · b']);
    expect(stack.stretches).toEqual([
      [0, 1],
      [2, 2],
    ]);
    expect(versionStack({ versions: [], points: [], gapMs: 1 }).stretches).toEqual([]);
  });

  it('have round numbers at the side, from zero to above the most', () => {
    expect(roundTicks(61_214)).toEqual([0, 20_000, 40_000, 60_000, 80_000]);
    expect(roundTicks(3)).toEqual([0, 1, 2, 3]);
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 5_000_000 }), (most) => {
        const ticks = roundTicks(most);
        return ticks[0] === 0 && ticks.at(-1)! >= most && ticks.length <= 6 && ticks.every(Number.isInteger);
      }),
    );
  });
});
