import { readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { fromHex } from '../../bytes/hex.js';
import { StartOverError } from '../silabs/talk.js';
import { findAbort, findMenu, readText } from './codec.js';
import { abortError } from './errors.js';
import type { Menu } from './messages.js';

const vectors = JSON.parse(readFileSync(new URL('./vectors/texts.json', import.meta.url), 'utf8')) as readonly {
  name: string;
  hex: string;
  menu: Menu;
}[];

describe('texts of the bootloader', () => {
  it.each(vectors)('$name', ({ hex, menu }) => {
    const bytes = fromHex(hex);
    expect(findMenu(readText(bytes))).toEqual(menu);
    // Up to the prompt it is no menu yet.
    for (let cut = 0; cut < bytes.length - 3; cut++) expect(findMenu(readText(bytes.subarray(0, cut)))).toBeUndefined();
  });

  it('the forerunner, between noise', () => {
    const text = '\x00\xffEM3581 Serial Bootloader v5.4.1.0 b962\r\n1. upload ebl\r\n2. run\r\n3. ebl info\r\nBL > ';
    const bytes = Uint8Array.from(text, (character) => character.charCodeAt(0));
    expect(findMenu(readText(bytes))).toEqual({ family: 'ember', version: '5.4.1.0' });
  });

  it('an abort, with its digits or not yet', () => {
    expect(findAbort('\r\nbegin upload\r\n')).toBeUndefined();
    expect(findAbort('\r\nSerial upload aborted\r\n')).toEqual({ kind: 'unknown', code: undefined });
    expect(findAbort('\r\nSerial upload aborted\r\n\r\nfile error 0x4F\r\n')).toEqual({ kind: 'file', code: 0x4f });
    expect(findAbort('block error 0x21\r\n')).toEqual({ kind: 'block', code: 0x21 });
  });

  it.each([
    [{ kind: 'file', code: 0x45 }, 'target.refused-image', 'signature'],
    [{ kind: 'file', code: 0x4f }, 'target.refused-image', 'EBL'],
    [{ kind: 'file', code: 0x99 }, 'target.refused-image', 'does not take'],
  ] as const)('%j deserves a sentence', (report, code, word) => {
    const error = abortError(report, true);
    expect(error.code).toBe(code);
    expect(error.message).toContain(word);
  });

  it('a wrong CRC is tried again once, a transfer out of step always', () => {
    expect(abortError({ kind: 'file', code: 0x43 }, true)).toBeInstanceOf(StartOverError);
    expect(abortError({ kind: 'file', code: 0x43 }, false)).not.toBeInstanceOf(StartOverError);
    expect(abortError({ kind: 'block', code: 0x21 }, false)).toBeInstanceOf(StartOverError);
  });

  it('noise is no menu and no abort that breaks anything', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (noise) => {
        const text = readText(noise);
        findMenu(text);
        findMenu(`${text}BL >`);
        findAbort(`${text} error 0x`);
        expect(text).toMatch(/^[\x20-\x7e\r\n]*$/);
      }),
      { numRuns: 300 },
    );
  });
});
