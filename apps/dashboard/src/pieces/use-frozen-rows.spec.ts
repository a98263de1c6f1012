import { describe, expect, it } from '@jest/globals';
import { mergeFrozen } from './use-frozen-rows.js';

interface Row {
  id: string;
  n: number;
}
const keyOf = (row: Row) => row.id;
const rows = (...ids: string[]): Row[] => ids.map((id, n) => ({ id, n }));
const kept = (...ids: string[]) => new Map(rows(...ids).map((row) => [row.id, row]));

describe('rows under focus', () => {
  it('keep their order and get their newest content', () => {
    const { shown, newer } = mergeFrozen(
      ['a', 'b'],
      kept('a', 'b'),
      [
        { id: 'b', n: 7 },
        { id: 'a', n: 8 },
      ],
      keyOf,
    );
    expect(shown).toEqual([
      { id: 'a', n: 8 },
      { id: 'b', n: 7 },
    ]);
    expect(newer).toBe(0);
  });

  it('let newer ones wait, and older ones follow', () => {
    const { shown, newer } = mergeFrozen(['a', 'b'], kept('a', 'b'), rows('new1', 'new2', 'a', 'b', 'older'), keyOf);
    expect(shown.map(keyOf)).toEqual(['a', 'b', 'older']);
    expect(newer).toBe(2);
  });

  it('do not lose a row that is gone from the list', () => {
    expect(mergeFrozen(['a', 'b'], kept('a', 'b'), rows('b'), keyOf).shown.map(keyOf)).toEqual(['a', 'b']);
  });

  it('show what there is before anything was shown', () => {
    expect(mergeFrozen([], new Map(), rows('a'), keyOf)).toEqual({ shown: rows('a'), newer: 0 });
  });
});
