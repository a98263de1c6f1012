import { describe, expect, it } from '@jest/globals';
import { tiOadFloor, type TiOadFloorOptions } from './floor-ti-oad.js';

const LINK: TiOadFloorOptions = {
  imageBytes: 168_140,
  kind: 'enhanced',
  window: 1,
  intervalMs: 15,
  mtu: 247,
  linkPayloadBytes: 251,
  phy: 1,
  flash: { pageBytes: 4096, eraseMsPerPage: 0, writeUsPerWord: 0 },
};

describe('floor of a TI OAD transfer', () => {
  it('counts one connection event for each of the 701 blocks of the published image where each request is awaited', () => {
    const floor = tiOadFloor(LINK);
    expect(floor.totalMs).toBe(701 * 15);
    // 251 octets are 2088 us on 1M; an empty packet 80, two pauses 300: 2468 us; the request 13 octets: 564 us.
    const lastUs = 300 + 80 + (10 + 7 + 144) * 8;
    expect(floor.linkMs).toBeCloseTo((700 * 2468 + lastUs + 701 * (80 + (10 + 13) * 8 + 300)) / 1000, 6);
    // The documents' own estimate for this case: 16 000 B/s with one event a block.
    expect(floor.bytesPerSecond).toBeCloseTo(168_140 / (701 * 0.015), 6);
  });

  it('counts the air, in whole events, where blocks go ahead of their requests', () => {
    const floor = tiOadFloor({ ...LINK, window: 4 });
    // Five blocks of 2572 us (the request rides along) fit in 15 ms, a sixth does not; the first is alone.
    expect(floor.totalMs).toBe((1 + 700 / 5) * 15);
    expect(tiOadFloor({ ...LINK, window: 8 }).totalMs).toBe(floor.totalMs);
    // 18 bytes a block, 9 a request: (10 + 25) * 8 + (10 + 9) * 8 + 300 = 732 us, twenty in an event.
    const classic = tiOadFloor({
      ...LINK,
      kind: 'classic',
      window: 16,
      mtu: 23,
      linkPayloadBytes: 27,
      imageBytes: 16_384,
    });
    expect(classic.totalMs).toBe((1 + Math.ceil(1023 / 20)) * 15);
  });

  it('never promises more than air or flash carry', () => {
    const flash = { pageBytes: 4096, eraseMsPerPage: 100, writeUsPerWord: 100 };
    const floor = tiOadFloor({ ...LINK, kind: 'classic', window: 16, imageBytes: 131_072, flash, verifyMs: 5 });
    expect(floor.targetMs).toBeCloseTo(32 * 100 + 3_276.8 + 5, 6);
    expect(floor.totalMs).toBeGreaterThanOrEqual(floor.boundMs);
    expect(floor.totalMs).toBeGreaterThanOrEqual(floor.targetMs);
  });
});
