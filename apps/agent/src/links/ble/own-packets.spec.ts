/** Messages of two senders over one connection, in packets that are too small for them: neither cuts the other in two. */
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { OwnPackets } from './own-packets.js';
import { SecurityFrames } from './security-frames.js';
import { TappedConnection } from './tapped-connection.js';

const HANDLE = 0x40;
const SECURITY = 6;
const ATT = 4;

/** Packets of one message, as noble cuts them. */
function cut(cid: number, payload: Uint8Array, size: number, first = 0): Buffer[] {
  const frame = Buffer.concat([Buffer.from([payload.length, 0, cid, 0]), payload]);
  const packets: Buffer[] = [];
  for (let at = 0; at < frame.length; at += size) {
    const part = frame.subarray(at, at + size);
    const flags = at === 0 ? first : 1;
    packets.push(Buffer.concat([Buffer.from([2, HANDLE, flags << 4, part.length, 0]), part]));
  }
  return packets;
}

/** What a receiver makes of the packets; throws when one message is cut by another. */
function joined(packets: readonly Buffer[]): { cid: number; payload: string }[] {
  const frames: { cid: number; payload: string }[] = [];
  let open = Buffer.alloc(0);
  for (const packet of packets) {
    const continues = (packet[2] ?? 0) >> 4 === 1;
    if (continues === (open.length === 0)) throw new Error('a message was cut in two');
    open = Buffer.concat([open, packet.subarray(5)]);
    if (open.length < 4 + open.readUInt16LE(0)) continue;
    frames.push({ cid: open.readUInt16LE(2), payload: open.subarray(4).toString('hex') });
    open = Buffer.alloc(0);
  }
  if (open.length > 0) throw new Error('a message was not finished');
  return frames;
}

describe('packets of our own', () => {
  const payload = fc.uint8Array({ minLength: 1, maxLength: 80, size: 'max' });
  const step = fc.oneof(
    payload.map((bytes) => ({ kind: 'ours' as const, bytes })),
    payload.map((bytes) => ({ kind: 'noble' as const, bytes })),
    fc.constant({ kind: 'noble-goes-on' as const }),
    fc.constant({ kind: 'controller-has-sent' as const }),
  );

  it('arrive whole and in order, as do those of noble', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40, size: 'max' }), fc.integer({ min: 20, max: 90 }), (steps, size) => {
        const sent: Buffer[] = [];
        const connection = new TappedConnection(HANDLE, 'aa:bb:cc:dd:ee:ff', 15);
        const own = new OwnPackets(
          (packet) => sent.push(packet),
          () => true,
          () => size,
        );
        const wanted: Record<number, string[]> = { [SECURITY]: [], [ATT]: [] };
        const ofNoble: Buffer[] = [];
        const nobleGoesOn = (): void => {
          const packet = ofNoble.shift();
          if (packet) own.pass(connection, packet);
        };
        for (const each of steps) {
          if (each.kind === 'ours') {
            wanted[SECURITY]?.push(Buffer.from(each.bytes).toString('hex'));
            own.send(connection, SECURITY, Buffer.from(each.bytes));
          } else if (each.kind === 'noble') {
            wanted[ATT]?.push(Buffer.from(each.bytes).toString('hex'));
            ofNoble.push(...cut(ATT, each.bytes, size));
            nobleGoesOn();
          } else if (each.kind === 'noble-goes-on') nobleGoesOn();
          else if (own.underWay) own.freed();
        }
        while (ofNoble.length > 0) nobleGoesOn();
        for (let i = 0; i < 500 && own.underWay; i += 1) own.freed();
        const frames = joined(sent);
        for (const cid of [SECURITY, ATT]) {
          expect(frames.filter((frame) => frame.cid === cid).map((frame) => frame.payload)).toEqual(wanted[cid]);
        }
      }),
      { numRuns: 500 },
    );
  });

  it('of a connection that has ended hold nobody up', () => {
    const sent: Buffer[] = [];
    const [first, second] = [1, 2].map((handle) => new TappedConnection(handle, 'aa:bb:cc:dd:ee:ff', 15));
    const live = new Set([first, second]);
    const own = new OwnPackets(
      (packet) => sent.push(packet),
      (connection) => live.has(connection),
      () => 20,
    );
    own.send(first!, SECURITY, Buffer.alloc(65));
    own.pass(first!, cut(ATT, new Uint8Array(3), 20)[0]!);
    own.send(second!, SECURITY, Buffer.alloc(3));
    live.delete(first);
    own.freed();
    expect(sent.map((packet) => packet[1])).toEqual([1, 2]);
  });
});

describe('messages of the security channel', () => {
  it('are put together whatever the size of the packets, and nothing of them is left for noble', () => {
    fc.assert(
      fc.property(
        fc.array(
          fc.tuple(fc.constantFrom(SECURITY, ATT), fc.uint8Array({ minLength: 1, maxLength: 65, size: 'max' })),
          {
            maxLength: 8,
          },
        ),
        fc.integer({ min: 4, max: 80 }),
        (messages, size) => {
          const frames = new SecurityFrames();
          const taken: string[] = [];
          const left: Buffer[] = [];
          for (const packet of messages.flatMap(([cid, bytes]) => cut(cid, bytes, size, 2))) {
            const found = frames.take(packet);
            if (found === 'other') left.push(packet);
            else if (found !== 'more') taken.push(found.toString('hex'));
          }
          const of = (wanted: number): string[] =>
            messages.filter(([cid]) => cid === wanted).map(([, bytes]) => Buffer.from(bytes).toString('hex'));
          expect(taken).toEqual(of(SECURITY));
          expect(joined(left).map(({ payload }) => payload)).toEqual(of(ATT));
        },
      ),
      { numRuns: 500 },
    );
  });

  it('of any bytes are small or nothing', () => {
    const packet = fc
      .tuple(
        fc.constantFrom(0x00, 0x10, 0x20, 0x30),
        fc.constantFrom(4, 6),
        fc.constantFrom(0, 1, 64, 65, 66, 67, 0xffff),
        fc.uint8Array({ maxLength: 90, size: 'max' }),
        fc.nat(100),
      )
      .map(([flags, cid, length, bytes, cutAt]) =>
        Buffer.from([2, HANDLE, flags, 0, 0, length & 0xff, length >> 8, cid, 0, ...bytes]).subarray(0, 5 + cutAt),
      );
    fc.assert(
      fc.property(fc.array(packet, { maxLength: 30, size: 'max' }), (packets) => {
        const frames = new SecurityFrames();
        for (const each of packets) {
          const found = frames.take(each);
          if (Buffer.isBuffer(found)) expect(found.length).toBeLessThanOrEqual(65);
        }
      }),
      { numRuns: 500 },
    );
  });
});
