import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { Lanes } from '../links/lanes.js';
import { chooseNext, OVERDUE_MS, PATIENCE_MS, WEAK_DBM, waitsForSignal, type Candidate } from './choose-next.js';

const EVERYTHING_FREE = { hasRoom: () => true };
const HOUR_MS = 3_600_000;

function candidate(key: string, more: Partial<Candidate> = {}): Candidate {
  return {
    key,
    rank: 'update',
    lanes: [`ble:${key}`],
    readyAtMs: 0,
    notBeforeMs: 0,
    endsAtMs: 4 * HOUR_MS,
    expectedMs: 60_000,
    ...more,
  };
}

const chosen = (candidates: readonly Candidate[], now: number): string | undefined =>
  chooseNext(candidates, EVERYTHING_FREE, now)?.key;

describe('which device next', () => {
  it('a rescue goes before a device that was left on the way, and that before an update, whatever they need', () => {
    const rescue = candidate('rescue', { rank: 'rescue', expectedMs: HOUR_MS, readyAtMs: 900 });
    const left = candidate('left', { rank: 'left', expectedMs: HOUR_MS, readyAtMs: 900 });
    const short = candidate('short', { expectedMs: 1000, endsAtMs: 2000 });
    expect(chosen([short, left, rescue], 1000)).toBe('rescue');
    expect(chosen([short, left], 1000)).toBe('left');
  });

  it('the shorter one goes first, until the longer one has waited for it', () => {
    const long = candidate('long', { expectedMs: 600_000 });
    expect(chosen([long, candidate('short', { expectedMs: 60_000 })], 1000)).toBe('short');
    // (300 + 600) / 600 = 1.5 against (20 + 60) / 60 = 1.33
    expect(chosen([long, candidate('short', { expectedMs: 60_000, readyAtMs: 280_000 })], 300_000)).toBe('long');
  });

  it('one whose start is running out goes before one that is shorter, the earliest end first', () => {
    const short = candidate('short', { expectedMs: 1000 });
    const pressing = candidate('pressing', { expectedMs: 120_000, endsAtMs: 150_000 });
    const more = candidate('more', { expectedMs: 140_000, endsAtMs: 149_000 });
    expect(chosen([short, pressing], 10_000)).toBe('short');
    expect(chosen([short, pressing], 16_000)).toBe('pressing');
    expect(chosen([short, pressing, more], 16_000)).toBe('more');
  });

  it('nothing begins at its end or before its time, or without room', () => {
    expect(chosen([candidate('a', { endsAtMs: 5000 })], 4999)).toBe('a');
    expect(chosen([candidate('a', { endsAtMs: 5000 })], 5000)).toBeUndefined();
    expect(chosen([candidate('a', { notBeforeMs: 5000 })], 4999)).toBeUndefined();
    const room = { hasRoom: (lanes: readonly string[]) => !lanes.includes('ble:a') };
    expect(chooseNext([candidate('a', { rank: 'rescue' }), candidate('b')], room, 10)?.key).toBe('b');
  });

  it('a device that is heard weakly waits for better, as long as there is time to try it all the same', () => {
    const weak = candidate('weak', { signal: { rssiDbm: WEAK_DBM - 4, usualDbm: WEAK_DBM - 4 }, endsAtMs: 600_000 });
    expect(chosen([weak, candidate('loud', { expectedMs: HOUR_MS })], 10_000)).toBe('loud');
    expect(chosen([weak], 10_000)).toBeUndefined();
    expect(chosen([weak], 525_000)).toBe('weak'); // 600 s - 60 s expected - 15 s until the first write
    expect(chosen([{ ...weak, endsAtMs: 9 * HOUR_MS }], PATIENCE_MS - 1)).toBeUndefined();
    expect(chosen([{ ...weak, endsAtMs: 9 * HOUR_MS }], PATIENCE_MS)).toBe('weak');
    expect(chosen([{ ...weak, signal: { rssiDbm: WEAK_DBM, usualDbm: -70 } }], 10_000)).toBe('weak');
    expect(chosen([{ ...weak, signal: { rssiDbm: WEAK_DBM - 1, usualDbm: WEAK_DBM - 5 } }], 10_000)).toBe('weak');
    expect(chosen([{ ...weak, rank: 'rescue' }], 10_000)).toBe('weak');
    expect(waitsForSignal({ ...weak, endsAtMs: 60_000 }, 0)).toBe(false); // too short a grant to wait in
  });
});

/** One device of a simulated afternoon. */
interface Job {
  readonly arrivesMs: number;
  readonly needMs: number;
  readonly grantMs: number;
  readonly rank: Candidate['rank'];
  readonly radio: boolean;
  readonly rssiDbm: number;
}

