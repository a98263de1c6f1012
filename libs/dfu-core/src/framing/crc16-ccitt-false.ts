/**
 * CRC-16/CCITT-FALSE: the polynomial 0x1021 of `crc16.ts`, started with 0xFFFF; no reflection, no final xor.
 * Check value: 0x29b1 for ASCII `123456789`.
 *
 * Source: nRF5 SDK 11, components/libraries/crc16/crc16.c; catalogue of CRC algorithms, "CRC-16/IBM-3740".
 */
import { crc16Xmodem } from './crc16.js';

/**
 * @param previous the result over the bytes before, to go on from there.
 * @returns 16 bits.
 */
export function crc16CcittFalse(bytes: Uint8Array, previous = 0xffff): number {
  return crc16Xmodem(bytes, previous);
}
