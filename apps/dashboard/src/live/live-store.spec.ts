import { describe, expect, it } from '@jest/globals';
import { hear, livenessOf, NOTHING_HEARD } from './live-store.js';

const pulse = (serverTimeMs: number, countersAtMs: number) =>
  ({ event: { type: 'pulse', serverTimeMs, countersAtMs } }) as const;
const progress = (deploymentId: string, sentBytes: number) =>
  ({ event: { type: 'progress', gatewayId: 'g', deploymentId, sentBytes, totalBytes: 1000 } }) as const;

describe('the lamp', () => {
  it('says nothing of what it never heard', () => {
    expect(livenessOf(NOTHING_HEARD, 1000)).toEqual({ kind: 'away', sinceMs: undefined });
  });

  it('shows the age of the counters by the server’s clock, whatever this clock says', () => {
    const state = hear(NOTHING_HEARD, pulse(500_000, 499_600), 10_000);
    expect(livenessOf(state, 10_000)).toEqual({ kind: 'live', ageMs: 400 });
    expect(livenessOf(state, 12_000)).toEqual({ kind: 'live', ageMs: 2_400 });
  });

  it('is old after five seconds of silence, away after sixty, and live again with the next word', () => {
    const state = hear(NOTHING_HEARD, pulse(500_000, 500_000), 10_000);
    expect(livenessOf(state, 14_999).kind).toBe('live');
    expect(livenessOf(state, 15_000)).toEqual({ kind: 'old', ageMs: 5_000 });
    expect(livenessOf(state, 70_000)).toEqual({ kind: 'away', sinceMs: 10_000 });
    expect(livenessOf(hear(state, pulse(560_000, 560_000), 70_000), 70_000).kind).toBe('live');
  });

  it('does not count a broken link as a word of the server', () => {
    const state = hear(hear(NOTHING_HEARD, pulse(1, 1), 10_000), { link: 'away' }, 14_000);
    expect(livenessOf(state, 15_000).kind).toBe('old');
  });
});

describe('transfers', () => {
  it('have a speed from the second word on, none after a step back, and are forgotten', () => {
    let state = hear(NOTHING_HEARD, progress('d', 100), 1_000);
    expect(state.transfers.get('d')?.bytesPerSecond).toBeUndefined();
    state = hear(state, progress('d', 300), 2_000);
    expect(state.transfers.get('d')?.bytesPerSecond).toBe(200);
    state = hear(state, progress('d', 0), 3_000);
    expect(state.transfers.get('d')?.bytesPerSecond).toBeUndefined();
    state = hear(state, progress('other', 1), 34_000);
    expect([...state.transfers.keys()]).toEqual(['other']);
  });

  it('stay within bounds', () => {
    let state = NOTHING_HEARD;
    for (let n = 0; n < 700; n++) state = hear(state, progress(`d${n}`, n), 1_000 + n);
    expect(state.transfers.size).toBe(500);
    expect(state.transfers.has('d699')).toBe(true);
  });
});
