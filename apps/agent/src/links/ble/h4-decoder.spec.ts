/** Packets out of any bytes. Packet forms: Bluetooth Core 5.2, Vol 4 Part A, 2 and Part E, 5.4. */
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { H4Decoder } from './h4-decoder.js';

const event = fc
  .tuple(fc.integer({ min: 0, max: 255 }), fc.uint8Array({ maxLength: 255 }))
  .map(([code, parameters]) => Buffer.from([0x04, code, parameters.length, ...parameters]));
const acl = fc
  .tuple(fc.integer({ min: 0, max: 0x0eff }), fc.constantFrom(1, 2), fc.uint8Array({ maxLength: 300 }))
  .map(([handle, flags, data]) => {
    const head = Buffer.alloc(5);
    head.writeUInt8(0x02, 0);
    head.writeUInt16LE(handle | (flags << 12), 1);
    head.writeUInt16LE(data.length, 3);
    return Buffer.concat([head, data]);
  });
const packets = fc.array(fc.oneof(event, acl), { maxLength: 8 });

/** Cuts bytes at the given places. */
function pieces(bytes: Buffer, cuts: readonly number[]): Buffer[] {
  const places = [...new Set(cuts.map((cut) => cut % (bytes.length + 1)))].sort((a, b) => a - b);
  return [...places, bytes.length].map((end, i) => bytes.subarray(places[i - 1] ?? 0, end));
}
const hex = (list: readonly Buffer[]): string[] => list.map((each) => each.toString('hex'));
const cuts = fc.array(fc.nat(4000), { maxLength: 12 });

describe('the H4 decoder', () => {
  it('gives the packets that were sent, however the bytes are cut', () => {
    fc.assert(
      fc.property(packets, cuts, (sent, where) => {
        const decoder = new H4Decoder();
        const got = pieces(Buffer.concat(sent), where).flatMap((piece) => decoder.push(piece, 0));
        expect(hex(got)).toEqual(hex(sent));
        expect(decoder.skippedBytes).toBe(0);
        expect(decoder.pendingBytes).toBe(0);
      }),
    );
  });

  it('survives any bytes, and accounts for each of them', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 2000 }), cuts, (noise, where) => {
        const decoder = new H4Decoder();
        const got = pieces(Buffer.from(noise), where).flatMap((piece) => decoder.push(piece, 0));
        const taken = got.reduce((sum, packet) => sum + packet.length, 0);
        expect(taken + decoder.skippedBytes + decoder.pendingBytes).toBe(noise.length);
      }),
    );
  });

  it('finds the packets again after noise that starts none', () => {
    const noise = fc
      .uint8Array({ maxLength: 40 })
      .map((bytes) => Buffer.from(bytes.filter((byte) => byte < 2 || byte > 4)));
    fc.assert(
      fc.property(fc.array(fc.tuple(noise, event), { maxLength: 6 }), (parts) => {
        const decoder = new H4Decoder();
        const got = decoder.push(Buffer.concat(parts.flat()), 0);
        expect(hex(got)).toEqual(hex(parts.map(([, packet]) => packet)));
        expect(decoder.skippedBytes).toBe(parts.reduce((sum, [bytes]) => sum + bytes.length, 0));
      }),
    );
  });

  it('gives up a packet whose bytes stopped, when others come later', () => {
    const decoder = new H4Decoder();
    expect(decoder.push(Buffer.from('04ff20', 'hex'), 0)).toEqual([]);
    expect(hex(decoder.push(Buffer.from('040e0401030c00', 'hex'), 5000))).toEqual(['040e0401030c00']);
  });

  it('takes no length and no handle for true that no controller sends', () => {
    const impossibleLength = '024000ffff';
    const impossibleHandle = '02ffff0400';
    for (const noise of [impossibleLength, impossibleHandle]) {
      const decoder = new H4Decoder();
      const rest = '0000' + '040e0401030c00';
      expect(hex(decoder.push(Buffer.from(noise + rest, 'hex'), 0))).toContain('040e0401030c00');
    }
  });
});
