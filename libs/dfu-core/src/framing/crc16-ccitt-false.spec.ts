import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { fromHex } from '../bytes/hex.js';
import { crc16CcittFalse } from './crc16-ccitt-false.js';

describe('crc16CcittFalse', () => {
  it('gives the published check value', () => {
    expect(crc16CcittFalse(new TextEncoder().encode('123456789'))).toBe(0x29b1);
  });

  it('gives the worked value of the bytes 00..0f', () => {
    expect(crc16CcittFalse(fromHex('000102030405060708090a0b0c0d0e0f'))).toBe(0x3b37);
  });

  it('runs on over pieces', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), fc.nat(300), (bytes, cut) => {
        expect(crc16CcittFalse(bytes.subarray(cut), crc16CcittFalse(bytes.subarray(0, cut)))).toBe(
          crc16CcittFalse(bytes),
        );
      }),
    );
  });
});
