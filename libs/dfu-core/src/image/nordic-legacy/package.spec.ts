import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { strFromU8, strToU8, unzipSync, zipSync } from 'fflate';
import { toHex } from '../../bytes/hex.js';
import { ArtifactError } from '../../errors.js';
import { describeArtifact } from '../describe.js';
import { makeIntelHex } from '../intel-hex/index.js';
import { makeNordicPackage } from '../nordic/make-package.js';
import { nordicPublicKeyOf } from '../nordic/signature.js';
import { describeLegacyPackage, legacyPayloads } from './describe-package.js';
import { firmwareOf } from './firmware-file.js';
import { joinLegacyFiles, makeLegacyPackage } from './make-package.js';
import { looksLikeLegacyPackage, openLegacyPackage } from './package.js';
import { verifyLegacySignature } from './signature.js';
import { DAT_05, DAT_05_NAMED, I16, I16_SHA256 } from './vectors.fixture.js';

const KEY = new Uint8Array(32).fill(7);
const MADE = makeLegacyPackage({ application: I16 });
const SD = Uint8Array.from({ length: 10 }, (_, i) => 0x40 + i);
const BL = Uint8Array.from({ length: 8 }, (_, i) => 0x80 + i);

function zip(manifest: unknown, files: Record<string, Uint8Array> = {}): Uint8Array {
  return zipSync({ ...files, 'manifest.json': strToU8(JSON.stringify(manifest)) });
}

function refusal(bytes: Uint8Array): ArtifactError {
  try {
    openLegacyPackage(bytes);
  } catch (error) {
    if (error instanceof ArtifactError) return error;
    throw error;
  }
  throw new Error('it was taken');
}

