import { describe, expect, it } from '@jest/globals';
import { csrBcspFloor } from './floor-csr.js';

const NO_FLASH = { pageBytes: 4096, eraseMsPerPage: 0, writeUsPerWord: 0 };

describe('a transfer over BCSP', () => {
  it('counts every byte of a small one, at 11 bits each', () => {
    const floor = csrBcspFloor({ body: new Uint8Array(100), baud: 11_000, flash: NO_FLASH, manifestMs: 0 });
    // END, header, payload, CRC, END: a block of 100, its response; status and answer; the empty block likewise.
    const frame = (payload: number): number => 2 + 4 + payload + 2;
    const status = frame(5) + frame(10);
    expect(floor.linkMs).toBeCloseTo(frame(105) + frame(4) + status + frame(5) + frame(4) + status, 6);
  });

  it('carries 1023 bytes in 1036 and a bit, at most 10.35 kB/s', () => {
    const floor = csrBcspFloor({ body: new Uint8Array(1023 * 50), baud: 115_200, flash: NO_FLASH, manifestMs: 0 });
    expect(floor.bareBytesPerSecond).toBeGreaterThan(10_300);
    expect(floor.bareBytesPerSecond).toBeLessThan(10_355);
    expect(floor.bytesPerSecond).toBeLessThan(floor.bareBytesPerSecond);
  });

  it('counts escapes and flash', () => {
    const flash = { pageBytes: 4096, eraseMsPerPage: 6, writeUsPerWord: 10 };
    const plain = csrBcspFloor({ body: new Uint8Array(4096), baud: 115_200, flash });
    const escaped = csrBcspFloor({ body: new Uint8Array(4096).fill(0xdb), baud: 115_200, flash });
    expect(escaped.linkMs - plain.linkMs).toBeCloseTo((4096 * 11_000) / 115_200, 6);
    expect(plain.targetMs).toBeCloseTo(6 + 10.24 + 0.03 + 200, 1);
  });
});
