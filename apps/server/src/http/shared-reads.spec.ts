import { describe, expect, it, jest } from '@jest/globals';
import { SharedReads } from './shared-reads.js';

describe('shared reads', () => {
  it('ask once for all who wait, anew when it was quick, and again after a failure', async () => {
    const reads = new SharedReads();
    let asked = 0;
    const quick = (): Promise<number> => Promise.resolve(++asked);
    expect(
      await Promise.all([reads.read('a', true, quick), reads.read('a', true, quick), reads.read('b', true, quick)]),
    ).toEqual([1, 1, 2]);
    expect(await reads.read('a', true, quick)).toBe(3);
    expect(await Promise.all([reads.read('d', false, quick), reads.read('d', false, quick)])).toEqual([4, 5]);
    await expect(reads.read('c', true, () => Promise.reject(new Error('no')))).rejects.toThrow('no');
    expect(await reads.read('c', true, quick)).toBe(6);
  });

  it('share what was slow for a while', async () => {
    jest.useFakeTimers({ now: 0 });
    try {
      const reads = new SharedReads();
      let asked = 0;
      const slow = async (): Promise<number> => {
        await new Promise((resolve) => setTimeout(resolve, 100));
        return ++asked;
      };
      const first = reads.read('a', true, slow);
      await jest.advanceTimersByTimeAsync(100);
      expect(await first).toBe(1);
      await jest.advanceTimersByTimeAsync(900);
      expect(await reads.read('a', true, slow)).toBe(1);
      // Older than ten times what it took: given once more, and read anew meanwhile.
      await jest.advanceTimersByTimeAsync(200);
      expect(await Promise.all([reads.read('a', true, slow), reads.read('a', true, slow)])).toEqual([1, 1]);
      await jest.advanceTimersByTimeAsync(100);
      expect(await reads.read('a', true, slow)).toBe(2);
      // Nobody asked for so long: nothing that old is given.
      await jest.advanceTimersByTimeAsync(2_001);
      const last = reads.read('a', true, slow);
      await jest.advanceTimersByTimeAsync(100);
      expect(await last).toBe(3);
    } finally {
      jest.useRealTimers();
    }
  });
});