describe('a package made here', () => {
  it('holds the manifest that nrfutil 0.5 writes', () => {
    const files = unzipSync(makeLegacyPackage({ application: I16, names: { application: 'app' } }));
    expect(Object.keys(files)).toEqual(['app.bin', 'app.dat', 'manifest.json']);
    expect(toHex(files['app.dat']!)).toBe(toHex(DAT_05));
    // Laid out by hand after manifest.py: sorted keys, four blanks, lists one per line.
    expect(strFromU8(files['manifest.json']!)).toBe(
      `{
    "manifest": {
        "application": {
            "bin_file": "app.bin",
            "dat_file": "app.dat",
            "init_packet_data": {
                "application_version": 4294967295,
                "device_revision": 65535,
                "device_type": 65535,
                "firmware_crc16": 15159,
                "softdevice_req": [
                    65534
                ]
            }
        },
        "dfu_version": 0.5
    }
}`,
    );
  });

  it('is described', () => {
    expect(describeArtifact(MADE)).toMatchObject({
      format: 'nordic-legacy-zip',
      protocols: ['legacy-dfu', 'legacy-serial'],
      images: [{ image: 0, kind: 'application', sizeBytes: 16, sha256: I16_SHA256, initPacketBytes: 14 }],
      signatures: [],
      hardware: {},
    });
    const named = makeLegacyPackage({
      application: I16,
      deviceType: 0x52,
      deviceRevision: 52840,
      applicationVersion: 1,
      softdevices: [0xb6, 0x101],
    });
    expect(toHex(unzipSync(named)['application.dat']!)).toBe(toHex(DAT_05_NAMED));
    expect(describeArtifact(named)).toMatchObject({
      images: [{ version: '1' }],
      hardware: { deviceType: 0x52, deviceRevision: 52840, sdReq: '0x00b6,0x0101' },
    });
  });

  it('joins SoftDevice and bootloader, and sends the application after them', () => {
    const bytes = makeLegacyPackage({ application: I16, softdevice: SD, bootloader: BL });
    const manifest = strFromU8(unzipSync(bytes)['manifest.json']!);
    expect(manifest.indexOf('"bl_size": 8')).toBeGreaterThan(0);
    expect(manifest.indexOf('"sd_size": 12')).toBeGreaterThan(manifest.indexOf('"init_packet_data"'));
    const { images } = openLegacyPackage(bytes);
    expect(images.map(({ kind, image, sizes }) => [kind, image, sizes])).toEqual([
      ['softdevice-bootloader', 3, { softdevice: 12, bootloader: 8, application: 0 }],
      ['application', 0, { softdevice: 0, bootloader: 0, application: 16 }],
    ]);
    const payloads = legacyPayloads(bytes);
    expect([...payloads.keys()]).toEqual(['init:3', 'image:3', 'sizes:3', 'init:0', 'image:0', 'sizes:0']);
    expect(toHex(payloads.get('sizes:3')!)).toBe('0c0000000800000000000000');
    expect(toHex(payloads.get('image:3')!)).toBe(`${toHex(SD)}ffff${toHex(BL)}`);
  });

  it('with a key is signed, and the key is told from another', () => {
    const signed = makeLegacyPackage({ application: I16, privateKey: KEY });
    expect(describeLegacyPackage(signed, { publicKey: nordicPublicKeyOf(KEY) })).toMatchObject({
      signatures: [{ scheme: 'ecdsa-p256-sha256', covers: 'init:0' }],
    });
    const other = nordicPublicKeyOf(new Uint8Array(32).fill(8));
    expect(() => describeLegacyPackage(signed, { publicKey: other })).toThrow(/not signed with the given key/);
    expect(verifyLegacySignature(openLegacyPackage(MADE), nordicPublicKeyOf(KEY))).toBe(false);
    expect(() => verifyLegacySignature(openLegacyPackage(signed), new Uint8Array(65))).toThrow(/no point/);
  });

  it('makes the round trip with any contents and form', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ minLength: 1, maxLength: 3000 }).filter((bytes) => bytes[0] !== 0x3a),
        fc.constantFrom(0.5 as const, 0.6 as const, 0.7 as const),
        fc.array(fc.nat(0xffff), { minLength: 1, maxLength: 6 }),
        (application, dfuVersion, softdevices) => {
          const bytes = makeLegacyPackage({ application, dfuVersion, softdevices });
          expect(looksLikeLegacyPackage(bytes)).toBe(true);
          const { images, dfuVersion: stated } = openLegacyPackage(bytes);
          expect(stated).toBe(String(dfuVersion));
          expect(images[0]!.packet!.softdevices).toEqual(softdevices);
          expect(toHex(images[0]!.firmware.subarray(0, application.length))).toBe(toHex(application));
        },
      ),
      { numRuns: 60 },
    );
  });
});

describe('packages of other times', () => {
  const entry = { bin_file: 'a.bin', dat_file: 'a.dat' };
  const files = { 'a.bin': I16, 'a.dat': DAT_05 };

  it('the manifest of SDK 8 with its nulls and without dfu_version', () => {
    const bytes = zip(
      {
        manifest: {
          application: {
            ...entry,
            init_packet_data: {
              application_version: 4294967295,
              compression_type: null,
              device_revision: 65535,
              device_type: 65535,
              firmware_crc16: 15159,
              packet_version: null,
              softdevice_req: [65534],
            },
          },
          bootloader: null,
          softdevice: null,
        },
      },
      files,
    );
    expect(describeArtifact(bytes)).toMatchObject({ format: 'nordic-legacy-zip', images: [{ sizeBytes: 16 }] });
  });

  it('a manifest that says nothing, told by its init packet', () => {
    expect(describeArtifact(zip({ manifest: { application: entry } }, files)).format).toBe('nordic-legacy-zip');
  });

  it('no manifest: hex and system.dat by their names', () => {
    const hex = makeIntelHex({ segments: [{ address: 0x18000, bytes: I16 }] });
    const bytes = zipSync({ 'application.hex': hex, 'application.dat': DAT_05, 'readme.txt': strToU8('hello') });
    const found = describeArtifact(bytes);
    expect(found).toMatchObject({
      format: 'nordic-legacy-zip',
      images: [{ sizeBytes: 16, member: 'application.hex' }],
    });
    expect(found.notes.join()).toContain('readme.txt');
    const system = openLegacyPackage(zipSync({ 'softdevice.bin': I16, 'bootloader.bin': BL }));
    expect(system.images).toMatchObject([
      { kind: 'softdevice-bootloader', sizes: { softdevice: 16, bootloader: 8, application: 0 } },
    ]);
  });

  it('two files that a person was given', () => {
    const both = joinLegacyFiles(makeIntelHex({ segments: [{ address: 0x18000, bytes: I16 }] }), DAT_05);
    expect(describeArtifact(both)).toMatchObject({ images: [{ sizeBytes: 16, initPacketBytes: 14 }] });
    const alone = describeArtifact(joinLegacyFiles(I16));
    expect(alone.notes.join()).toContain('SDK 6.1 and older');
    expect(() => describeArtifact(joinLegacyFiles(BL, DAT_05))).toThrow(/CRC/);
  });

  it('a secure package is left to its own reader', () => {
    const secure = makeNordicPackage({ application: I16, hwVersion: 52, fwVersion: 1 });
    expect(looksLikeLegacyPackage(secure)).toBe(false);
    expect(describeArtifact(secure).format).toBe('nordic-secure-zip');
  });
});

