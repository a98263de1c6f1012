import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { ArtifactError } from '../../errors.js';
import { looksLikeIntelHex, makeIntelHex, parseIntelHex } from './index.js';

const ascii = (text: string): Uint8Array => Uint8Array.from(text, (char) => char.charCodeAt(0));

function refusal(text: string): ArtifactError {
  try {
    parseIntelHex(ascii(text));
  } catch (error) {
    if (error instanceof ArtifactError) return error;
  }
  throw new Error('it was taken');
}

/** Example lines of the specification and of its reference description (data at 0x0100, 0x0110 ...). */
const EXAMPLE = `:10010000214601360121470136007EFE09D2190140
:100110002146017E17C20001FF5F16002148011928
:10012000194E79234623965778239EDA3F01B2CAA7
:100130003F0156702B5E712B722B732146013421C7
:00000001FF
`;

describe('Intel HEX', () => {
  it('reads the well-known example', () => {
    const { segments, startAddress } = parseIntelHex(ascii(EXAMPLE));
    expect(segments).toHaveLength(1);
    expect(segments[0]?.address).toBe(0x100);
    expect(segments[0]?.bytes).toHaveLength(64);
    expect([...(segments[0]?.bytes.subarray(0, 4) ?? [])]).toEqual([0x21, 0x46, 0x01, 0x36]);
    expect(startAddress).toBeUndefined();
  });

  it('follows linear and segment addresses, and the start address', () => {
    // 04: upper half 0xFFFF; 02: segment 0x1200; 05: start 0x000000CD; 03: CS 0, IP 0x3800.
    expect(parseIntelHex(ascii(':02000004FFFFFC\n:0100100042AD\n:00000001FF')).segments[0]?.address).toBe(0xffff0010);
    expect(parseIntelHex(ascii(':020000021200EA\r\n:0100000042BD\r\n:00000001FF\r\n')).segments[0]?.address).toBe(
      0x12000,
    );
    expect(parseIntelHex(ascii(':04000005000000CD2A\n:00000001FF\n')).startAddress).toBe(0xcd);
    expect(parseIntelHex(ascii(':0400000300003800C1\n:00000001FF\n')).startAddress).toBe(0x3800);
  });

  it('joins what touches and keeps apart what does not, in any order', () => {
    const text = ':0100020003FA\n:0100000001FE\n:0100010002FC\n:0100050006F4\n:00000001FF\n';
    expect(parseIntelHex(ascii(text)).segments).toEqual([
      { address: 0, bytes: Uint8Array.of(1, 2, 3) },
      { address: 5, bytes: Uint8Array.of(6) },
    ]);
  });

  it.each([
    ['a wrong checksum', ':0100000001FF\n:00000001FF\n', 'artifact.malformed', 'checksum'],
    ['a wrong length', ':0200000001FD\n:00000001FF\n', 'artifact.malformed', 'announced'],
    ['no digit', ':01000000G1FE\n:00000001FF\n', 'artifact.malformed', 'hex digit'],
    ['no colon', '0100000001FE\n:00000001FF\n', 'artifact.malformed', 'colon'],
    ['an odd digit', ':0100000001FE0\n:00000001FF\n', 'artifact.malformed', 'digits'],
    ['an unknown type', ':00000006FA\n:00000001FF\n', 'artifact.malformed', 'type 6'],
    ['a short address record', ':0100000400FB\n:00000001FF\n', 'artifact.malformed', 'carries 2'],
    ['more behind its end', ':00000001FF\n:0100000001FE\n', 'artifact.malformed', 'behind'],
    ['a byte twice', ':0100000001FE\n:0100000001FE\n:00000001FF\n', 'artifact.malformed', 'twice'],
    ['a wrap-around', ':02FFFF000102FD\n:00000001FF\n', 'artifact.malformed', 'passes the end'],
    ['no end', ':0100000001FE\n', 'artifact.truncated', 'end-of-file'],
    ['nothing', '', 'artifact.truncated', 'end-of-file'],
  ])('refuses %s', (_, text, code, says) => {
    const error = refusal(text);
    expect([error.code, error.message]).toEqual([code, expect.stringContaining(says)]);
  });

  it('bounds how scattered a file may be', () => {
    const bytes = Uint8Array.of(0);
    const segments = Array.from({ length: 5000 }, (_, i) => ({ address: 2 * i, bytes }));
    expect(() => parseIntelHex(makeIntelHex({ segments }))).toThrow(/segments/);
  });

  it('gives back what it wrote', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.integer({ min: 1, max: 70_000 }), fc.uint8Array({ minLength: 1, maxLength: 300 })), {
          maxLength: 5,
        }),
        fc.option(fc.integer({ min: 0, max: 0xffffffff }), { nil: undefined }),
        (pieces, startAddress) => {
          let at = 0;
          const segments = pieces.map(([gap, bytes]) => {
            const segment = { address: at + gap, bytes };
            at += gap + bytes.length;
            return segment;
          });
          const start = startAddress === undefined ? {} : { startAddress };
          const made = makeIntelHex({ segments, ...start });
          expect(looksLikeIntelHex(made)).toBe(true);
          expect(parseIntelHex(made)).toEqual({ segments, ...start });
        },
      ),
      { numRuns: 200 },
    );
  });

  it('answers any noise with an artifact error or a file', () => {
    const survives = (bytes: Uint8Array): void => {
      try {
        parseIntelHex(bytes);
      } catch (error) {
        expect(error).toBeInstanceOf(ArtifactError);
      }
    };
    fc.assert(fc.property(fc.uint8Array({ maxLength: 120 }), survives), { numRuns: 1500 });
    const sound = ascii(EXAMPLE);
    fc.assert(
      fc.property(fc.nat(sound.length - 1), fc.nat(255), fc.nat(sound.length), (at, byte, cut) => {
        const spoiled = sound.slice(0, Math.max(at + 1, cut));
        spoiled[at] = byte;
        survives(spoiled);
      }),
      { numRuns: 1500 },
    );
  });
});
