import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { VirtualClock } from '../testing/virtual-clock.js';
import { TrustedTime } from './trusted-time.js';

const still = () => Promise.resolve();

describe('trusted time', () => {
  it('knows nothing before an answer to a question of its own, and counts each once', () => {
    const time = new TrustedTime(new VirtualClock());
    expect(time.upperBoundMs()).toBeUndefined();
    expect(time.answer('0'.repeat(32), 1000)).toBe(false);
    const nonce = time.ask();
    expect(time.answer(nonce, 1000)).toBe(true);
    expect(time.answer(nonce, 9_999_999)).toBe(false);
    expect(time.upperBoundMs()).toBeLessThan(1100);
  });

  it('counts from when the question was sent', async () => {
    const clock = new VirtualClock();
    const time = new TrustedTime(clock);
    const nonce = time.ask();
    await clock.advance(5000, still);
    time.answer(nonce, 1_000_000);
    expect(time.upperBoundMs()).toBeGreaterThanOrEqual(1_005_000);
    expect(time.remainingMs(1_010_000)).toBeLessThanOrEqual(5000);
  });

  it('is forgotten by a sleep and by age', async () => {
    const clock = new VirtualClock();
    const time = new TrustedTime(clock);
    const asked = time.ask();
    time.answer(time.ask(), 1000);
    clock.suspend(10_000);
    expect(time.upperBoundMs()).toBeUndefined();
    expect(time.answer(asked, 2000)).toBe(false); // asked before the sleep
    time.answer(time.ask(), 3000);
    expect(time.upperBoundMs()).toBeDefined();
    await clock.advance(13 * 3_600_000, still);
    expect(time.upperBoundMs()).toBeUndefined();
  });

  it('never lies below the true time of the server, whatever the delays and a clock within 100 ppm', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 0, max: 60_000 }),
        fc.integer({ min: 0, max: 60_000 }),
        fc.integer({ min: 0, max: 11 * 3_600_000 }),
        fc.double({ min: -100e-6, max: 100e-6, noNaN: true }),
        async (thereMs, backMs, laterMs, error) => {
          const clock = new VirtualClock();
          const time = new TrustedTime(clock);
          const local = (trueMs: number): number => trueMs * (1 + error);
          const nonce = time.ask();
          await clock.advance(local(thereMs + backMs), still);
          time.answer(nonce, 1_000_000_000 + thereMs);
          await clock.advance(local(laterMs), still);
          const trueMs = 1_000_000_000 + thereMs + backMs + laterMs;
          expect(time.upperBoundMs()!).toBeGreaterThanOrEqual(trueMs);
          const { earliestMs, latestMs } = time.windowMs()!;
          expect(earliestMs).toBeLessThanOrEqual(trueMs);
          // As unsure as the way was long, and what clocks may drift since: no more.
          expect(latestMs - earliestMs).toBeLessThanOrEqual((thereMs + backMs) * 1.001 + laterMs * 4.1e-4 + 100);
        },
      ),
    );
  });
});
