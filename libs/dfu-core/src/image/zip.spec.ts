import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { strToU8, zipSync, type Zippable } from 'fflate';
import { toHex } from '../bytes/hex.js';
import { ArtifactError } from '../errors.js';
import { openZip, type ZipLimits } from './zip.js';

const LIMITS: ZipLimits = { maxArchiveBytes: 1 << 20, maxEntries: 8, maxEntryBytes: 100_000, maxTotalBytes: 150_000 };

function refusal(run: () => unknown): ArtifactError {
  try {
    run();
  } catch (error) {
    if (error instanceof ArtifactError) return error;
    throw error;
  }
  throw new Error('it was taken');
}

/** Where a record begins. */
function find(bytes: Uint8Array, signature: readonly number[], from = 0): number {
  for (let at = from; at < bytes.length; at++) if (signature.every((byte, i) => bytes[at + i] === byte)) return at;
  throw new Error('not found');
}
const CENTRAL = [0x50, 0x4b, 1, 2];
const END = [0x50, 0x4b, 5, 6];

/** The archive with one byte (or more) of its first directory entry changed. */
function spoil(bytes: Uint8Array, offset: number, ...values: number[]): Uint8Array {
  const copy = bytes.slice();
  copy.set(values, find(copy, CENTRAL) + offset);
  return copy;
}

const text = strToU8('some text, some text, some text, some text');
const small = zipSync({ 'a.txt': text });

describe('openZip', () => {
  it('reads what a tool packed, stored or deflated, folders left out', () => {
    const bytes = zipSync({
      'a.txt': text,
      stored: [text, { level: 0 }],
      folder: { 'b.txt': text },
      empty: new Uint8Array(),
    });
    const archive = openZip(bytes, LIMITS);
    expect(archive.entries.map(({ name, sizeBytes }) => [name, sizeBytes])).toEqual([
      ['a.txt', text.length],
      ['stored', text.length],
      ['folder/b.txt', text.length],
      ['empty', 0],
    ]);
    for (const name of ['a.txt', 'stored', 'folder/b.txt']) expect(toHex(archive.read(name)!)).toBe(toHex(text));
    expect(archive.read('empty')).toEqual(new Uint8Array());
    expect(archive.read('other')).toBeUndefined();
  });

  it('makes the round trip with any bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 20_000 }), (bytes) => {
        expect(toHex(openZip(zipSync({ x: bytes }), LIMITS).read('x')!)).toBe(toHex(bytes));
      }),
      { numRuns: 30 },
    );
  });

  it('takes a comment at the end, but nothing behind it and nothing before the archive', () => {
    const commented = Uint8Array.of(...small, 0x68, 0x69);
    commented[find(commented, END) + 20] = 2;
    expect(openZip(commented, LIMITS).entries).toHaveLength(1);
    expect(refusal(() => openZip(Uint8Array.of(...small, 0), LIMITS)).code).toBe('artifact.malformed');
    expect(refusal(() => openZip(Uint8Array.of(0, ...small), LIMITS)).code).toBe('artifact.malformed');
  });

  it('keeps its limits', () => {
    const many: Zippable = {};
    for (let i = 0; i < 9; i++) many[`f${i}`] = text;
    const big = zipSync({ big: new Uint8Array(100_001) });
    const two = zipSync({ a: new Uint8Array(80_000), b: new Uint8Array(80_000) });
    for (const [bytes, field] of [
      [zipSync(many), 'zip entries'],
      [big, 'big'],
      [two, 'zip contents'],
      [new Uint8Array((1 << 20) + 1), 'zip archive'],
    ] as const) {
      const error = refusal(() => openZip(bytes, LIMITS));
      expect([error.code, error.params['field']]).toEqual(['artifact.limit', field]);
    }
  });

  it('stops inflating at the first byte beyond the announced size', () => {
    // 40 MB of zeros in 40 kB, announced as 100 bytes.
    const bomb = spoil(zipSync({ bomb: new Uint8Array(40_000_000) }), 24, 100, 0, 0, 0);
    const archive = openZip(bomb, LIMITS);
    const error = refusal(() => archive.read('bomb'));
    expect([error.code, error.message]).toEqual(['artifact.malformed', expect.stringContaining('more than 100 bytes')]);
  });

  it('opens a member as a source: a stored one where it lies, its CRC-32 checked all the same', () => {
    const mixed = zipSync({ stored: [text, { level: 0 }], packed: text });
    for (const name of ['stored', 'packed']) {
      const opened = openZip(mixed, LIMITS).open(name);
      expect(opened?.read(3, 8)).toEqual(text.subarray(3, 11));
      expect(opened?.length).toBe(text.length);
    }
    expect(openZip(mixed, LIMITS).open('absent')).toBeUndefined();
    const spoiled = mixed.slice();
    const at = find(spoiled, [...text.subarray(0, 4)]);
    spoiled[at] = (spoiled[at] ?? 0) ^ 1;
    expect(refusal(() => openZip(spoiled, LIMITS).open('stored')).message).toContain('CRC-32');
  });

  it('notices a member that is too short, or not what its CRC says', () => {
    expect(refusal(() => openZip(spoil(small, 24, 43), LIMITS).read('a.txt')).message).toContain('unpacks to 42');
    expect(refusal(() => openZip(spoil(small, 16, 0, 0), LIMITS).read('a.txt')).message).toContain('CRC-32');
  });

  it.each(['../a', 'a/../b', '/etc/passwd', 'a\\b', 'C:a', './a', 'a//b', 'ä', 'a\u0000b', 'a\nb'])(
    'refuses the name %j',
    (name) => {
      expect(refusal(() => openZip(zipSync({ [name]: text }), LIMITS)).code).toBe('artifact.malformed');
    },
  );

  it('refuses the same name twice', () => {
    const bytes = zipSync({ aa: text, ab: text });
    for (let at = 0; at < bytes.length - 1; at++)
      if (bytes[at] === 0x61 && bytes[at + 1] === 0x62) bytes[at + 1] = 0x61;
    expect(refusal(() => openZip(bytes, LIMITS)).message).toContain('twice');
  });

  it('refuses members that overlap', () => {
    const inner = zipSync({ ab: [text, { level: 0 }] });
    const record = inner.subarray(0, find(inner, CENTRAL));
    const bytes = zipSync({ aa: [record, { level: 0 }], ab: [text, { level: 0 }] });
    // The second entry of the directory points into the data of the first member, where the same record lies.
    const second = find(bytes, CENTRAL, find(bytes, CENTRAL) + 4);
    bytes.set([find(bytes, [0x50, 0x4b, 3, 4], 4), 0, 0, 0], second + 42);
    expect(refusal(() => openZip(bytes, LIMITS)).message).toContain('overlap');
  });

  it.each([
    ['encrypted', 8, 1],
    ['unknown method', 10, 9],
    ['too long name', 28, 0xff],
    ['member behind the archive', 45, 0x7f],
  ])('refuses an entry that is %s', (_, offset, value) => {
    expect(refusal(() => openZip(spoil(small, offset, value), LIMITS)).code).toBe('artifact.malformed');
  });

  it('answers any noise with an artifact error', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 400 }), (bytes) => {
        expect(refusal(() => openZip(bytes, LIMITS)).code).toBe('artifact.malformed');
      }),
    );
    fc.assert(
      fc.property(fc.nat(small.length - 1), fc.nat(255), (at, byte) => {
        const bytes = small.slice();
        bytes[at] = byte;
        try {
          openZip(bytes, LIMITS).read('a.txt');
        } catch (error) {
          expect(error).toBeInstanceOf(ArtifactError);
        }
      }),
    );
  });
});
