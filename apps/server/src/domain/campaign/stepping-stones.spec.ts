import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { LONGEST_CHAIN, steppingStones, type Stone } from './stepping-stones.js';

const stone = (version: string, requires: string[] = [], id = `a-${version}`): Stone => ({ id, version, requires });
const pathOf = (target: Stone, stored: Stone[], from: string, allowDowngrade = false) =>
  steppingStones(target, stored, [from], allowDowngrade).get(from)?.through;

describe('stepping stones', () => {
  const target = stone('4.0.0', ['3.0.0']);

  it('finds the shortest chain, in the order in which the versions run', () => {
    const stored = [stone('2.0.0', ['1.0.0']), stone('3.0.0', ['2.0.0']), target];
    expect(pathOf(target, stored, '1.0.0')).toEqual(['2.0.0', '3.0.0']);
    expect(steppingStones(target, stored, ['1.0.0', '2.0.0'], false).get('2.0.0')!.artifactId).toBe('a-3.0.0');
    expect(pathOf(target, [...stored, stone('3.0.0', ['1.0.0'], 'short')], '1.0.0')).toEqual(['3.0.0']);
  });

  it('says nothing of what needs no stone and of what no chain reaches', () => {
    const stored = [stone('3.0.0', ['2.0.0'])];
    const found = steppingStones(target, stored, ['3.0.0', '2.0.0', '1.0.0', ''], false);
    expect([...found.keys()]).toEqual(['2.0.0']);
  });

  it('goes over no older version unless downgrades are allowed', () => {
    const over = [stone('3.0.0')];
    expect(pathOf(target, over, '3.5.0')).toBeUndefined();
    expect(pathOf(target, over, '3.5.0', true)).toEqual(['3.0.0']);
  });

  it('ends where stones go round in a circle', () => {
    const circle = [stone('2.0.0', ['2.1.0']), stone('2.1.0', ['2.0.0'])];
    expect(pathOf(target, circle, '2.0.0', true)).toBeUndefined();
  });

  it('every chain can be walked, and no shorter one can (checked by trying all)', () => {
    const version = fc.integer({ min: 1, max: 7 }).map((n) => `${n}.0.0`);
    const artifacts = fc.array(fc.record({ version, requires: fc.uniqueArray(version, { maxLength: 3 }) }), {
      maxLength: 12,
    });
    fc.assert(
      fc.property(
        artifacts,
        fc.uniqueArray(version, { minLength: 1, maxLength: 2 }),
        fc.boolean(),
        (made, wanted, down) => {
          const end = stone('8.0.0', wanted);
          const stored = made.map((each, index) => stone(each.version, each.requires, `a${index}`));
          const may = (running: string, to: Stone) =>
            running !== to.version &&
            (down || running < to.version) &&
            (to.requires.length === 0 || to.requires.includes(running));
          // Forward, by widening: a walk that shares nothing with the search above.
          const stepsFrom = (from: string): number | undefined => {
            let at = new Set([from]);
            for (let steps = 0; steps <= LONGEST_CHAIN; steps++) {
              if ([...at].some((running) => may(running, end))) return steps;
              at = new Set([
                ...at,
                ...stored.filter((s) => [...at].some((running) => may(running, s))).map((s) => s.version),
              ]);
            }
            return undefined;
          };
          const all = Array.from({ length: 7 }, (_, index) => `${index + 1}.0.0`);
          const found = steppingStones(end, stored, all, down);
          for (const from of all) {
            const shortest = stepsFrom(from);
            expect(found.get(from)?.through.length).toBe(shortest === 0 ? undefined : shortest);
            const step = found.get(from);
            if (!step) continue;
            const taken = stored.find((s) => s.id === step.artifactId)!;
            expect(may(from, taken)).toBe(true);
            expect(step.through).toEqual([taken.version, ...(found.get(taken.version)?.through ?? [])]);
          }
        },
      ),
    );
  });
});
