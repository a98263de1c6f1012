import { describe, expect, it } from '@jest/globals';
import { legacyBleFloor, legacySerialFloor } from './floor-nordic-legacy.js';

const NO_FLASH = { pageBytes: 4096, eraseMsPerPage: 0, writeUsPerWord: 0 };

describe('legacy DFU over Bluetooth LE', () => {
  it('carries what published arithmetic says: 29.6 kB/s at most', () => {
    const floor = legacyBleFloor({ imageBytes: 100_000, intervalMs: 15, flash: NO_FLASH });
    expect(floor.bareBytesPerSecond / 1000).toBeCloseTo(29.6, 1);
    expect(floor.linkMs / 1000).toBeCloseTo(100_000 / 29_600, 1);
    expect(floor.answersMs).toBe(45);
  });

  it('adds the flash', () => {
    const flash = { ...NO_FLASH, writeUsPerWord: 41 };
    const floor = legacyBleFloor({ imageBytes: 4096, intervalMs: 15, flash });
    expect(floor.targetMs).toBeCloseTo(41.984, 3);
    expect(floor.totalMs).toBeCloseTo(floor.linkMs + floor.answersMs + floor.targetMs, 9);
  });
});

describe('legacy DFU over a UART', () => {
  it.each([
    [115_200, 11.1],
    [38_400, 3.7],
  ])('at %d baud %d kB/s', (baud, kilobytes) => {
    const floor = legacySerialFloor({ image: new Uint8Array(100_000), baud, flash: NO_FLASH });
    expect(floor.bytesPerSecond / 1000).toBeCloseTo(kilobytes, 1);
  });

  it('counts the escapes', () => {
    const plain = legacySerialFloor({ image: new Uint8Array(512), baud: 115_200, flash: NO_FLASH });
    const escaped = legacySerialFloor({ image: new Uint8Array(512).fill(0xc0), baud: 115_200, flash: NO_FLASH });
    expect(escaped.linkMs - plain.linkMs).toBeCloseTo((512 * 10_000) / 115_200, 6);
  });
});
