import { describe, expect, it } from '@jest/globals';
import { Lanes } from './lanes.js';

describe('lanes', () => {
  it('are taken all or none, and tell when they are free', () => {
    const lanes = new Lanes();
    let told = 0;
    lanes.onFree(() => (told += 1));
    const free = lanes.tryTake(['a', 'b']);
    expect(lanes.tryTake(['b', 'c'])).toBeUndefined();
    expect(lanes.isBusy('c')).toBe(false);
    free?.();
    free?.();
    expect(told).toBe(1);
    expect(lanes.tryTake(['b', 'c'])).toBeDefined();
  });

  it('are lent only while nobody claims them, and asked back when an attempt takes them', () => {
    const lanes = new Lanes();
    let asked = 0;
    const free = lanes.tryBorrow('a', () => (asked += 1));
    const ends = [lanes.claim(['a', 'b']), lanes.claim(['a'])];
    expect(asked).toBe(0); // a claim can wait, an attempt that is ready cannot
    expect(lanes.tryTake(['a'])).toBeUndefined();
    expect(asked).toBe(1);
    free?.();
    expect(lanes.tryBorrow('a', () => undefined)).toBeUndefined();
    const take = lanes.tryTake(['a', 'b']);
    expect(take).toBeDefined();
    take?.();
    ends[0]?.();
    expect(lanes.tryBorrow('a', () => undefined)).toBeUndefined();
    expect(lanes.tryBorrow('b', () => undefined)).toBeDefined();
    ends[1]?.();
    expect(lanes.tryBorrow('a', () => undefined)).toBeDefined();
  });
});
