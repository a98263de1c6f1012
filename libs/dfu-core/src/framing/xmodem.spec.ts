import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { toHex } from '../bytes/hex.js';
import { MalformedFrameError } from '../errors.js';
import { PLAIN } from '../image/silabs/vectors.fixture.js';
import { decodeXmodemBlock, encodeXmodemBlock } from './xmodem.js';

const counting = Uint8Array.from({ length: 128 }, (_, i) => i);
const crcOf = (block: Uint8Array): string => toHex(block.subarray(131));

describe('XMODEM blocks', () => {
  it.each([
    ['00..7f', counting, 'e80a'],
    ['ff', new Uint8Array(128).fill(0xff), 'eda9'],
    ['1a', new Uint8Array(128).fill(0x1a), 'f8b0'],
    ['00', new Uint8Array(128), '0000'],
    ['a GBL file of 92 bytes, filled up with ff', PLAIN, 'd904'],
  ])('of %s have the worked CRC', (_, data, crc) => {
    const block = encodeXmodemBlock(0, data);
    expect(toHex(block.subarray(0, 3))).toBe('0101fe');
    expect(crcOf(block)).toBe(crc);
  });

  it('number 256 is 00', () => {
    expect(toHex(encodeXmodemBlock(255, counting).subarray(0, 3))).toBe('0100ff');
  });

  it('come back, and no changed byte goes through', () => {
    fc.assert(
      fc.property(
        fc.nat(1000),
        fc.uint8Array({ minLength: 128, maxLength: 128 }),
        fc.nat(132),
        fc.integer({ min: 1, max: 255 }),
        (index, data, at, change) => {
          const block = encodeXmodemBlock(index, data);
          expect(decodeXmodemBlock(block)).toEqual({ number: (index + 1) & 0xff, data });
          block[at] = block[at]! ^ change;
          expect(() => decodeXmodemBlock(block)).toThrow(MalformedFrameError);
        },
      ),
    );
  });

  it('noise is none', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 140 }), (noise) => {
        try {
          decodeXmodemBlock(noise);
        } catch (error) {
          expect(error).toBeInstanceOf(MalformedFrameError);
        }
      }),
    );
  });
});
