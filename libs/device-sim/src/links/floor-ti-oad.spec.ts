import { describe, expect, it } from '@jest/globals';
import { tiOadFloor, type TiOadFloorOptions } from './floor-ti-oad.js';

const LINK: TiOadFloorOptions = {
  imageBytes: 168_140,
  kind: 'enhanced',
  intervalMs: 15,
  mtu: 247,
  linkPayloadBytes: 251,
  phy: 1,
  flash: { pageBytes: 4096, eraseMsPerPage: 0, writeUsPerWord: 0 },
};

describe('floor of a TI OAD transfer', () => {
  it('counts one connection event for each of the 701 blocks of the published image', () => {
    const floor = tiOadFloor(LINK);
    expect(floor.answersMs).toBe(701 * 15);
    // 251 octets are 2088 us on 1M; an empty packet 80, two pauses 300: 2468 us; the request 13 octets: 564 us.
    const lastUs = 300 + 80 + (10 + 7 + 144) * 8;
    expect(floor.linkMs).toBeCloseTo((700 * 2468 + lastUs + 701 * (80 + (10 + 13) * 8 + 300)) / 1000, 6);
    // The documents' own estimate for this case: 16 000 B/s with one event a block, without air time.
    expect(floor.bytesPerSecond).toBeGreaterThan(13_000);
    expect(floor.bytesPerSecond).toBeLessThan(16_000);
  });

  it('counts 16 bytes a block on classic targets, and flash and checksum of the target', () => {
    const flash = { pageBytes: 4096, eraseMsPerPage: 10, writeUsPerWord: 1 };
    const floor = tiOadFloor({ ...LINK, kind: 'classic', imageBytes: 131_072, flash, verifyMs: 5 });
    expect(floor.answersMs).toBe(8192 * 15);
    expect(floor.targetMs).toBeCloseTo(32 * 10 + 32.768 + 5, 6);
    expect(floor.totalMs).toBeCloseTo(floor.linkMs + floor.answersMs + floor.targetMs, 6);
  });
});
