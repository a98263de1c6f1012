import { describe, expect, it, jest } from '@jest/globals';
import { Downloads } from '../site/site-rules.js';
import { turns, VirtualClock } from '../testing/virtual-clock.js';
import { DownloadPace } from './download-pace.js';

// Of a machine that others load as well.
jest.setTimeout(60_000);

const still = () => turns(8);
const NEVER = new AbortController().signal;

describe('the pace of downloads', () => {
  it('is kept by all downloads together, whatever the pieces are', async () => {
    const clock = new VirtualClock();
    const downloads = Downloads.parse({ kibPerSecond: 64 });
    const pace = new DownloadPace({ clock, downloads: () => downloads, time: { windowMs: () => undefined } });
    let bytes = 0;
    const ends = new AbortController();
    const load = async (piece: number): Promise<void> => {
      while (!ends.signal.aborted) {
        await pace.take(piece, ends.signal);
        bytes += piece;
      }
    };
    const loads = [load(65_536), load(1000), load(333)];
    await clock.advance(60_000, still);
    const total = bytes;
    ends.abort();
    await Promise.all(loads);
    // One minute at 64 KiB a second; the burst of the beginning and the last pieces are all that may be above.
    expect(total).toBeGreaterThan(60 * 65_536 * 0.9);
    expect(total).toBeLessThan(60 * 65_536 + 3 * 65_536);
  });

  it('has no limit where the site sets none', async () => {
    const pace = new DownloadPace({
      clock: new VirtualClock(),
      downloads: () => Downloads.parse({}),
      time: { windowMs: () => undefined },
    });
    for (let count = 0; count < 1000; count += 1) await pace.take(1_000_000, NEVER);
    expect(pace.isOpen).toBe(true);
  });

  it('is closed outside of the hours, at their edges, and while the time is not known', async () => {
    const downloads = Downloads.parse({ hours: [{ from: '01:00', to: '05:00' }] });
    const at = (text: string) => Date.parse(`2026-03-02T${text}Z`);
    let window: { earliestMs: number; latestMs: number } | undefined;
    const pace = new DownloadPace({
      clock: new VirtualClock(),
      downloads: () => downloads,
      time: { windowMs: () => window },
    });
    expect(pace.isOpen).toBe(false);
    window = { earliestMs: at('00:59:50'), latestMs: at('01:00:10') };
    expect(pace.isOpen).toBe(false);
    window = { earliestMs: at('01:00:00'), latestMs: at('01:00:10') };
    expect(pace.isOpen).toBe(true);
    await pace.take(10, NEVER);
    window = { earliestMs: at('04:59:59'), latestMs: at('05:00:01') };
    await expect(pace.take(10, NEVER)).rejects.toMatchObject({ code: 'site.quiet-hours' });
  });
});
