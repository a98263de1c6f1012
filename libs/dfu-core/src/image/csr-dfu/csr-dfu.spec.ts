import { createHash } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { fromHex, toHex } from '../../bytes/hex.js';
import { ArtifactError } from '../../errors.js';
import { describeArtifact } from '../describe.js';
import { checkPersistentStore, checkStack } from './areas.js';
import { csrCrc32 } from './crc.js';
import { csrPayloads, describeCsrDfu } from './describe-file.js';
import { makeCsrDfu } from './make-file.js';
import {
  compareMelody,
  isSameMelody,
  parseMelodyVersion,
  readMelodyVersion,
  spellMelodyVersion,
} from './melody-version.js';
import { parseCsrDfu } from './parse.js';

const PROGRAM = Uint8Array.from({ length: 16 }, (_, index) => index);
const CONSTANTS = fromHex('C0 DB 55 AA');
const SPEED_RECORD = { action: 'set', key: 0x01ea, words: [0x0001, 0xc200] } as const;
const F9 = makeCsrDfu({
  description: 'Melody Audio V9.9 TEST',
  program: PROGRAM,
  constants: CONSTANTS,
  stackStore: [SPEED_RECORD],
});
const code = (work: () => unknown): unknown => {
  try {
    work();
  } catch (error) {
    if (error instanceof ArtifactError) return [error.code, error.params['field'] ?? ''];
    throw error;
  }
  return 'taken';
};
/** With both CRCs made right again after the change. */
function changed(file: Uint8Array, change: (bytes: Uint8Array, view: DataView) => void): Uint8Array {
  const bytes = file.slice();
  const view = new DataView(bytes.buffer);
  change(bytes, view);
  view.setUint32(bytes.length - 20, csrCrc32(bytes.subarray(0, bytes.length - 20)), true);
  view.setUint32(bytes.length - 4, csrCrc32(bytes.subarray(0, bytes.length - 4)), true);
  return bytes;
}

describe('sums', () => {
  it('check value, and 0 over what ends with its own', () => {
    expect(csrCrc32(new TextEncoder().encode('123456789'))).toBe(0x340bc6d9);
    const smallest = fromHex('43 53 52 2D 64 66 75 32 03 00 14 00 00 00 10 00 E9 A4 B9 66');
    expect(csrCrc32(smallest)).toBe(0);
    const suffixed = Uint8Array.from([...smallest, ...fromHex('1C 33 01 00 12 0A 00 01 55 46 44 10')]);
    expect(csrCrc32(suffixed)).toBe(0xf1b03271);
  });

  it.each([
    ['1B 33 01 00 12 0A 00 01 55 46 44 10', 0x8528dbfe],
    ['90 95 01 00 12 0A 00 01 55 46 44 10', 0x8db5601b],
    ['5D 31 01 00 12 0A 00 01 55 46 44 10', 0x021a702f],
  ])('suffix %s of a Melody file', (suffix, expected) => {
    const smallest = fromHex('43 53 52 2D 64 66 75 32 03 00 14 00 00 00 10 00 E9 A4 B9 66');
    expect(csrCrc32(Uint8Array.from([...smallest, ...fromHex(suffix)]))).toBe(expected);
  });

  it('areas of the vectors', () => {
    const stack = fromHex(`43 53 52 62 63 66 77 31 95 BF 1F 99 10 00 00 00 04 00 01 00 ${toHex(PROGRAM)} C0 DB 55 AA`);
    expect(() => checkStack(stack, 0)).not.toThrow();
    expect(checkPersistentStore(fromHex('00 00 01 00 02 00 EA 01 02 00 01 00 00 C2 85 4D 6D 85'), 0)).toEqual([]);
    expect(checkPersistentStore(fromHex('00 00 00 00 E3 20 BB DE'), 0)).toEqual([]);
    expect(toHex(F9)).toContain(toHex(stack));
  });
});

