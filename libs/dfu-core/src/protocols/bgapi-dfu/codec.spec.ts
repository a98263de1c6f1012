import { readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { fromHex, toHex } from '../../bytes/hex.js';
import { MalformedFrameError } from '../../errors.js';
import {
  decodeAddress,
  decodeDfuBoot,
  decodeDfuBootFailure,
  decodePacket,
  decodeResult,
  decodeVersion,
  encodePacket,
  encodeSetAddress,
  encodeUpload,
  spellVersion,
} from './codec.js';
import { crc8, encodeRobust, frame, PacketFinder } from './framing.js';
import { type Dialect, DIALECTS, type Framing, type Generation, type MessageName } from './messages.js';
import { chunkBytes, nextLength } from './steps.js';

function vectors<T>(file: string): T[] {
  return JSON.parse(readFileSync(new URL(`./vectors/${file}`, import.meta.url), 'utf8')) as T[];
}

interface PacketVector {
  readonly name: string;
  readonly dialect: Generation;
  readonly hex: string;
  readonly message: keyof Dialect;
  readonly payload: string;
}
interface FrameVector {
  readonly name: string;
  readonly framing: Framing;
  readonly packet: string;
  readonly hex: string;
}

const NAMES = (dialect: Dialect): MessageName[] =>
  Object.values(dialect).filter((value): value is MessageName => typeof value === 'object');

describe('recorded bytes', () => {
  it.each(vectors<PacketVector>('packets.json'))('$name', ({ dialect: generation, hex, message, payload }) => {
    const dialect = DIALECTS[generation];
    const name = dialect[message] as MessageName;
    expect(toHex(encodePacket(dialect, name, fromHex(payload)))).toBe(toHex(fromHex(hex)));
    expect(decodePacket(fromHex(hex))).toEqual({ ...name, payload: fromHex(payload) });
    const finder = new PacketFinder(dialect, 'plain', NAMES(dialect));
    expect(finder.push(fromHex(hex)).map(toHex)).toEqual([toHex(fromHex(hex))]);
  });

  it.each(vectors<FrameVector>('frames.json'))('$name', ({ framing, packet, hex }) => {
    expect(toHex(frame(fromHex(packet), framing))).toBe(toHex(fromHex(hex)));
  });

  it('headers of uploads and of a long robust frame', () => {
    const headers = [48, 128, 252].map((length) =>
      toHex(encodeUpload(DIALECTS.efr32, new Uint8Array(length)).subarray(0, 5)),
    );
    expect(headers).toEqual(['2031000230', '2081000280', '20fd0002fc']);
    // A file of 92 bytes in two.
    const piece = (start: string, length: number): Uint8Array => {
      const bytes = new Uint8Array(length);
      bytes.set(fromHex(start));
      return bytes;
    };
    expect(toHex(encodeUpload(DIALECTS.efr32, piece('eb 17', 48)).subarray(0, 7))).toBe('2031000230eb17');
    expect(toHex(encodeUpload(DIALECTS.efr32, piece('0c 0d', 44)).subarray(0, 7))).toBe('202d00022c0c0d');
    expect(toHex(encodeRobust(new Uint8Array(300)).subarray(0, 3))).toBe('5a2c3a');
    expect(toHex(encodeRobust(new Uint8Array(300), false).subarray(0, 3))).toBe('5a2c2d');
    expect(toHex(encodeRobust(fromHex('20000100'), false))).toBe('5a040020000100');
    expect(toHex(encodeSetAddress(DIALECTS.ble11x))).toBe('0004090100100000');
  });

  it('CRC-8 of 123456789', () => {
    expect(crc8(new TextEncoder().encode('123456789'))).toBe(0xf4);
  });

  it('what events and answers say', () => {
    expect(decodeDfuBoot(fromHex('01000402'))).toBe(0x02040001);
    expect(decodeDfuBootFailure(fromHex('4600'))).toBe(0x46);
    expect(decodeResult(fromHex('030b'))).toBe(0x0b03);
    const boot = fromHex('0700 0000 0100 1101 01000402 0100 00000000');
    const version = decodeVersion(boot, 'event', true)!;
    expect(version).toEqual({ major: 7, minor: 0, patch: 1, build: 273, bootloader: 0x02040001 });
    expect(spellVersion(version)).toBe('7.0.1.273');
    expect(decodeVersion(fromHex('0100'), 'response', true)).toBeUndefined();
    expect(decodeAddress(fromHex('0000 665544332211 00'), true)).toBe('11:22:33:44:55:66');
  });
});

describe('sizes', () => {
  it.each([
    ['ble11x', 'bluegiga-ble11x', 1, 64],
    ['bt12x', 'bluegiga-bt12x', 0x01000000, 128],
    ['efr32', 'silabs-ebl', 0x00010005, 48],
    ['efr32', 'silabs-gbl', undefined, 48],
    ['efr32', 'silabs-gbl', 0x01000000, 128],
    ['efr32', 'silabs-gbl', 0x02040001, 252],
  ])('%s %s %p: %d', (generation, format, version, bytes) => {
    expect(chunkBytes(generation, format, version)).toBe(bytes);
  });

  it('BLE11x takes powers of two to the end', () => {
    const lengths: number[] = [];
    for (let left = 108; left > 0;) {
      lengths.push(nextLength(left, 64, true));
      left -= lengths.at(-1)!;
    }
    expect(lengths).toEqual([64, 32, 8, 4]);
    expect(nextLength(44, 252, false)).toBe(44);
  });
});

describe('packets in what a UART delivers', () => {
  const hello = fromHex('20020100 0000');
  const dfuBoot = fromHex('a0040000 01000402');

  it.each([
    ['zeros of a reset in front', '00 00', dfuBoot],
    ['a first byte that is none', 'a0', dfuBoot],
    ['a header that cannot be', '20 02 77 00', hello],
    ['text', '52 65 61 64 79 0d 0a', hello],
  ])('are found behind %s', (_, junk, packet) => {
    const finder = new PacketFinder(DIALECTS.efr32, 'plain', NAMES(DIALECTS.efr32));
    const wire = Uint8Array.of(...fromHex(junk), ...packet);
    const found = [...wire].flatMap((byte) => finder.push(Uint8Array.of(byte)));
    expect(found.map(toHex)).toEqual([toHex(packet)]);
    expect(finder.push(wire).map(toHex)).toEqual([toHex(packet)]);
  });

  it('are found in any pieces, in both framings', () => {
    fc.assert(
      fc.property(
        fc.constantFrom<Framing>('plain', 'robust'),
        fc.array(fc.constantFrom(hello, dfuBoot), { maxLength: 5 }),
        fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 40, maxLength: 40 }),
        (framing, packets, cuts) => {
          const finder = new PacketFinder(DIALECTS.efr32, framing, NAMES(DIALECTS.efr32));
          const wire = packets.flatMap((packet) => [...(framing === 'robust' ? encodeRobust(packet) : packet)]);
          const found: Uint8Array[] = [];
          for (const cut of cuts) found.push(...finder.push(Uint8Array.from(wire.splice(0, cut))));
          expect(found.map(toHex)).toEqual(packets.map(toHex));
        },
      ),
    );
  });

  it('a damaged robust frame is left out, the next one is found', () => {
    const finder = new PacketFinder(DIALECTS.efr32, 'robust', NAMES(DIALECTS.efr32));
    const damaged = encodeRobust(hello);
    damaged[5] = damaged[5]! ^ 1;
    expect(finder.push(Uint8Array.of(...damaged, ...encodeRobust(dfuBoot))).map(toHex)).toEqual([toHex(dfuBoot)]);
  });

  it('a robust frame whose content is no whole packet is noise, also where it has no CRC-8', () => {
    const finder = new PacketFinder(DIALECTS.efr32, 'robust', NAMES(DIALECTS.efr32));
    const tooLong = encodeRobust(Uint8Array.of(...hello, 0), false);
    expect(finder.push(Uint8Array.of(...tooLong, ...encodeRobust(dfuBoot))).map(toHex)).toEqual([toHex(dfuBoot)]);
  });

  it('any noise survives: packets or nothing, and a bounded rest', () => {
    fc.assert(
      fc.property(
        fc.constantFrom<Generation>('efr32', 'ble11x', 'bt12x'),
        fc.constantFrom<Framing>('plain', 'robust', 'packet'),
        fc.array(fc.uint8Array({ maxLength: 64 }), { maxLength: 20 }),
        (generation, framing, pieces) => {
          const finder = new PacketFinder(DIALECTS[generation], framing, NAMES(DIALECTS[generation]));
          for (const piece of pieces) for (const packet of finder.push(piece)) decodePacket(packet);
        },
      ),
      { numRuns: 400 },
    );
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), (noise) => {
        const decoders = [decodePacket, decodeResult, decodeDfuBoot, decodeDfuBootFailure];
        const all: ((bytes: Uint8Array) => unknown)[] = [
          ...decoders,
          (bytes) => decodeVersion(bytes, 'event', true),
          (bytes) => decodeAddress(bytes, true),
        ];
        for (const decode of all) {
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
