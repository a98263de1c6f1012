import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { fromHex } from '../bytes/hex.js';
import { crc32 } from './crc32.js';

describe('crc32', () => {
  it('gives the published check value', () => {
    expect(crc32(new TextEncoder().encode('123456789'))).toBe(0xcbf43926);
  });

  it('gives the worked value of the bytes 00..0f', () => {
    expect(crc32(fromHex('000102030405060708090a0b0c0d0e0f'))).toBe(0xcecee288);
  });

  it('is zero over nothing, and leaves a running value alone', () => {
    expect(crc32(new Uint8Array())).toBe(0);
    expect(crc32(new Uint8Array(), 0xcbf43926)).toBe(0xcbf43926);
  });

  it('runs on over pieces', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), fc.nat(300), (bytes, cut) => {
        expect(crc32(bytes.subarray(cut), crc32(bytes.subarray(0, cut)))).toBe(crc32(bytes));
      }),
    );
  });
});
