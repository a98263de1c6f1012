import { describe, expect, it } from '@jest/globals';
import { secureDfuSerialFloor } from './floor-nordic-serial.js';

const NO_FLASH = { pageBytes: 4096, eraseMsPerPage: 0, writeUsPerWord: 0 };

describe('Secure DFU over a serial line', () => {
  it('carries 64 bytes in 66 at 115 200 baud: 11.1 kB/s bare', () => {
    const floor = secureDfuSerialFloor({ image: new Uint8Array(4096), baud: 115_200, mtu: 131, flash: NO_FLASH });
    expect(floor.bareBytesPerSecond / 1000).toBeCloseTo(11.17, 1);
  });

  it('counts every byte of a small transfer', () => {
    const floor = secureDfuSerialFloor({
      image: new Uint8Array(128),
      initPacketBytes: 64,
      baud: 10_000,
      mtu: 131,
      flash: NO_FLASH,
    });
    // Select 3+16, create 7+4, init 66, checksum 2+12, execute 2+4, select 19, create 11, two writes of 66, checksum 14, execute 6.
    const bytes = 19 + 11 + 66 + 14 + 6 + 19 + 11 + 2 * 66 + 14 + 6;
    expect(floor.linkMs).toBeCloseTo(bytes, 9);
    expect(floor.totalMs).toBeCloseTo(bytes, 9);
  });

  it('counts escapes and flash', () => {
    const flash = { pageBytes: 4096, eraseMsPerPage: 85, writeUsPerWord: 41 };
    const plain = secureDfuSerialFloor({ image: new Uint8Array(4096), baud: 115_200, mtu: 2051, flash });
    const escaped = secureDfuSerialFloor({ image: new Uint8Array(4096).fill(0xc0), baud: 115_200, mtu: 2051, flash });
    expect(escaped.linkMs - plain.linkMs).toBeCloseTo((4096 * 10_000) / 115_200, 6);
    expect(plain.targetMs).toBeCloseTo(85 + 41.984, 6);
    expect(plain.boundMs).toBeLessThan(plain.totalMs);
  });
});