const jobs = fc.array(
  fc.record<Job>({
    arrivesMs: fc.integer({ min: 0, max: HOUR_MS }),
    needMs: fc.integer({ min: 1000, max: 20 * 60_000 }),
    grantMs: fc.integer({ min: 30_000, max: 3 * HOUR_MS }),
    rank: fc.constantFrom('rescue', 'left', 'update', 'update', 'update', 'update'),
    radio: fc.boolean(),
    rssiDbm: fc.integer({ min: -105, max: -40 }),
  }),
  { minLength: 1, maxLength: 30 },
);
const ADAPTER = 'adapter:hci0';
const STEP_MS = 10_000;

/** Plays the afternoon in steps; what was chosen holds its lanes for the time it needs. @returns when each began. */
function play(
  afternoon: readonly Job[],
  places: number,
  untilMs = Math.max(...afternoon.map(({ arrivesMs, grantMs }) => arrivesMs + grantMs)),
): { begunMs: Map<number, number>; mostOnAdapter: number } {
  const lanes = new Lanes({ behind: (lane) => (lane.startsWith('ble:') ? [ADAPTER] : []) });
  lanes.setCapacity(ADAPTER, places);
  const begunMs = new Map<number, number>();
  let running: { endsMs: number; radio: boolean; free: () => void }[] = [];
  let mostOnAdapter = 0;
  for (let now = 0; now < untilMs && begunMs.size < afternoon.length; now += STEP_MS) {
    for (const each of running.filter(({ endsMs }) => endsMs <= now)) each.free();
    running = running.filter(({ endsMs }) => endsMs > now);
    const waiting = afternoon.flatMap((each, index): Candidate[] => {
      if (each.arrivesMs > now || begunMs.has(index)) return [];
      return [
        candidate(String(index), {
          rank: each.rank,
          lanes: [each.radio ? `ble:${index}` : `serial:${index % 3}`],
          readyAtMs: each.arrivesMs,
          endsAtMs: each.arrivesMs + each.grantMs,
          expectedMs: each.needMs,
          ...(each.radio && { signal: { rssiDbm: each.rssiDbm, usualDbm: each.rssiDbm } }),
        }),
      ];
    });
    for (let next; (next = chooseNext(waiting, lanes, now));) {
      const free = lanes.tryTake(next.lanes);
      if (!free) throw new Error('chosen without room');
      waiting.splice(waiting.indexOf(next), 1);
      const index = Number(next.key);
      begunMs.set(index, now);
      const { needMs, radio } = afternoon[index]!;
      running.push({ endsMs: now + needMs, radio, free });
      mostOnAdapter = Math.max(mostOnAdapter, running.filter((each) => each.radio).length);
    }
  }
  return { begunMs, mostOnAdapter };
}

describe('over an afternoon of any devices', () => {
  it('no adapter carries more than it can, and nothing begins past its grant', () => {
    fc.assert(
      fc.property(jobs, fc.integer({ min: 1, max: 4 }), (afternoon, places) => {
        const { begunMs, mostOnAdapter } = play(afternoon, places);
        expect(mostOnAdapter).toBeLessThanOrEqual(places);
        for (const [index, atMs] of begunMs) {
          const { arrivesMs, grantMs } = afternoon[index]!;
          expect(atMs).toBeGreaterThanOrEqual(arrivesMs);
          expect(atMs).toBeLessThan(arrivesMs + grantMs);
        }
      }),
      { numRuns: 30 },
    );
  });

  it('who has room is tried within its grant, however weakly it is heard', () => {
    fc.assert(
      fc.property(jobs, (afternoon) => {
        const radios = afternoon.map((each) => ({ ...each, radio: true }));
        const { begunMs } = play(radios, radios.length);
        radios.forEach(({ arrivesMs, grantMs, needMs }, index) => {
          const latestMs = Math.min(arrivesMs + PATIENCE_MS, arrivesMs + grantMs - needMs - 15_000);
          expect(begunMs.get(index)).toBeLessThanOrEqual(Math.max(arrivesMs, latestMs) + STEP_MS);
        });
      }),
      { numRuns: 30 },
    );
  });

  it('a long one is not passed by short ones for ever, though these alone would fill the link', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 60_000, max: HOUR_MS }),
        fc.integer({ min: 10_000, max: 60_000 }),
        (long, short) => {
          const common = { rank: 'update', radio: true, rssiDbm: -50, grantMs: 12 * HOUR_MS } as const;
          const stream = Array.from({ length: Math.ceil((2 * OVERDUE_MS) / short) }, (_, index) => ({
            ...common,
            needMs: short,
            arrivesMs: (index * short * 3) / 4,
          }));
          const { begunMs } = play(
            [{ ...common, needMs: long, arrivesMs: STEP_MS }, ...stream],
            1,
            OVERDUE_MS + 3 * short,
          );
          expect(begunMs.get(0)).toBeLessThanOrEqual(OVERDUE_MS + short + 3 * STEP_MS);
        },
      ),
      { numRuns: 5 },
    );
  });
});