describe('firmware files', () => {
  const region = (address: number, length: number, value: number) => ({
    address,
    bytes: new Uint8Array(length).fill(value),
  });
  const magicAt = (address: number) => ({ address, bytes: Uint8Array.of(0xdb, 0xe5, 0xb1, 0x51) });
  const hex = (...segments: { address: number; bytes: Uint8Array }[]): Uint8Array =>
    firmwareOf(makeIntelHex({ segments }), 'test.hex');

  it('leave out the master boot record and UICR, and fill gaps', () => {
    const image = hex(region(0, 0x1000, 1), region(0x2000, 3, 2), region(0x2006, 3, 3), region(0x10001014, 4, 4));
    expect(toHex(image)).toBe('020202ffffff030303ffffff');
  });

  it('cut a region that begins in the master boot record, which ends later for old SoftDevices', () => {
    expect(hex(region(0, 0x3004, 1), magicAt(0x3004)).length).toBe(0x3008 - 0x1000);
    expect(hex(region(0, 0x4004, 1), magicAt(0x4004)).length).toBe(0x4008 - 0x3000);
    expect(hex(region(0, 0x2000, 1)).length).toBe(0x1000);
  });

  it('are refused when nothing is left', () => {
    expect(() => hex(region(0, 0x800, 1))).toThrow(/no bytes/);
    expect(() => hex(region(0x1000, 4, 1), region(0x0fff_0000, 4, 1))).toThrow(/limit/);
  });
});

