import { readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { fromHex, toHex } from '../../bytes/hex.js';
import { DrydockError, MalformedFrameError } from '../../errors.js';
import { StartOverError } from '../silabs/talk.js';
import { spellBootloaderVersion } from '../silabs/versions.js';
import {
  decodeLoaderVersion,
  decodeOtaVersion,
  decodeVersionWord,
  encodeControl,
  spellLoaderVersion,
} from './codec.js';
import { attErrorOf, refusalError } from './errors.js';
import { Control, OTA_SERVICE } from './messages.js';

interface Vector {
  readonly name: string;
  readonly kind: string;
  readonly hex: string;
  readonly message: string;
}
const vectors = JSON.parse(
  readFileSync(new URL('./vectors/values.json', import.meta.url), 'utf8'),
) as readonly Vector[];

describe('recorded values', () => {
  it.each(vectors)('$name', ({ kind, hex, message }) => {
    const bytes = fromHex(hex);
    const actual: Readonly<Record<string, () => string>> = {
      loader: () => spellLoaderVersion(decodeLoaderVersion(bytes)),
      ota: () => String(decodeOtaVersion(bytes)),
      bootloader: () => spellBootloaderVersion(decodeVersionWord(bytes)),
      word: () => String(decodeVersionWord(bytes)),
      start: () => (toHex(encodeControl(Control.Start)) === toHex(bytes) ? '' : 'other'),
      finish: () => (toHex(encodeControl(Control.Finish)) === toHex(bytes) ? '' : 'other'),
      close: () => (toHex(encodeControl(Control.CloseLink)) === toHex(bytes) ? '' : 'other'),
    };
    expect(actual[kind]!()).toBe(message);
  });

  it('the service as it goes over the air', () => {
    const air = fromHex('f0 19 21 b4 47 8f a4 bf a1 4f 63 fd ee d6 14 1d');
    expect(toHex(air.reverse())).toBe(OTA_SERVICE);
  });

  it('noise is called malformed', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 12 }), (noise) => {
        for (const decode of [decodeLoaderVersion, decodeOtaVersion, decodeVersionWord]) {
          try {
            decode(noise);
          } catch (error) {
            expect(error).toBeInstanceOf(MalformedFrameError);
          }
        }
      }),
    );
  });
});

describe('refusals', () => {
  it.each([
    [0x80, 'finish', 'loader', true, 'start over'],
    [0x80, 'finish', 'loader', false, 'target.refused-image'],
    [0x81, 'data', 'loader', false, 'start over'],
    [0x82, 'data', 'loader', true, 'start over'],
    [0x83, 'data', 'loader', true, 'target.refused-image'],
    [0x84, 'data', 'loader', false, 'target.refused-image'],
    [0x86, 'start', 'loader', false, 'target.refused'],
    [0x81, 'data', 'application', false, 'start over'],
    [0x82, 'data', 'application', false, 'target.no-memory'],
    [0x83, 'data', 'application', true, 'start over'],
    [0xfc, 'enter', 'application', false, 'target.refused'],
    [0x99, 'data', 'loader', true, 'target.refused'],
  ] as const)('0x%s on %s of the %s', (att, request, by, hurried, expected) => {
    const error = refusalError(att, request, by, hurried);
    expect(error instanceof StartOverError ? 'start over' : error.code).toBe(expected);
    expect(error.params['result']).toMatch(/^0x[0-9a-f]{2}$/);
  });

  it('are read from what a driver says', () => {
    expect(attErrorOf(new DrydockError('target.refused', { request: 'write', result: 0x84 }))).toBe(0x84);
    expect(attErrorOf(new DrydockError('target.refused', { result: 'x' }))).toBeUndefined();
    expect(attErrorOf(new DrydockError('link.lost'))).toBeUndefined();
    expect(attErrorOf(new Error('no'))).toBeUndefined();
  });
});
