import { describe, expect, it } from '@jest/globals';
import { consoleWireBytes, secureDfuBleFloor, smpBleFloor, smpChunkBytes, smpConsoleFloor } from './floor.js';

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

  it('an awaited answer comes in its own event where it fits, and what follows leaves in the next', () => {
    // 1M: a full packet takes 2.468 ms with its empty answer, so six fit into an event of 15 ms.
    const link = { mtu: 247, linkPayloadBytes: 251, phy: 1 as const, initPacketBytes: 20 };
    const before = secureDfuBleFloor({ ...ble, ...link, imageBytes: 0 }).totalMs / 15;
    // Select, Create, init packet with checksum, Execute, Select: one event each.
    expect(before).toBe(5);
    // One object of 17 packets: Create 1; 6 + 6 + 5 packets and the checksum 3; Execute 1.
    expect(secureDfuBleFloor({ ...ble, ...link, imageBytes: 4096 }).totalMs / 15).toBe(before + 5);
    // With 18 packets the third event is full, and the checksum takes one of its own.
    const full = { ...ble, ...link, imageBytes: 18 * 244, objectBytes: 18 * 244 };
    expect(secureDfuBleFloor(full).totalMs / 15).toBe(before + 6);
  });

  it('a target that thinks before it answers lets the event end', () => {
    const link = { mtu: 247, linkPayloadBytes: 251, phy: 1 as const, initPacketBytes: 20, answerMs: 0.5 };
    const events = (imageBytes: number, answersPerObject?: number): number =>
      secureDfuBleFloor({
        ...ble,
        ...link,
        imageBytes,
        ...(answersPerObject === undefined ? {} : { answersPerObject }),
      }).totalMs / 15;
    // Create 2; 17 packets and the checksum 3, its answer 1; Execute 2.
    expect(events(4096) - events(0)).toBeCloseTo(8, 9);
    // Create 2; 17 packets and Execute 3, its answer 1.
    expect(events(4096, 2) - events(0, 2)).toBeCloseTo(6, 9);
  });

  it('the flash is written beside the link, so only the longer one counts', () => {
    const link = { mtu: 247, linkPayloadBytes: 251, phy: 1 as const };
    const quick = secureDfuBleFloor({ ...ble, ...link });
    const slow = secureDfuBleFloor({ ...ble, ...link, flash: NRF52, verifyMs: 30 });
    expect(slow.targetMs).toBeCloseTo(20 * (85 + 41.984) + 30, 5);
    expect(slow.totalMs).toBeCloseTo(slow.targetMs, 5);
    expect(quick.totalMs).toBeCloseTo(quick.linkMs + quick.answersMs, 9);
    expect(quick.boundMs).toBeLessThan(quick.totalMs);
  });
});

describe('SMP over Bluetooth LE', () => {
  const ble = { intervalMs: 15, mtu: 247, linkPayloadBytes: 251, phy: 2 as const, flash: NO_FLASH };

  it('one full message of 2475 bytes takes one event of 15 ms on 2M', () => {
    // 10 packets of 251 bytes (1.392 ms) and one of 42, and the answer to the one before: 14.6 ms.
    const chunk = 2449;
    const floor = (chunks: number) =>
      smpBleFloor({ ...ble, bufSize: 2475, window: 7, imageBytes: 100_000 + chunks * chunk }).totalMs;
    expect(floor(40) - floor(20)).toBeCloseTo(20 * 15, 6);
    // Published bound of stop and wait: 2449 bytes in two intervals, 81.6 kB/s.
    const alone = smpBleFloor({ ...ble, bufSize: 2475, window: 1, imageBytes: 500_000, processMs: 0.1 });
    expect(alone.bytesPerSecond / 1000).toBeCloseTo(81.6, 0);
  });

  it('a short message and its answer share one event', () => {
    // 219 bytes of data in one packet; 15 ms between requests: 14.6 kB/s; with a window the air is the limit.
    const alone = smpBleFloor({ ...ble, bufSize: 244, window: 1, imageBytes: 200_000 });
    expect(alone.bytesPerSecond / 1000).toBeCloseTo(14.6, 1);
    const windowed = smpBleFloor({ ...ble, bufSize: 244, window: 3, imageBytes: 200_000 });
    expect(windowed.bytesPerSecond).toBeGreaterThan(9 * alone.bytesPerSecond);
    expect(windowed.totalMs).toBeGreaterThan(windowed.boundMs);
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
    expect(windowed.boundMs).toBeLessThanOrEqual(windowed.totalMs);
  });
});
