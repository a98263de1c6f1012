/**
 * How long targets are busy, for those that lose what comes meanwhile.
 *
 * Source: Adafruit_nRF52_nrfutil, nordicsemi/dfu/dfu_transport_serial.py (constants of the nRF52 product specifications).
 */
const PAGE_BYTES = 4096;
const PAGE_ERASE_MS = 89.7;
const WORD_WRITE_MS = 0.041;
const SHORTEST_MS = 500;
/** 1024 words of 100 us: one page, written after every eight packets. */
export const PAGE_WRITE_MS = 102.4;
export const FRAMES_PER_PAUSE = 8;

/** Until a bank for so many bytes is erased. */
export function eraseMs(bytes: number): number {
  return Math.max(SHORTEST_MS, (Math.floor(bytes / PAGE_BYTES) + 1) * PAGE_ERASE_MS);
}

/** Until the image is checked, copied to its place (two banks), and started. */
export function activationMs(bytes: number): number {
  return eraseMs(bytes) + (bytes / 4) * WORD_WRITE_MS;
}
