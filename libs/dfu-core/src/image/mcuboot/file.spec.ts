import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { type Zippable, zipSync } from 'fflate';
import { sourceOf, wholeOf } from '../../bytes/byte-source.js';
import { toHex } from '../../bytes/hex.js';
import { ArtifactError } from '../../errors.js';
import { describeArtifact } from '../describe.js';
import { makeIntelHex } from '../intel-hex/index.js';
import { ImageFlag } from './format.js';
import {
  makeMcubootImage,
  type McubootImageParts,
  mcubootPublicKeyOf,
  mcubootSources,
  openMcubootFile,
  parseMcubootPublicKey,
} from './index.js';
import { parseManifestJson } from './manifest.js';

const KEY = { kind: 'ed25519', secret: new Uint8Array(32).fill(7) } as const;
const image = (minor: number, size = 300, more: Partial<McubootImageParts> = {}): Uint8Array =>
  makeMcubootImage({
    body: Uint8Array.from({ length: size }, (_, i) => i * minor),
    version: { major: 1, minor, revision: 0, build: 0 },
    key: KEY,
    ...more,
  });
const APP = image(4);
const NET = image(9, 500);
const text = (value: string): Uint8Array => new TextEncoder().encode(value);

function packageOf(files: readonly object[], members: Record<string, Uint8Array>, more: Zippable = {}): Uint8Array {
  const manifest = { 'format-version': 0, time: 1700000000, name: 'demo', files };
  return zipSync(
    { ...members, 'manifest.json': text(JSON.stringify(manifest)), ...more },
    { level: 0 }, // as the generator writes it
  );
}

/** As `zip.cmake` of sysbuild writes the manifest of an nRF5340: strings for numbers, slots counted over all images. */
const NRF5340 = [
  {
    type: 'application',
    board: 'nrf5340dk',
    soc: 'nrf5340',
    load_address: 32768,
    image_index: '0',
    slot_index_primary: '1',
    slot_index_secondary: '2',
    version_MCUBOOT: '1.4.0',
    size: APP.length,
    file: 'app.bin',
    modtime: 1700000000,
  },
  { type: 'application', board: 'nrf5340dk', image_index: '1', version: '9', size: NET.length, file: 'net.bin' },
];

function refusal(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    if (error instanceof ArtifactError) return `${error.code}: ${error.message}`;
    throw error;
  }
  return 'taken';
}

