import { readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { fromHex, toHex } from '../../bytes/hex.js';
import { MalformedFrameError } from '../../errors.js';
import {
  decodeNotice,
  decodeRevision,
  decodeSizes,
  encodeApplicationSize,
  encodeRequest,
  encodeSizes,
} from './codec.js';
import type { Notice, Request } from './messages.js';

function vectors<Message>(file: string): { name: string; source: string; hex: string; message: Message }[] {
  return JSON.parse(readFileSync(new URL(`./vectors/${file}`, import.meta.url), 'utf8')) as {
    name: string;
    source: string;
    hex: string;
    message: Message;
  }[];
}

describe('recorded bytes', () => {
  it.each(vectors<Request>('requests.json'))('request: $name', ({ hex, message }) => {
    expect(toHex(encodeRequest(message))).toBe(toHex(fromHex(hex)));
  });

  it.each(vectors<Notice>('notices.json'))('notice: $name', ({ hex, message }) => {
    expect(decodeNotice(fromHex(hex))).toEqual(message);
  });

  it('sizes of an application of 60788 bytes, both forms', () => {
    const sizes = { softdevice: 0, bootloader: 0, application: 60_788 };
    expect(toHex(encodeSizes(sizes))).toBe('000000000000000074ed0000');
    expect(decodeSizes(fromHex('00000000 00000000 74ED0000'))).toEqual(sizes);
    expect(toHex(encodeApplicationSize(60_788))).toBe('74ed0000');
  });

  it('revisions', () => {
    expect(['0100', '0500', '0600', '0800'].map((hex) => decodeRevision(fromHex(hex)))).toEqual([1, 5, 6, 8]);
  });
});

describe('what is no notice', () => {
  it.each([
    ['nothing', ''],
    ['another marker', '60 04 01'],
    ['no status', '10 04'],
    ['a byte too many', '10 04 01 00'],
    ['a short receipt', '11 c8 00'],
    ['a long receipt', '11 c8 00 00 00 00'],
    ['a count cut off', '10 07 01 c8'],
  ])('%s', (_, hex) => {
    expect(() => decodeNotice(fromHex(hex))).toThrow(MalformedFrameError);
  });

  it('any noise gives a notice or is called malformed', () => {
    const judged = (decode: (frame: Uint8Array) => unknown, frame: Uint8Array): void => {
      try {
        decode(frame);
      } catch (error) {
        expect(error).toBeInstanceOf(MalformedFrameError);
      }
    };
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 24 }), (bytes) => {
        judged(decodeNotice, bytes);
        judged(decodeNotice, Uint8Array.of(0x10, ...bytes));
        judged(decodeNotice, Uint8Array.of(0x11, ...bytes));
        judged(decodeRevision, bytes);
        judged(decodeSizes, bytes);
      }),
      { numRuns: 500 },
    );
  });
});
