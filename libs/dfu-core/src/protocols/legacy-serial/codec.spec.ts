import { readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { fromHex, toHex } from '../../bytes/hex.js';
import { MalformedFrameError } from '../../errors.js';
import { decodeAcknowledgement, encodeMessage, encodePacket } from './codec.js';
import { PacketType, UpdateMode } from './messages.js';
import { encodeSlip, SlipDecoder } from '../../framing/slip.js';

const PACKETS = JSON.parse(readFileSync(new URL('./vectors/packets.json', import.meta.url), 'utf8')) as {
  name: string;
  number: number;
  payload: string;
  line: string;
}[];

describe('recorded bytes', () => {
  it.each(PACKETS)('$name', ({ number, payload, line }) => {
    expect(toHex(encodePacket(number, fromHex(payload)))).toBe(toHex(fromHex(line)));
  });

  it('messages', () => {
    const [start, init, data, stop] = PACKETS.map(({ payload }) => toHex(fromHex(payload)));
    const sizes = { softdeviceBytes: 0, bootloaderBytes: 0, applicationBytes: 0x4be0 };
    expect(toHex(encodeMessage({ type: PacketType.Start, mode: UpdateMode.Application, ...sizes }))).toBe(start);
    const initPacket = fromHex('FF FF FF FF FF FF FF FF 01 00 FE FF 37 3B');
    expect(toHex(encodeMessage({ type: PacketType.Init, initPacket }))).toBe(init);
    // Already whole words: nothing is added.
    expect(encodeMessage({ type: PacketType.Init, initPacket: new Uint8Array(16) })).toHaveLength(20);
    expect(toHex(encodeMessage({ type: PacketType.Data, bytes: fromHex('C0 DB 01 02') }))).toBe(data);
    expect(toHex(encodeMessage({ type: PacketType.Stop }))).toBe(stop);
  });

  it.each([
    ['C0 10 00 00 F0 C0', 2],
    ['C0 18 00 00 E8 C0', 3],
    ['C0 28 00 00 D8 C0', 5],
    ['C0 08 00 00 F8 C0', 1],
  ])('acknowledgement %s expects %d', (line, expected) => {
    const [frame] = new SlipDecoder(64).push(fromHex(line));
    expect(decodeAcknowledgement(frame!)).toBe(expected);
  });
});

describe('what is no acknowledgement', () => {
  it.each([
    ['nothing', ''],
    ['too short', '10 00 00'],
    ['too long', '10 00 00 f0 00'],
    ['a wrong checksum', '10 00 00 f1'],
    ['another type', '10 0e 00 e2'],
    ['a length', '10 10 00 e0'],
  ])('%s', (_, hex) => {
    expect(() => decodeAcknowledgement(fromHex(hex))).toThrow(MalformedFrameError);
  });

  it('any noise is a number or malformed', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 8 }), (bytes) => {
        try {
          expect(decodeAcknowledgement(bytes)).toBeLessThan(8);
        } catch (error) {
          expect(error).toBeInstanceOf(MalformedFrameError);
        }
      }),
      { numRuns: 500 },
    );
  });
});

describe('SLIP', () => {
  it('makes the round trip, however it is cut', () => {
    fc.assert(
      fc.property(
        fc.array(fc.uint8Array({ minLength: 1, maxLength: 60 }), { maxLength: 5 }),
        fc.array(fc.integer({ min: 1, max: 20 }), { minLength: 1, maxLength: 10 }),
        (frames, cuts) => {
          const stream = Uint8Array.from(frames.flatMap((frame) => [...encodeSlip(frame)]));
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