describe('dfu_application.zip', () => {
  it('an application and its network core', () => {
    const file = packageOf(NRF5340, { 'app.bin': APP, 'net.bin': NET });
    const described = describeArtifact(file);
    expect(described).toMatchObject({
      format: 'mcuboot-zip',
      protocols: ['smp'],
      sizeBytes: file.length,
      images: [
        { image: 0, kind: 'application', version: '1.4.0', member: 'app.bin', sizeBytes: APP.length },
        { image: 1, kind: 'image', version: '1.9.0', member: 'net.bin', sizeBytes: NET.length },
      ],
      signatures: [{ covers: 'app.bin' }, { covers: 'net.bin' }],
    });
    expect(described.images.map(({ slot }) => slot)).toEqual([undefined, undefined]);
    expect(described.notes).toEqual(expect.arrayContaining(['package demo', 'for board nrf5340dk']));
    const sources = mcubootSources(file);
    expect([...sources.keys()]).toEqual(['image:0', 'image:1']);
    expect(toHex(wholeOf(sources.get('image:1')!))).toBe(toHex(NET));
  });

  it('stored members are read from the file, by ranges', () => {
    const large = image(5, 400_000);
    const file = packageOf([{ file: 'app.bin', size: large.length }], { 'app.bin': large });
    let most = 0;
    const counted = {
      length: file.length,
      read: (offset: number, length: number) => {
        most = Math.max(most, length);
        return sourceOf(file).read(offset, length);
      },
    };
    expect(describeArtifact(counted).sha256).toBe(describeArtifact(file).sha256);
    expect(toHex(mcubootSources(counted).get('image:0')!.read(1000, 16))).toBe(toHex(large.subarray(1000, 1016)));
    expect(most).toBeLessThanOrEqual(131_100); // the zip's own directory, TLVs, blocks; never the image
  });

  it('one file per slot, for images that run in place', () => {
    const [first, second] = [0, 1].map((slot) =>
      image(4, 300 + slot, { flags: ImageFlag.RomFixed, loadAddress: 0x10000 * (slot + 1) }),
    );
    const members = { 'a.bin': first!, 'b.bin': second! };
    const xip = { image_index: '0', 'version_MCUBOOT+XIP': '1.4.0' };
    for (const files of [
      [
        { ...xip, file: 'a.bin', slot: '0', load_address: 0x10000 },
        { ...xip, file: 'b.bin', slot: '1', load_address: 0x20000 },
      ],
      // Slots counted over all images, and in the other order; no slot at all: the order counts.
      [
        { ...xip, file: 'b.bin', slot: 3 },
        { ...xip, file: 'a.bin', slot: 2 },
      ],
      [{ file: 'a.bin' }, { file: 'b.bin' }],
    ]) {
      const { images } = describeArtifact(packageOf(files, members));
      expect(images.map(({ slot, member }) => [slot, member])).toEqual([
        [0, 'a.bin'],
        [1, 'b.bin'],
      ]);
    }
    expect([...mcubootSources(packageOf([{ file: 'a.bin' }, { file: 'b.bin' }], members)).keys()]).toEqual([
      'image:0/slot:0',
      'image:0/slot:1',
    ]);
  });

  it('numbers as the field writes them: bare hex, strings, the older key', () => {
    const fixed = image(4, 300, { flags: ImageFlag.RomFixed, loadAddress: 0x8000 });
    const manifest = `{"format-version":0,"files":[{"file":"app.bin","image":1,"size":"${fixed.length}","load_address": 0x8000 }]}`;
    const file = zipSync({ 'app.bin': fixed, 'manifest.json': text(manifest) });
    expect(describeArtifact(file).images).toMatchObject([{ image: 1, member: 'app.bin' }]);
    expect(parseManifestJson('[1]')).toBeUndefined();
  });

  it.each<[string, readonly object[], Record<string, Uint8Array>, RegExp]>([
    ['a file that is not there', [{ file: 'app.bin' }], {}, /names app.bin, which is not in the archive/],
    ['a path', [{ file: '../app.bin' }], { 'app.bin': APP }, /no plain file name/],
    ['another size', [{ file: 'app.bin', size: 5 }], { 'app.bin': APP }, /app.bin: manifest size/],
    ['a number that is none', [{ file: 'app.bin', image_index: 'x' }], { 'app.bin': APP }, /image_index/],
    ['a broken image', [{ file: 'app.bin' }], { 'app.bin': APP.subarray(0, 200) }, /artifact.truncated.*app.bin/],
    ['a bootloader', [{ file: 'app.bin', type: 'mcuboot' }], { 'app.bin': APP }, /artifact.unsupported.*mcuboot/],
    ['a SUIT envelope', [{ file: 'app.bin', type: 'suit-envelope' }], { 'app.bin': APP }, /artifact.unsupported/],
    [
      'two for one slot',
      [
        { file: 'app.bin', slot: 1 },
        { file: 'b.bin', slot: 1 },
      ],
      { 'app.bin': APP, 'b.bin': NET },
      /two files are for image 0 slot 1/,
    ],
    ['no files', [], { 'app.bin': APP }, /names no files/],
  ])('refuses %s', (_, files, members, says) => {
    expect(refusal(() => describeArtifact(packageOf(files, members)))).toMatch(says);
  });

  it('refuses an image that needs more than its neighbour is', () => {
    const needs = (minor: number) =>
      image(4, 300, { dependencies: [{ image: 1, minimum: { major: 1, minor, revision: 0, build: 0 } }] });
    const both = (app: Uint8Array) =>
      packageOf(
        NRF5340.map(({ size: _, ...rest }) => rest),
        { 'app.bin': app, 'net.bin': NET },
      );
    expect(describeArtifact(both(needs(9))).images[0]).toMatchObject({
      dependencies: [{ image: 1, minimum: '1.9.0' }],
    });
    expect(refusal(() => describeArtifact(both(needs(10))))).toMatch(/artifact.requires.*1.10.0/);
  });

  it('every image must be signed by a trusted key', () => {
    const trusted = parseMcubootPublicKey(mcubootPublicKeyOf(KEY))!;
    const file = packageOf(NRF5340, { 'app.bin': APP, 'net.bin': NET });
    expect(openMcubootFile(file, { trustedKeys: [trusted] }).images).toHaveLength(2);
    const unsigned = makeMcubootImage({
      body: new Uint8Array(300),
      version: { major: 1, minor: 9, revision: 0, build: 0 },
    });
    const mixed = packageOf([{ file: 'app.bin' }, { file: 'net.bin', image_index: 1 }], {
      'app.bin': APP,
      'net.bin': unsigned,
    });
    expect(refusal(() => openMcubootFile(mixed, { trustedKeys: [trusted] }))).toMatch(/net.bin: the image carries no/);
  });
});