describe('a package that is refused', () => {
  const whole = { 'a.bin': I16, 'a.dat': DAT_05 };
  const entry = { bin_file: 'a.bin', dat_file: 'a.dat', init_packet_data: {} };
  const app = { manifest: { dfu_version: 0.5, application: entry } };
  it('is taken when nothing is wrong', () => {
    expect(openLegacyPackage(zip(app, whole)).images).toHaveLength(1);
  });

  const sdbl = (sizes: object): unknown => ({
    manifest: { dfu_version: 0.5, softdevice_bootloader: { ...entry, ...sizes } },
  });
  it.each<[string, Uint8Array, string, string]>([
    ['no images', zip({ manifest: { dfu_version: 0.5 } }), 'artifact.malformed', 'names no image'],
    ['no known file', zipSync({ 'a.txt': I16 }), 'artifact.unknown-format', 'neither'],
    ['a manifest of no JSON', zipSync({ 'manifest.json': strToU8('{') }), 'artifact.malformed', 'no JSON'],
    ['a missing bin', zip(app, { 'a.dat': DAT_05 }), 'artifact.malformed', 'no file a.bin'],
    ['a missing dat', zip(app, { 'a.bin': I16 }), 'artifact.malformed', 'no file a.dat'],
    ['another image', zip(app, { ...whole, 'a.bin': BL }), 'artifact.digest', '0x3b37'],
    ['a length of no whole words', zip(app, { ...whole, 'a.bin': SD }), 'artifact.malformed', 'multiple of 4'],
    ['an empty image', zip(app, { ...whole, 'a.bin': new Uint8Array() }), 'artifact.malformed', 'empty'],
    ['a huge init packet', zip(app, { ...whole, 'a.dat': new Uint8Array(200) }), 'artifact.limit', 'a.dat'],
    ['a huge image', zip(app, { ...whole, 'a.bin': new Uint8Array(1024 * 1024 + 4) }), 'artifact.limit', 'a.bin'],
    [
      'a path',
      zip({ manifest: { dfu_version: 0.5, application: { ...entry, bin_file: '../a.bin' } } }, whole),
      'artifact.malformed',
      'plain file name',
    ],
    [
      'one file for two purposes',
      zip({ manifest: { dfu_version: 0.5, application: { ...entry, bin_file: 'a.dat' } } }, whole),
      'artifact.malformed',
      'named twice',
    ],
    [
      'a manifest that contradicts the init packet',
      zip({ manifest: { application: { ...entry, init_packet_data: { device_type: 5 } } } }, whole),
      'artifact.malformed',
      'device_type',
    ],
    ['parts without sizes', zip(sdbl({}), whole), 'artifact.malformed', 'sd_size'],
    ['parts with other sizes', zip(sdbl({ sd_size: 8, bl_size: 4 }), whole), 'artifact.malformed', 'add up to 12'],
    [
      'parts twice',
      zip(
        {
          manifest: {
            softdevice_bootloader: { ...entry, sd_size: 8, bl_size: 8 },
            bootloader: { ...entry, bin_file: 'b.bin', dat_file: 'b.dat' },
          },
        },
        { ...whole, 'b.bin': I16, 'b.dat': DAT_05 },
      ),
      'artifact.malformed',
      'excludes',
    ],
    [
      'hex and bin of one name',
      zipSync({ 'application.bin': I16, 'application.hex': I16 }),
      'artifact.malformed',
      'which one',
    ],
  ])('%s', (_, bytes, code, text) => {
    const error = refusal(bytes);
    expect([error.code, error.message]).toEqual([code, expect.stringContaining(text)]);
  });

  it('images for different devices are no package', () => {
    const two = zip(
      {
        manifest: {
          dfu_version: 0.5,
          application: entry,
          bootloader: { bin_file: 'b.bin', dat_file: 'b.dat' },
        },
      },
      {
        'a.bin': I16,
        'a.dat': DAT_05_NAMED,
        'b.bin': I16,
        'b.dat': Uint8Array.of(0x53, 0, ...DAT_05_NAMED.subarray(2)),
      },
    );
    expect(() => describeArtifact(two)).toThrow(/different hardware/);
  });

  it('any cut or changed archive gives a package or an artifact error', () => {
    const taken = (bytes: Uint8Array): void => {
      looksLikeLegacyPackage(bytes);
      try {
        describeLegacyPackage(bytes);
      } catch (error) {
        expect(error).toBeInstanceOf(ArtifactError);
      }
    };
    fc.assert(fc.property(fc.nat(MADE.length), (length) => taken(MADE.subarray(0, length))));
    fc.assert(
      fc.property(fc.nat(MADE.length - 1), fc.nat(255), (at, byte) => {
        const bytes = MADE.slice();
        bytes[at] = byte;
        taken(bytes);
      }),
      { numRuns: 300 },
    );
    fc.assert(
      fc.property(fc.jsonValue(), (value) =>
        taken(zip({ manifest: { dfu_version: 0.5, application: value } }, { 'a.bin': I16 })),
      ),
    );
  });
});
