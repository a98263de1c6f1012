import { describe, expect, it } from '@jest/globals';
import { consoleWireBytes, secureDfuBleFloor, smpChunkBytes, smpConsoleFloor } from './floor.js';

const NO_FLASH = { pageBytes: 4096, eraseMsPerPage: 0, writeUsPerWord: 0 };
const NRF52 = { pageBytes: 4096, eraseMsPerPage: 85, writeUsPerWord: 41 };

describe('Secure DFU over Bluetooth LE', () => {
  const ble = { intervalMs: 15, imageBytes: 4096 * 20, flash: NO_FLASH };

  // Published arithmetic of the link layer: 29.6 kB/s for 20 bytes without data length, 98.9 for 244 on 1M, 175 on 2M.
  it.each([
    [{ mtu: 23, linkPayloadBytes: 27, phy: 1 as const }, 29.6],
    [{ mtu: 247, linkPayloadBytes: 251, phy: 1 as const }, 98.9],
    [{ mtu: 247, linkPayloadBytes: 251, phy: 2 as const }, 175.3],
  ])('the bare link %j carries %d kB/s', (link, kilobytes) => {
    expect(secureDfuBleFloor({ ...ble, ...link }).bareBytesPerSecond / 1000).toBeCloseTo(kilobytes, 0);
  });

  it('counts one event per awaited answer, and the flash', () => {
    const link = { mtu: 247, linkPayloadBytes: 251, phy: 1 as const };
    const floor = secureDfuBleFloor({ ...ble, ...link, flash: NRF52 });
    expect(floor.answersMs).toBe((5 + 3 * 20) * 15);
    expect(floor.targetMs).toBeCloseTo(20 * (85 + 41.984), 5);
    expect(floor.totalMs).toBeCloseTo(floor.linkMs + floor.answersMs + floor.targetMs, 9);
    expect(floor.boundMs).toBeLessThan(floor.totalMs);
  });
});

describe('SMP over a console', () => {
  it('fills its units as the table of the protocol says', () => {
    // File of 250000 bytes: first chunk, and continuation at 100000.
    for (const [limit, first, next] of [
      [128, 60, 103],
      [380, 311, 354],
      [1020, 951, 994],
      [2475, 2406, 2449],
    ] as const) {
      expect([smpChunkBytes(limit, 0, 250_000), smpChunkBytes(limit, 100_000, 250_000)]).toEqual([first, next]);
    }
  });

  it('spells messages in lines', () => {
    // Recorded: 86 bytes give a line of 123, 89 one of 127, 93 two of 127 and 11.
    expect([86, 89, 93].map(consoleWireBytes)).toEqual([123, 127, 138]);
  });

  it.each([
    [115200, 384, 7.26],
    [115200, 1024, 7.96],
    [921600, 2048, 65.6],
  ])('stop and wait at %d baud with %d bytes reaches %d kB/s', (baud, bufSize, kilobytes) => {
    const floor = smpConsoleFloor({ imageBytes: 500_000, baud, bufSize, window: 1, flash: NO_FLASH });
    expect(Math.abs(floor.bytesPerSecond / 1000 / kilobytes - 1)).toBeLessThan(0.015);
  });

  it('a window hides the answers', () => {
    const options = { imageBytes: 100_000, baud: 115200, bufSize: 384, flash: NRF52 };
    const alone = smpConsoleFloor({ ...options, window: 1 });
    const windowed = smpConsoleFloor({ ...options, window: 3 });
    expect(windowed.linkMs).toBeLessThan(alone.linkMs);
    expect(windowed.boundMs).toBeLessThan(windowed.totalMs);
  });
});
