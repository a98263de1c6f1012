import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { RealScheduler } from './real-scheduler.js';
import { VirtualScheduler } from './virtual-scheduler.js';

describe('virtual time', () => {
  it('runs callbacks by time, and at the same time in order of scheduling', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(50), fc.boolean())), (entries) => {
        const scheduler = new VirtualScheduler();
        const seen: number[] = [];
        const expected: { at: number; index: number }[] = [];
        entries.forEach(([at, cancelled], index) => {
          const cancel = scheduler.after(at, () => {
            expect(scheduler.now()).toBe(at);
            seen.push(index);
          });
          if (cancelled) cancel();
          else expected.push({ at, index });
        });
        scheduler.runUntilIdle();
        expected.sort((a, b) => a.at - b.at || a.index - b.index);
        expect(seen).toEqual(expected.map(({ index }) => index));
      }),
    );
  });

  it('stands exactly where it was told to stop', () => {
    const scheduler = new VirtualScheduler();
    let ran = 0;
    scheduler.after(100, () => (ran += 1));
    scheduler.after(101, () => (ran += 1));
    scheduler.advance(100);
    expect([scheduler.now(), ran]).toEqual([100, 1]);
    expect(scheduler.runUntil(() => false, 0.5)).toBe(false);
    expect([scheduler.now(), ran]).toEqual([100.5, 1]);
  });

  it('lets promises go on between callbacks', async () => {
    const scheduler = new VirtualScheduler();
    const wait = (ms: number): Promise<void> => new Promise((resolve) => void scheduler.after(ms, resolve));
    const story = (async () => {
      for (let i = 0; i < 10; i++) await wait(1000);
      return scheduler.now();
    })();
    expect(await scheduler.runUntilSettled(story)).toBe(10_000);
    await expect(scheduler.runUntilSettled(new Promise(() => undefined))).rejects.toThrow('nothing is left');
  });

  it('refuses delays that are no number', () => {
    expect(() => new VirtualScheduler().after(Number.NaN, () => undefined)).toThrow(RangeError);
  });
});

describe('real time', () => {
  it('is never early, and closes cleanly', async () => {
    const scheduler = new RealScheduler({ keepAlive: true });
    const from = scheduler.now();
    const at = await new Promise<number>((resolve) => void scheduler.after(5, () => resolve(scheduler.now())));
    expect(at - from).toBeGreaterThanOrEqual(4);
    scheduler.after(60_000, () => undefined);
    expect(scheduler.pending).toBe(1);
    scheduler.close();
    expect(scheduler.pending).toBe(0);
  });
});