describe('files of the vendor, as far as they are published', () => {
  it.each([
    ['Melody 7.3 STANDARD', '43 53 52 2D 64 66 75 32 03 00 BE A7 1C 00 C8 04', 1_877_950 + 16],
    ['Melody 7.3 HD', '43 53 52 2D 64 66 75 32 03 00 42 FF 1B 00 C8 04', 1_834_818 + 16],
  ])('%s: its beginning says how long it is', (_, start, expected) => {
    const cut = new Uint8Array(4096);
    cut.set(fromHex(start));
    expect(() => parseCsrDfu(cut)).toThrow(expect.objectContaining({ params: expect.objectContaining({ expected }) }));
  });

  it('ends as they do: a body whose sum is 0 leaves only the suffix to count', () => {
    const standard = toHex(F9.subarray(-16));
    expect(standard).toBe(toHex(fromHex('1C 33 01 00 12 0A 00 01 55 46 44 10 71 32 B0 F1')));
    const hd = makeCsrDfu({
      description: 'Melody Audio V7.3 1544717993',
      variant: 'hd',
      bcdDevice: 0x331b,
      program: PROGRAM,
    });
    expect(toHex(hd.subarray(-16))).toBe(toHex(fromHex('1B 33 01 00 12 0A 00 01 55 46 44 10 FE DB 28 85')));
    // Sum of the body and suffix, as the vendor's files have them.
    for (const tail of [
      'CA 41 DA 97 1C 33 01 00 12 0A 00 01 55 46 44 10 71 32 B0 F1',
      '49 DC 3D 89 1B 33 01 00 12 0A 00 01 55 46 44 10 FE DB 28 85',
    ]) {
      const bytes = fromHex(tail);
      expect([standard, toHex(hd.subarray(-16))]).toContain(toHex(bytes.subarray(4)));
    }
  });

  it('the smallest body with its suffix', () => {
    const whole = fromHex(
      '43 53 52 2D 64 66 75 32 03 00 14 00 00 00 10 00 E9 A4 B9 66 1C 33 01 00 12 0A 00 01 55 46 44 10 71 32 B0 F1',
    );
    expect([whole.length, csrCrc32(whole)]).toEqual([36, 0]);
  });

  it('a stack area', () => {
    const area = fromHex(
      '43 53 52 62 63 66 77 31 95 BF 1F 99 10 00 00 00 04 00 01 00 00 01 02 03 04 05 06 07 08 09 0A 0B 0C 0D 0E 0F C0 DB 55 AA',
    );
    expect([area.length, toHex(F9).includes(toHex(area))]).toEqual([40, true]);
    expect(csrCrc32(area.subarray(12))).toBe(0x991fbf95);
    expect(() => checkStack(area, 0)).not.toThrow();
  });
});

describe('a whole file', () => {
  it('is the synthetic one, byte for byte', () => {
    expect(F9).toHaveLength(1310);
    expect(createHash('sha256').update(F9).digest('hex')).toBe(
      'a1321027e7a892f451e38f938e628bd76f24e389f96a08fa73bcff70092c203f',
    );
  });

  it('is described', () => {
    expect(describeArtifact(F9)).toMatchObject({
      format: 'csr-dfu',
      protocols: ['csr-dfu'],
      images: [{ kind: 'application', version: '9.9-TEST', sizeBytes: 1294 }],
      hardware: { variant: 'standard', bcdDevice: 0x331c },
    });
    const hd = makeCsrDfu({
      description: 'Melody Audio V7.3 1544717993',
      variant: 'hd',
      program: PROGRAM,
      applicationStore: [0x028a, 0x028b].map((key) => ({ action: 'clear', key })),
      fileSystem: Uint8Array.of(1, 2, 3),
    });
    expect(describeArtifact(hd)).toMatchObject({
      images: [{ version: '7.3+1544717993' }],
      hardware: { variant: 'hd' },
      notes: expect.arrayContaining([expect.stringContaining('clears 2 keys')]) as unknown,
    });
    expect(csrPayloads(hd).get('image:0')).toHaveLength(hd.length - 16);
    expect(parseCsrDfu(hd).areas.map(({ kind }) => kind)).toEqual([
      'stack',
      'stack-store',
      'application-store',
      'file-system',
    ]);
  });
});