describe('Intel HEX of an image', () => {
  it('is the same image', () => {
    const file = makeIntelHex({ segments: [{ address: 0xc000, bytes: APP }] });
    const described = describeArtifact(file);
    expect(described).toMatchObject({ format: 'mcuboot-hex', sizeBytes: file.length });
    expect(described.images).toEqual(describeArtifact(APP).images);
    expect(described.notes).toContain('Intel HEX for address 0xc000');
    expect(toHex(wholeOf(mcubootSources(file).get('image:0')!))).toBe(toHex(APP));
  });

  it('refuses what is not one image', () => {
    const hex = (...segments: [number, Uint8Array][]) =>
      makeIntelHex({ segments: segments.map(([address, bytes]) => ({ address, bytes })) });
    const magic = new Uint8Array(16).fill(3);
    expect(refusal(() => describeArtifact(hex([0, new Uint8Array(300)])))).toMatch(
      /artifact.unsupported.*MCUboot header/,
    );
    expect(refusal(() => describeArtifact(hex([0xc000, APP], [0x30ff0, magic])))).toMatch(/padded to its slot/);
    expect(refusal(() => describeArtifact(hex([0, new Uint8Array(300)], [0xc000, APP])))).toMatch(
      /2 stretches of flash/,
    );
    expect(refusal(() => describeArtifact(hex([0xc000, APP.subarray(0, 100)])))).toMatch(/artifact.truncated/);
    expect(refusal(() => describeArtifact(text(':00000001FF\n')))).toMatch(/it holds no data/);
  });
});

describe('noise', () => {
  it('any change of a package gives a description or an artifact error', () => {
    const sound = packageOf(NRF5340, { 'app.bin': APP, 'net.bin': NET });
    fc.assert(
      fc.property(fc.nat(sound.length - 1), fc.nat(255), fc.nat(sound.length), fc.boolean(), (at, byte, cut, cuts) => {
        const spoiled = sound.slice(0, cuts ? Math.max(at + 1, cut) : sound.length);
        spoiled[at] = byte;
        refusal(() => describeArtifact(spoiled));
      }),
      { numRuns: 1500 },
    );
  });

  it('so does any manifest', () => {
    const value = fc.oneof(fc.string(), fc.nat(), fc.constantFrom('0', '1', '0x10', null, true, -1, 1.5, [], {}));
    const entry = fc.dictionary(
      fc.constantFrom('file', 'type', 'image_index', 'image', 'slot', 'size', 'load_address', 'version_MCUBOOT+XIP'),
      value,
    );
    fc.assert(
      fc.property(fc.array(fc.oneof(entry, value)), (files) => {
        refusal(() => describeArtifact(packageOf(files as object[], { 'app.bin': APP })));
      }),
      { numRuns: 1000 },
    );
  });
});
