/**
 * The CRC-32 of CSR's containers: that of zip without its final xor, so that the check over bytes that end with their own
 * CRC is 0. Check value: 0x340bc6d9 for ASCII `123456789`.
 *
 * Source: BlueZ, tools/dfutool.c; all sums of eight Melody files.
 */
import { crc32 } from '../../framing/crc32.js';

/** @returns an unsigned 32-bit number. */
export function csrCrc32(bytes: Uint8Array): number {
  return ~crc32(bytes) >>> 0;
}
