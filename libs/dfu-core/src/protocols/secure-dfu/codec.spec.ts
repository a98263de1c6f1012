import { readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { fromHex, toHex } from '../../bytes/hex.js';
import { MalformedFrameError } from '../../errors.js';
import { decodeAnswer, decodeButtonlessAnswer, encodeEnterBootloader, encodeRequest } from './codec.js';
import type { Answer, ButtonlessAnswer, Refusal, Request } from './messages.js';

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

  it.each(vectors<Answer | Refusal>('answers.json'))('answer: $name', ({ hex, message }) => {
    expect(decodeAnswer(fromHex(hex))).toEqual(message);
  });

  it.each(vectors<ButtonlessAnswer>('buttonless.json'))('buttonless: $name', ({ hex, message }) => {
    expect(decodeButtonlessAnswer(fromHex(hex))).toEqual(message);
  });

  it('the request to enter the bootloader', () => {
    expect(toHex(encodeEnterBootloader())).toBe('01');
  });
});

describe('what is no answer', () => {
  it.each([
    ['nothing', ''],
    ['another marker', '20 04 01'],
    ['no result', '60 04'],
    ['a checksum cut off', '60 03 01 10 00 00 00 88 e2 ce'],
    ['a byte too many', '60 04 01 00'],
    ['a byte behind a refusal', '60 04 05 00'],
    ['an extended error without its detail', '60 04 0b'],
    ['an opcode that nobody asks', '60 55 01'],
  ])('%s', (_, hex) => {
    expect(() => decodeAnswer(fromHex(hex))).toThrow(MalformedFrameError);
  });

  it('any noise gives an answer or is called malformed', () => {
    const judged = (decode: (frame: Uint8Array) => unknown, frame: Uint8Array): void => {
      try {
        decode(frame);
      } catch (error) {
        expect(error).toBeInstanceOf(MalformedFrameError);
      }
    };
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => {
        judged(decodeAnswer, bytes);
        judged(decodeAnswer, Uint8Array.of(0x60, ...bytes));
        judged(decodeButtonlessAnswer, bytes);
        judged(decodeButtonlessAnswer, Uint8Array.of(0x20, ...bytes));
      }),
      { numRuns: 500 },
    );
  });
});
