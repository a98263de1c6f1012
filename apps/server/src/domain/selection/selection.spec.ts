import { createHash } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { quotas, type Stratum } from './quotas.js';
import { compareRanked, rankOf } from './rank.js';
import {
  canarySentence,
  firstOnesTried,
  stagePlaces,
  withoutCanarySentences,
  type StratumState,
} from './stage-places.js';

describe('the rank of a device', () => {
  it.each([
    ['dev-1', -4880014101295531377n],
    ['dev-2', 3970445917128006568n],
    ['dev-3', -4076116804394734489n],
    ['dev-4', -5987165673266568379n],
  ])('of %s', (deviceId, rank) => {
    expect(rankOf('seed-1', deviceId)).toBe(rank);
  });

  it('is the platform\u2019s SHA-256, for any text', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), (deviceId) => {
        const digest = createHash('sha256').update(`s:${deviceId}`, 'utf8').digest();
        expect(rankOf('s', deviceId)).toBe(digest.readBigInt64BE(0));
      }),
    );
  });

  it('orders, ties by id, and refuses a seed that could be mistaken', () => {
    const at = (deviceId: string, rank: bigint) => ({ deviceId, rank });
    const sorted = [at('b', 1n), at('c', -5n), at('a', 1n)].sort(compareRanked);
    expect(sorted.map((one) => one.deviceId)).toEqual(['c', 'a', 'b']);
    expect(compareRanked(at('a', 1n), at('a', 1n))).toBe(0);
    expect(() => rankOf('a:b', 'c')).toThrow(/colon/);
  });
});

/** The rule as it is written down: every place has a key, the smallest keys win. */
function byKeys(strata: readonly Stratum[], places: number): Record<string, number> {
  const keys = strata.flatMap(({ name, size, most }) =>
    Array.from({ length: Math.min(size, most ?? size) }, (_, index) => ({ name, size, j: index + 1 })),
  );
  keys.sort((a, b) => {
    const left = a.j === 1 ? 0 : (2 * a.j - 1) * b.size;
    const right = b.j === 1 ? 0 : (2 * b.j - 1) * a.size;
    return left - right || b.size - a.size || (a.name < b.name ? -1 : 1);
  });
  const taken = Object.fromEntries(strata.map(({ name }) => [name, 0]));
  for (const { name } of keys.slice(0, places)) taken[name]! += 1;
  return taken;
}

const arbitraryStrata = fc
  .array(
    fc.tuple(
      fc.oneof(fc.integer({ min: 0, max: 60 }), fc.constantFrom(1, 2, 3, 6, 12)),
      fc.option(fc.nat(20), { freq: 3 }),
    ),
    { minLength: 1, maxLength: 9 },
  )
  .map((list) =>
    list.map(([size, most], index): Stratum => {
      const name = String.fromCharCode(122 - index);
      return most === null ? { name, size } : { name, size, most };
    }),
  );

describe('quotas', () => {
  const strata = [
    { name: 'A', size: 700 },
    { name: 'B', size: 250 },
    { name: 'C', size: 45 },
    { name: 'D', size: 5 },
  ];
  it.each([
    [4, [1, 1, 1, 1]],
    [10, [6, 2, 1, 1]],
    [20, [13, 5, 1, 1]],
    [50, [35, 12, 2, 1]],
    [100, [70, 25, 4, 1]],
    [2, [1, 1, 0, 0]],
    [0, [0, 0, 0, 0]],
    [1000, [700, 250, 45, 5]],
    [5000, [700, 250, 45, 5]],
  ])('of %d places', (places, expected) => {
    expect([...quotas(strata, places).values()]).toEqual(expected);
  });

  it('are the smallest keys, whatever the sizes, and add up', () => {
    fc.assert(
      fc.property(arbitraryStrata, fc.nat(400), (taken, places) => {
        expect(Object.fromEntries(quotas(taken, places))).toEqual(byKeys(taken, places));
      }),
      { numRuns: 500 },
    );
  });

  it('are house-monotone: one place more takes none away', () => {
    fc.assert(
      fc.property(arbitraryStrata, fc.nat(300), (taken, places) => {
        const [before, after] = [quotas(taken, places), quotas(taken, places + 1)];
        for (const { name } of taken) expect(after.get(name)!).toBeGreaterThanOrEqual(before.get(name)!);
      }),
    );
  });

  it('cope with a million devices and with equal strata', () => {
    const many = Array.from({ length: 50 }, (_, index) => ({ name: `m${index + 10}`, size: 20_000 }));
    const shared = quotas(many, 1_025);
    expect([...shared.values()].filter((places) => places === 21)).toHaveLength(25);
    expect(shared.get('m10')).toBe(21);
    expect(shared.get('m59')).toBe(20);
    expect(() => quotas([{ name: 'a', size: -1 }], 1)).toThrow(/stratum a/);
    expect(() => quotas([strata[0]!, strata[0]!], 1)).toThrow(/two strata/);
    expect(() => quotas(strata, 1.5)).toThrow(/places/);
  });
});

describe('the places of a stage', () => {
  const state = (name: string, size: number, fields: Partial<StratumState> = {}): StratumState => ({
    name,
    size,
    granted: 0,
    tried: false,
    ...fields,
  });
  const left = (strata: StratumState[], cumulative: number, canary: number, part: 'canary' | 'middle' | 'last') =>
    stagePlaces(strata, cumulative, canary, part).map((one) => one.left);

  it('are what is not granted yet, and never less than none', () => {
    const strata = [state('A', 700, { granted: 3 }), state('B', 250, { granted: 9 })];
    expect(left(strata, 20, 20, 'canary')).toEqual([12, 0]);
    // It grew: more places; it shrank: none is taken back.
    expect(left([state('A', 1400, { granted: 15 }), state('B', 250, { granted: 5 })], 20, 20, 'canary')).toEqual([
      2, 0,
    ]);
  });

  it('keep all but one device of a small stratum for the last stage', () => {
    const strata = [state('A', 96), state('D', 4)];
    expect(left(strata, 10, 10, 'canary')).toEqual([9, 1]);
    expect(left(strata, 90, 10, 'middle')).toEqual([89, 1]);
    expect(left(strata, 100, 10, 'last')).toEqual([96, 4]);
    // The larger of two small ones has the canary, whatever they are called.
    const small = [state('A', 90), state('B', 2), state('C', 3)];
    expect(stagePlaces(small, 2, 2, 'canary').map((one) => one.withoutCanary)).toEqual([false, true, false]);
  });

  it('let strata without a canary begin one by one, and say so', () => {
    const strata = [state('A', 70), state('B', 20), state('C', 10)];
    expect(left(strata, 2, 2, 'canary')).toEqual([1, 1, 0]);
    expect(left(strata, 50, 2, 'middle')).toEqual([35, 10, 1]);
    expect(left([...strata.slice(0, 2), state('C', 10, { tried: true })], 50, 2, 'middle')).toEqual([35, 10, 5]);
    expect(withoutCanarySentences(strata, 2)).toEqual([
      'C (10 devices) has no canary among 2 places: its first 3 go one by one before the others of it.',
    ]);
    expect(withoutCanarySentences(strata, 3)).toEqual([]);
    expect(canarySentence(strata, 5)).toBe('The canary holds A: 3 of 70; B: 1 of 20; C: 1 of 10.');
    expect(canarySentence([], 5)).toBe('The canary holds no device.');
    expect([
      firstOnesTried(3, 0, 10),
      firstOnesTried(2, 0, 10),
      firstOnesTried(3, 1, 10),
      firstOnesTried(1, 0, 1),
    ]).toEqual([true, false, false, true]);
  });
});
