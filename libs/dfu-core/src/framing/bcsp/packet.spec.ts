import { readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { fromHex, toHex } from '../../bytes/hex.js';
import { MalformedFrameError } from '../../errors.js';
import { SlipDecoder } from '../slip.js';
import { bcspCrc } from './crc.js';
import { type BcspPacket, decodeBcsp, encodeBcsp } from './packet.js';

const PACKETS = JSON.parse(readFileSync(new URL('./vectors/packets.json', import.meta.url), 'utf8')) as (Omit<
  BcspPacket,
  'payload'
> & { name: string; payload: string; crc: boolean; line: string })[];

const frameOf = (line: Uint8Array): Uint8Array => new SlipDecoder(8192).push(line)[0]!;

it('CRC check value', () => {
  expect(bcspCrc(new TextEncoder().encode('123456789'))).toBe(0x89f6);
});

describe('recorded packets', () => {
  it.each(PACKETS)('$name', ({ name: _, payload, crc, line, ...header }) => {
    const packet = { ...header, payload: fromHex(payload) };
    expect(toHex(encodeBcsp(packet, crc))).toBe(toHex(fromHex(line)));
    const read = decodeBcsp(frameOf(fromHex(line)));
    expect({ ...read, payload: toHex(read.payload) }).toEqual({ ...header, payload: toHex(packet.payload) });
  });

  it('1023 bytes in a row, and 4095 zeros', () => {
    const counting = Uint8Array.from({ length: 1023 }, (_, index) => index);
    const block = { sequence: 0, acknowledge: 0, isReliable: true, channel: 12, payload: counting };
    const line = encodeBcsp(block, true);
    expect(line).toHaveLength(1040);
    const frame = frameOf(line);
    expect(toHex(frame.subarray(0, 4))).toBe('c0fc3f04');
    expect(toHex(frame.subarray(-2))).toBe('9400');
    const zeros = frameOf(
      encodeBcsp({ sequence: 7, acknowledge: 2, isReliable: true, channel: 12, payload: new Uint8Array(4095) }, true),
    );
    expect(toHex(zeros.subarray(0, 4))).toBe('d7fcff2d');
    expect(toHex(zeros.subarray(-2))).toBe('460e');
  });
});

describe('what is no packet', () => {
  const good = frameOf(fromHex(PACKETS.find(({ name }) => name.startsWith('V10:'))!.line));
  it.each<[string, (frame: Uint8Array) => Uint8Array]>([
    ['three bytes', (frame) => frame.subarray(0, 3)],
    ['a header that does not add up', (frame) => frame.with(3, 0x08)],
    ['a byte short', (frame) => frame.subarray(0, -1)],
    ['a byte too many', (frame) => Uint8Array.from([...frame, 0])],
    ['a wrong CRC', (frame) => frame.with(10, 0xff)],
  ])('%s', (_, spoil) => {
    expect(() => decodeBcsp(spoil(good))).toThrow(MalformedFrameError);
  });

  it('any bytes are a packet or malformed', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => {
        try {
          expect(decodeBcsp(bytes).payload.length).toBeLessThan(bytes.length);
        } catch (error) {
          expect(error).toBeInstanceOf(MalformedFrameError);
        }
      }),
      { numRuns: 1000 },
    );
  });

  it('every packet makes the round trip', () => {
    fc.assert(
      fc.property(
        fc.record({
          sequence: fc.nat(7),
          acknowledge: fc.nat(7),
          isReliable: fc.boolean(),
          channel: fc.nat(15),
          payload: fc.uint8Array({ maxLength: 300 }),
        }),
        fc.boolean(),
        (packet, crc) => {
          expect(decodeBcsp(frameOf(encodeBcsp(packet, crc)))).toEqual(packet);
        },
      ),
    );
  });
});