describe('what is refused', () => {
  const end = F9.length;
  it.each<[string, Uint8Array, string, string]>([
    ['a short file', F9.subarray(0, 700), 'artifact.truncated', 'CSR .dfu'],
    ['a cut file', F9.subarray(0, -1), 'artifact.truncated', 'CSR .dfu'],
    ['bytes behind it', Uint8Array.from([...F9, 0]), 'artifact.malformed', 'file length'],
    ['CSR-dfu1', changed(F9, (bytes) => (bytes[7] = 0x31)), 'artifact.unsupported', ''],
    ['another version', changed(F9, (_, view) => view.setUint16(8, 4, true)), 'artifact.malformed', 'file version'],
    ['another header', changed(F9, (_, view) => view.setUint16(14, 1228, true)), 'artifact.malformed', 'header length'],
    ['a flipped bit', F9.with(1240, 0x81), 'artifact.malformed', 'dwCRC'],
    ['no suffix', changed(F9, (bytes) => (bytes[end - 8] = 0)), 'artifact.malformed', 'suffix'],
    ['another suffix length', changed(F9, (bytes) => (bytes[end - 5] = 12)), 'artifact.malformed', 'suffix length'],
    [
      'another bcdDFU',
      changed(F9, (_, view) => view.setUint16(end - 10, 0x011a, true)),
      'artifact.malformed',
      'bcdDFU',
    ],
    [
      'another vendor',
      changed(F9, (_, view) => view.setUint16(end - 12, 0x1915, true)),
      'artifact.malformed',
      'idVendor',
    ],
    ['an area too long', changed(F9, (_, view) => view.setUint32(120, 4000, true)), 'artifact.malformed', 'stack area'],
    ['an area too short', changed(F9, (_, view) => view.setUint32(664, 0, true)), 'artifact.malformed', 'areas'],
    ['another stack magic', changed(F9, (bytes) => (bytes[1224] = 0)), 'artifact.malformed', 'stack area'],
    ['stack lengths', changed(F9, (bytes) => (bytes[1236] = 15)), 'artifact.malformed', 'stack length'],
    ['a stack CRC', changed(F9, (bytes) => (bytes[1250] = 9)), 'artifact.malformed', 'stack CRC'],
    ['a store CRC', changed(F9, (bytes) => (bytes[1270] = 9)), 'artifact.malformed', 'persistent store CRC'],
  ])('%s', (_, file, expected, field) => {
    expect(code(() => describeCsrDfu(file))).toEqual([expected, field]);
  });

  it('file CRC apart from the other', () => {
    const bytes = F9.with(1230, 0x99);
    new DataView(bytes.buffer).setUint32(end - 4, csrCrc32(bytes.subarray(0, end - 4)), true);
    expect(code(() => describeCsrDfu(bytes))).toEqual(['artifact.malformed', 'file CRC']);
  });

  it('a file system whose words do not cancel out', () => {
    const file = makeCsrDfu({ description: 'Melody Audio V7.3', program: PROGRAM, fileSystem: Uint8Array.of(1, 2) });
    const at = parseCsrDfu(file).areas.find(({ kind }) => kind === 'file-system')!.offset;
    expect(code(() => describeCsrDfu(changed(file, (bytes) => (bytes[at + 149] = 7))))).toEqual([
      'artifact.malformed',
      'file system sum',
    ]);
    expect(code(() => describeCsrDfu(changed(file, (bytes) => (bytes[at + 146] = 7))))).toEqual([
      'artifact.malformed',
      'file system size',
    ]);
  });

  it('what is no Melody, or for an unknown chip', () => {
    expect(code(() => describeCsrDfu(makeCsrDfu({ description: 'Headset', program: PROGRAM })))).toEqual([
      'artifact.unsupported',
      '',
    ]);
    expect(code(() => describeCsrDfu(changed(F9, (bytes) => (bytes[105] = 0x40))))).toEqual([
      'artifact.unsupported',
      '',
    ]);
  });

  it('any change of any byte, or none is seen', () => {
    fc.assert(
      fc.property(fc.nat(F9.length - 1), fc.integer({ min: 1, max: 255 }), fc.boolean(), (at, flip, mend) => {
        const bytes = F9.with(at, F9[at]! ^ flip);
        const file = mend ? changed(bytes, () => undefined) : bytes;
        const result = code(() => describeCsrDfu(file));
        if (!mend) expect(result).not.toBe('taken');
      }),
      { numRuns: 600 },
    );
  });

  it('any bytes behind the magic', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 3000 }), (noise) => {
        expect(code(() => describeCsrDfu(Uint8Array.from([...F9.subarray(0, 8), ...noise])))).not.toBe('taken');
      }),
    );
  });
});

describe('Melody versions', () => {
  it.each([
    ['Melody Audio V5.5 RC11 20141028', '5.5-RC11+20141028'],
    ['Melody Audio V6.1.1 1486122164', '6.1.1+1486122164'],
    ['Melody Audio V7.3 1544637564', '7.3+1544637564'],
    ['Melody Audio V6.0.46', '6.0.46'],
  ])('%s', (text, spelled) => {
    const version = parseMelodyVersion(text)!;
    expect(spellMelodyVersion(version)).toBe(spelled);
    expect(readMelodyVersion(spelled)).toEqual(version);
  });

  it('compares by number, then by build', () => {
    const of = (text: string): NonNullable<ReturnType<typeof readMelodyVersion>> => readMelodyVersion(text)!;
    expect(compareMelody(of('6.10'), of('6.9.1'))).toBeGreaterThan(0);
    expect(compareMelody(of('7.3+1544637564'), of('7.3+1544717993'))).toBeLessThan(0);
    expect(compareMelody(of('7.3'), of('7.3+1544717993'))).toBe(0);
    expect(isSameMelody(of('7.3+1544637564'), of('7.3+1544717993'))).toBe(false);
    expect(isSameMelody(of('5.5-RC11'), of('5.5-RC11+20141028'))).toBe(true);
    expect(parseMelodyVersion('Melody Audio 7.3')).toBeUndefined();
  });
});
