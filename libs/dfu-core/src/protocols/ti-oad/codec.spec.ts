import { readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { fromHex, toHex } from '../../bytes/hex.js';
import { MalformedFrameError } from '../../errors.js';
import {
  decodeClassicRequest,
  decodeClassicStatus,
  decodeControl,
  decodeIdentifyStatus,
  decodeRunningHeader,
  encodeBlock,
  encodeClassicBlock,
  encodeCommand,
  encodeIdentify,
  encodeMcubootIdentify,
  encodeOnChipIdentify,
  spellMcubootVersion,
  statedMcubootVersion,
} from './codec.js';
import { readHeaderBytes } from './header-bytes.js';
import type { Command, ControlAnswer } from './messages.js';
import { blockCount } from './transfer.js';

function vectors<Message>(file: string): { name: string; source: string; hex: string; message: Message }[] {
  return JSON.parse(readFileSync(new URL(`./vectors/${file}`, import.meta.url), 'utf8')) as {
    name: string;
    source: string;
    hex: string;
    message: Message;
  }[];
}

/** Core header and image segment of a 256-byte image; computed by an independent script. */
const HEAD = fromHex(
  '4343323678325231dd669c330301feffffff0701ffffffff000100005000000030303031ff0000002c00ffff01feffffd400000000000000',
);
/** The same of a file that TI built and published with its Android example. */
const TI_HEAD = fromHex(
  '434332367832523191bda71f0301feffffff0700ffffffffcc9002005000000030303031cb9002002c00ffff01feffffa090020000000000',
);

describe('recorded bytes', () => {
  it.each(vectors<Command>('commands.json'))('command: $name', ({ hex, message }) => {
    expect(toHex(encodeCommand(message))).toBe(toHex(fromHex(hex)));
  });

  it.each(vectors<ControlAnswer>('answers.json'))('answer: $name', ({ hex, message }) => {
    expect(decodeControl(fromHex(hex))).toEqual(message);
  });

  it('versions of both generations', () => {
    expect(decodeControl(fromHex('07 30 30 30 31'))).toEqual({ kind: 'version', bytes: fromHex('30303031') });
    expect(decodeControl(fromHex('07 02 00 00 00 00 00'))).toEqual({ kind: 'version', bytes: fromHex('020000000000') });
    expect(spellMcubootVersion(fromHex('020000000000'))).toBe('2.0.0');
    expect(decodeControl(fromHex('07 01 02 03 04 06 07'))).toEqual({ kind: 'version', bytes: fromHex('010203040607') });
    // 1.2.0x0304+0x00050607: only the low half of the build number travels.
    expect(spellMcubootVersion(fromHex('010203040607'))).toBe('1.2.772+1543');
    expect(statedMcubootVersion(`1.2.772+${0x00050607}`)).toBe('1.2.772+1543');
    expect(statedMcubootVersion('2.0.0+65536')).toBe('2.0.0');
  });

  it('identify of an image with TI header', () => {
    expect(toHex(encodeIdentify(HEAD, 244))).toBe('43433236783252310301ffff07010001000030303031');
    expect(toHex(encodeIdentify(TI_HEAD, 244))).toBe('43433236783252310301ffff0700cc90020030303031');
    // TI's own application leaves the version out; so does ATT_MTU 23.
    expect(toHex(encodeIdentify(HEAD, 20))).toBe('43433236783252310301ffff070100010000');
  });

  it('identify of an MCUboot image, with the bytes that travel in place of its size', () => {
    const header = fromHex('3db8f39600000000000100000001000000000000020000000000000000000000');
    expect(toHex(encodeMcubootIdentify(header, 552))).toBe('3db8f396000000000001000028020000' + '0000');
  });

  it('blocks', () => {
    const image = Uint8Array.from([...HEAD, ...Array.from({ length: 200 }, (_, i) => i)]);
    expect(toHex(encodeBlock(0, image.subarray(0, 16)))).toBe('000000004343323678325231dd669c330301feff');
    expect(toHex(encodeBlock(15, image.subarray(240)))).toBe('0f000000b8b9babbbcbdbebfc0c1c2c3c4c5c6c7');
    expect(toHex(encodeBlock(1, image.subarray(240)))).toBe('01000000b8b9babbbcbdbebfc0c1c2c3c4c5c6c7');
  });

  /** Image and block bytes, blocks, bytes of the last; the second image is TI's own. */
  it.each([
    [256, 16, 16, 16],
    [256, 240, 2, 16],
    [256, 56, 5, 32],
    [256, 176, 2, 80],
    [168_140, 16, 10_509, 12],
    [168_140, 240, 701, 140],
    [168_140, 56, 3003, 28],
    [4096, 16, 256, 16],
    [131_072, 16, 8192, 16],
    [2048, 16, 128, 16],
    [552, 236 - 4, 3, 88],
  ])('%d bytes in blocks of %d', (image, data, blocks, last) => {
    expect([blockCount(image, data), image - (blocks - 1) * data]).toEqual([blocks, last]);
  });

  it('where the erase begins', () => {
    const pad = (head: Uint8Array): Uint8Array => Uint8Array.from([...head, ...new Uint8Array(100)]);
    expect(readHeaderBytes(pad(HEAD))).toBe(56);
    const security = fromHex('03feffff55000000 01 00e10b5e 0001020304050607');
    const secure = Uint8Array.from([...HEAD.subarray(0, 44), ...security, ...new Uint8Array(64), ...HEAD.subarray(44)]);
    expect(readHeaderBytes(secure)).toBe(141);
    const blocks = (data: number): number => Math.ceil(56 / data) - 1;
    expect([16, 20, 56, 240].map(blocks)).toEqual([3, 2, 0, 0]);
  });

  it('the classic forms', () => {
    const header = fromHex('8aa3ffff0300000242424242ffffffff');
    expect(toHex(encodeOnChipIdentify(header))).toBe('0300000242424242');
    expect(toHex(encodeClassicBlock(0, header))).toBe('00008aa3ffff0300000242424242ffffffff');
    const last = Uint8Array.from({ length: 16 }, (_, i) => 0xf0 + i);
    expect(toHex(encodeClassicBlock(127, last))).toBe('7f00f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff');
    expect(decodeClassicRequest(fromHex('01 00'))).toBe(1);
    expect(decodeClassicStatus(fromHex('03'))).toBe(3);
    const running = decodeRunningHeader(fromHex('0300000242424242'));
    expect(running).toEqual({ version: 3, lengthWords: 0x200, userId: fromHex('42424242') });
  });
});

describe('what is no answer', () => {
  it.each([
    ['nothing', ''],
    ['a request without its number', '12 00'],
    ['a request that is too long', '12 00 00 00 00 00 00'],
    ['a version of 3 bytes', '07 01 02 03'],
    ['a lone opcode', '04'],
    ['more images than bytes', '11 02 ff fe 07 00'],
    ['one status too many', '05 00 00'],
  ])('%s', (_, hex) => {
    expect(() => decodeControl(fromHex(hex))).toThrow(MalformedFrameError);
  });

  it('any bytes give a message or a malformed frame', () => {
    const decoders = [
      decodeControl,
      decodeIdentifyStatus,
      decodeClassicRequest,
      decodeClassicStatus,
      decodeRunningHeader,
      spellMcubootVersion,
    ];
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 24 }), (bytes) => {
        for (const decode of decoders) {
          try {
            decode(bytes);
          } catch (error) {
            expect(error).toBeInstanceOf(MalformedFrameError);
          }
        }
        readHeaderBytes(bytes);
      }),
      { numRuns: 2000 },
    );
  });
});
