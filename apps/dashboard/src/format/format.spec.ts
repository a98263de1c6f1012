import { describe, expect, it } from '@jest/globals';
import { bytes, count, counted, cutMiddle, limit, percent, shareOf, shortCount } from './numbers.js';
import { countdown, duration, moment, when } from './times.js';
import { likely, wilson } from './wilson.js';

describe('numbers', () => {
  it.each([
    [1732, '1\u202f732'],
    [999, '999'],
    [1_234_567, '1\u202f234\u202f567'],
    [0, '0'],
    [null, '–'],
    [NaN, '–'],
  ])('%p is written %p', (n, text) => expect(count(n)).toBe(text));

  it('is short only where it is long', () => {
    expect([99_999, 100_000, 1_240_000, 999_600].map(shortCount)).toEqual(['99\u202f999', '100 k', '1.24 M', '1.00 M']);
  });

  it.each([
    [0, '0 %'],
    [1, '100 %'],
    [0.0001, '< 0.1 %'],
    [0.9999, '> 99.9 %'],
    [0.011, '1.1 %'],
    [null, '–'],
  ])('a share of %p is %p: exact ends only when exact', (share, text) => expect(percent(share)).toBe(text));

  it('says no percent of fewer than twenty', () => {
    expect([shareOf(3, 16), shareOf(3, 20), shareOf(0, 0)]).toEqual(['3 of 16', '15.0 %', '–']);
  });

  it('writes limits as they were given, sizes in decimal, ids cut in the middle', () => {
    expect([limit(0.02), limit(0.005)]).toEqual(['2 %', '0.5 %']);
    expect([bytes(486_000), bytes(999), bytes(1_250_000), bytes(null)]).toEqual(['486 kB', '999 B', '1.3 MB', '–']);
    expect([cutMiddle('9f2c41d7a0be55aa'), cutMiddle('short'), cutMiddle('9f2c41d7a0be55aa', 12, 0)]).toEqual([
      '9f2c41d7…55aa',
      'short',
      '9f2c41d7a0be…',
    ]);
    expect([counted(1, 'device'), counted(2, 'device')]).toEqual(['1 device', '2 devices']);
  });
});

describe('the Wilson interval', () => {
  // Solved by bisection, apart from our formula: where (x/n - p)^2 n = z^2 p (1 - p), z = 1.95996.
  it.each([
    [5, 48, 0.0453, 0.2217],
    [20, 1795, 0.0072, 0.0171],
    [0, 10, 0, 0.2775],
    [10, 10, 0.7225, 1],
  ])('%i of %i lies within %p and %p', (hits, tried, low, high) => {
    const interval = wilson(hits, tried)!;
    expect(interval.low).toBeCloseTo(low, 3);
    expect(interval.high).toBeCloseTo(high, 3);
  });

  it('is said as likely, and not at all of nothing', () => {
    expect(likely(20, 1795)).toBe('likely 0.7–1.7 %');
    expect(likely(0, 0)).toBe('');
  });
});

describe('times', () => {
  const now = Date.UTC(2026, 10, 20, 14, 0, 0);

  it.each([
    [400, '0.4 s'],
    [12_000, '12 s'],
    [6 * 60_000, '6 min'],
    [2 * 3_600_000 + 10 * 60_000, '2 h 10 min'],
    [3 * 86_400_000 + 4 * 3_600_000, '3 d 4 h'],
    [3_600_000, '1 h'],
    [-5, '0.0 s'],
  ])('%i ms last %p', (ms, text) => expect(duration(ms)).toBe(text));

  it('is relative below an hour, the clock today, the day else', () => {
    expect(moment(now - 3 * 60_000, now, 'UTC')).toBe('3 min ago');
    expect(moment(now + 6 * 60_000, now, 'UTC')).toBe('in 6 min');
    expect(moment(now - 2 * 3_600_000, now, 'UTC')).toBe('12:00');
    expect(moment(now - 30 * 3_600_000, now, 'UTC')).toBe('Thu 08:00');
    expect(when(Date.UTC(2026, 2, 3, 9, 5), now, 'UTC')).toBe('3 Mar 09:05');
    expect(when(Date.UTC(2025, 2, 3), now, 'UTC')).toBe('3 Mar 2025');
  });

  it('counts down to zero and no further', () => {
    expect([countdown(312_000), countdown(3_909_000), countdown(-1)]).toEqual(['5:12', '1:05:09', '0:00']);
  });
});
