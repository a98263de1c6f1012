/** Messages put together from whatever a link delivers: sound ones in any cut, and any bytes without harm. */
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { toHex } from '../../bytes/hex.js';
import type { LinkInfo } from '../../session/session.js';
import { encodeRequest } from './codec.js';
import { openTransport } from './transport.js';

const LINKS: readonly (readonly [string, LinkInfo, Record<string, string>])[] = (
  [
    ['console', 'serial', {}],
    ['raw', 'serial', { framing: 'raw' }],
    ['BLE', 'ble', {}],
    ['UDP', 'udp', {}],
  ] as const
).map(([name, kind, options]) => [
  name,
  { kind, maxWriteBytes: kind === 'ble' ? 244 : 1472, channels: [], identity: { kind: 'port-path', value: 'x' } },
  options,
]);

describe.each(LINKS)('%s', (_, link, options) => {
  it('gives back what it cut, in any pieces where the link has no borders of its own', () => {
    fc.assert(
      fc.property(
        fc.array(fc.uint8Array({ maxLength: 900 }), { minLength: 1, maxLength: 4 }),
        fc.array(fc.integer({ min: 1, max: 300 }), { minLength: 1, maxLength: 8 }),
        (contents, cuts) => {
          const transport = openTransport(link, options);
          const messages = contents.map((data, index) =>
            encodeRequest({ kind: 'upload-next', data, offset: index }, 1, index),
          );
          const pieces = messages.flatMap((message) => [...transport.cut(message)]);
          const wire = link.kind === 'udp' ? pieces : recut(pieces, cuts);
          const events = wire.flatMap((piece) => [...transport.push(piece)]);
          expect(events.map((event) => (event.kind === 'message' ? toHex(event.bytes) : event.detail))).toEqual(
            messages.map(toHex),
          );
        },
      ),
      { numRuns: 150 },
    );
  });

  it('takes any bytes, and finds back after it was cleared', () => {
    const sound = encodeRequest({ kind: 'echo', text: 'hi' }, 1, 0);
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 6 }), (pieces) => {
        const transport = openTransport(link, options);
        for (const piece of pieces) transport.push(piece);
        transport.clear();
        const events = [...transport.cut(sound)].flatMap((piece) => [...transport.push(piece)]);
        expect(events).toContainEqual({ kind: 'message', bytes: sound });
      }),
      { numRuns: 500 },
    );
  });
});

function recut(pieces: readonly Uint8Array[], cuts: readonly number[]): Uint8Array[] {
  const all = Uint8Array.from(pieces.flatMap((piece) => [...piece]));
  const out: Uint8Array[] = [];
  for (let at = 0, i = 0; at < all.length; i++) {
    const length = cuts[i % cuts.length] ?? 1;
    out.push(all.subarray(at, at + length));
    at += length;
  }
  return out;
}
