/** Floors against figures that were worked out by hand from the formats. */
import { describe, expect, it } from '@jest/globals';
import { appLoaderFloor, bgapiUartFloor, xmodemFloor } from './floor-silabs.js';

const NO_FLASH = { pageBytes: 4096, eraseMsPerPage: 0, writeUsPerWord: 0 };
const uart = { fileBytes: 126_000, imageBytes: 0, baud: 115_200, flash: NO_FLASH };

describe('floors of Silicon Labs transfers', () => {
  it.each([
    [48, 9372],
    [128, 10_608],
    [252, 11_038],
  ])('BGAPI with %d bytes an upload: %d bytes a second', (chunkBytes, rate) => {
    const fileBytes = chunkBytes * 500;
    expect(Math.round(bgapiUartFloor({ ...uart, fileBytes, chunkBytes }).bytesPerSecond)).toBeCloseTo(rate, -1);
  });

  it('XMODEM: 128 bytes for 134 on the wire', () => {
    expect(Math.round(xmodemFloor({ ...uart, fileBytes: 128_000 }).bytesPerSecond)).toBe(11_004);
  });

  it('AppLoader on 1M: 98.9 kB a second', () => {
    const floor = appLoaderFloor({
      fileBytes: 244_000,
      imageBytes: 0,
      intervalMs: 15,
      mtu: 247,
      linkPayloadBytes: 251,
      phy: 1,
      flash: NO_FLASH,
      answers: 0,
    });
    // Published arithmetic of the link layer.
    expect(floor.bytesPerSecond / 1000).toBeCloseTo(98.9, 1);
    expect(floor.answersMs).toBe(0);
  });

  it('counts flash, which both UART protocols wait for', () => {
    const flash = { pageBytes: 4096, eraseMsPerPage: 10, writeUsPerWord: 10 };
    const floor = xmodemFloor({ ...uart, fileBytes: 128, imageBytes: 8192, flash });
    expect(floor.targetMs).toBeCloseTo(2 * 10 + 20.48, 3);
    expect(floor.boundMs).toBeCloseTo(floor.totalMs, 6);
  });
});
