import { readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { fromHex, toHex } from '../bytes/hex.js';
import { encodeWriteObject } from '../protocols/secure-dfu/codec.js';
import { encodeSlip, encodeSlipBetweenEnds, SlipDecoder } from './slip.js';

const vectors = JSON.parse(readFileSync(new URL('./vectors/slip.json', import.meta.url), 'utf8')) as {
  name: string;
  frame: string;
  line: string;
}[];
const decode = (line: Uint8Array, limit = 64): string[] => new SlipDecoder(limit).push(line).map(toHex);

describe('frames on a serial line', () => {
  it.each(vectors)('$name', ({ frame, line }) => {
    expect(toHex(encodeSlip(fromHex(frame)))).toBe(toHex(fromHex(line)));
    expect(decode(fromHex(line))).toEqual([toHex(fromHex(frame))]);
  });

  it('a write of an object', () => {
    expect(toHex(encodeSlip(encodeWriteObject(fromHex('00c0dbff'))))).toBe('0800dbdcdbddffc0');
  });

  it('drops a wrong escape up to the next END, empty frames, and what is too long', () => {
    expect(decode(fromHex('01 db 02 03 c0 04 c0'))).toEqual(['04']);
    expect(decode(fromHex('c0 c0 05 c0'))).toEqual(['05']);
    expect(decode(fromHex('01 db c0 06 c0'))).toEqual(['06']);
    expect(decode(fromHex('01 02 03 c0 07 c0'), 2)).toEqual(['07']);
  });

  it('comes back whole, however the line is cut, behind any noise', () => {
    const frame = fc.uint8Array({ minLength: 1, maxLength: 40 });
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 50 }), frame, fc.integer({ min: 1, max: 9 }), (noise, sent, step) => {
        const decoder = new SlipDecoder(64);
        const line = Uint8Array.of(...noise, 0xc0, ...encodeSlip(sent));
        const seen: string[] = [];
        for (let at = 0; at < line.length; at += step)
          seen.push(...decoder.push(line.subarray(at, at + step)).map(toHex));
        expect(seen.at(-1)).toBe(toHex(sent));
      }),
      { numRuns: 300 },
    );
  });
});

describe('frames between two ENDs', () => {
  it('have one before and one behind', () => {
    // RFC 1055: END is 300 octal, ESC 333, their substitutes 334 and 335.
    expect(toHex(encodeSlipBetweenEnds(fromHex('00 c0 db ff')))).toBe('c000dbdcdbddffc0');
  });

  it('makes the round trip, however it is cut', () => {
    fc.assert(
      fc.property(
        fc.array(fc.uint8Array({ minLength: 1, maxLength: 60 }), { maxLength: 5 }),
        fc.array(fc.integer({ min: 1, max: 20 }), { minLength: 1, maxLength: 10 }),
        (frames, cuts) => {
          const stream = Uint8Array.from(frames.flatMap((frame) => [...encodeSlipBetweenEnds(frame)]));
          const decoder = new SlipDecoder(60);
          const found: Uint8Array[] = [];
          for (let at = 0, turn = 0; at < stream.length; turn++) {
            const length = cuts[turn % cuts.length]!;
            found.push(...decoder.push(stream.subarray(at, at + length)));
            at += length;
          }
          expect(found.map(toHex)).toEqual(frames.map(toHex));
        },
      ),
    );
  });

  it('drops what breaks the rules, and goes on at the next END', () => {
    const decoder = new SlipDecoder(8);
    expect(decoder.push(fromHex('C0 01 DB 02 03 C0 04 C0')).map(toHex)).toEqual(['04']);
    expect(decoder.push(fromHex('C0 01 02 03 04 05 06 07 08 09 C0 0A C0')).map(toHex)).toEqual(['0a']);
    expect(decoder.push(fromHex('C0 01 DB C0 02 C0')).map(toHex)).toEqual(['02']);
  });

  it('keeps nothing of endless noise', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 500 }), (bytes) => {
        for (const frame of new SlipDecoder(64).push(bytes)) expect(frame.length).toBeLessThanOrEqual(64);
      }),
    );
  });
});
