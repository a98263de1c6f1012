import { describe, expect, it } from '@jest/globals';
import { sha256 } from '@noble/hashes/sha2.js';
import fc from 'fast-check';
import { strToU8, unzipSync, zipSync } from 'fflate';
import { toHex } from '../../bytes/hex.js';
import { ArtifactError } from '../../errors.js';
import { describeNordicPackage, nordicPayloads } from './describe-package.js';
import { encodeInitCommand, encodeInitPacket, FirmwareType, type InitCommand } from './init-packet.js';
import { makeNordicPackage, makeNordicPackageOf } from './make-package.js';
import { looksLikeNordicPackage, openNordicPackage } from './package.js';
import { nordicPublicKey, nordicPublicKeyOf, signNordic, verifyNordicSignature } from './signature.js';
import { I16, RFC6979_PRIVATE_KEY, RFC6979_PUBLIC_KEY, SIGNED_PACKET } from './vectors.fixture.js';

const signed = makeNordicPackage({
  application: I16,
  hwVersion: 52,
  fwVersion: 1,
  sdReq: [0x0101],
  privateKey: RFC6979_PRIVATE_KEY,
});

function refusal(bytes: Uint8Array): ArtifactError {
  try {
    openNordicPackage(bytes);
  } catch (error) {
    if (error instanceof ArtifactError) return error;
    throw error;
  }
  throw new Error('it was taken');
}

/** A package from its parts, so that each can be wrong. */
function zip(manifest: unknown, files: Record<string, Uint8Array> = {}): Uint8Array {
  return zipSync({ ...files, 'manifest.json': strToU8(JSON.stringify(manifest)) });
}

const INIT: InitCommand = {
  fwVersion: 1,
  hwVersion: 52,
  sdReq: [0x0101],
  type: FirmwareType.Application,
  appSizeBytes: 16,
  sha256: sha256(I16),
  isDebug: false,
  bootValidation: [],
};
const dat = (change: Partial<InitCommand> = {}): Uint8Array =>
  encodeInitPacket(encodeInitCommand({ ...INIT, ...change }));
const application = { manifest: { application: { bin_file: 'a.bin', dat_file: 'a.dat' } } };

describe('a package made here', () => {
  it('holds the worked init packet', () => {
    expect(toHex(unzipSync(signed)['application.dat']!)).toBe(toHex(SIGNED_PACKET));
  });

  it('is the same bytes each time', () => {
    const again = makeNordicPackage({
      application: I16,
      hwVersion: 52,
      fwVersion: 1,
      sdReq: [0x0101],
      privateKey: RFC6979_PRIVATE_KEY,
    });
    expect(toHex(again)).toBe(toHex(signed));
  });

  it('is described', () => {
    expect(describeNordicPackage(signed, { publicKey: RFC6979_PUBLIC_KEY })).toEqual({
      format: 'nordic-secure-zip',
      protocols: ['secure-dfu'],
      sha256: toHex(sha256(signed)),
      sizeBytes: signed.length,
      images: [
        {
          image: 0,
          kind: 'application',
          version: '1',
          sizeBytes: 16,
          sha256: 'be45cb2605bf36bebde684841a28f0fd43c69850a3dce5fedba69928ee3a8991',
          member: 'application.bin',
          initPacketBytes: 139,
        },
      ],
      signatures: [{ scheme: 'ecdsa-p256-sha256', covers: 'init:0' }],
      hardware: { hwVersion: 52, sdReq: '0x0101' },
      notes: ['application: requires one of the SoftDevices 0x0101'],
    });
  });

  it('hands out what a session reads', () => {
    const payloads = nordicPayloads(signed);
    expect([...payloads.keys()]).toEqual(['init:0', 'image:0']);
    expect(toHex(payloads.get('init:0')!)).toBe(toHex(SIGNED_PACKET));
    expect(toHex(payloads.get('image:0')!)).toBe(toHex(I16));
  });

  it('reads a Node buffer, whose slices share memory, without changing it', () => {
    const buffer = Buffer.from(signed);
    expect(describeNordicPackage(buffer)).toEqual(describeNordicPackage(signed));
    expect(openNordicPackage(buffer)).toEqual(openNordicPackage(signed));
    expect(toHex(buffer)).toBe(toHex(signed));
  });

  it('makes the round trip with any contents', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ minLength: 1, maxLength: 5000 }),
        fc.nat(0xffffffff),
        fc.nat(0xffffffff),
        fc.boolean(),
        (bytes, fwVersion, hwVersion, isDebug) => {
          const { images } = openNordicPackage(
            makeNordicPackage({ application: bytes, fwVersion, hwVersion, isDebug }),
          );
          const { firmware, packet } = images[0]!;
          expect(firmware.length).toBe(Math.ceil(bytes.length / 4) * 4);
          expect(toHex(firmware.subarray(0, bytes.length))).toBe(toHex(bytes));
          expect(firmware.subarray(bytes.length).every((byte) => byte === 0xff)).toBe(true);
          expect(packet.init).toMatchObject({ fwVersion, hwVersion, isDebug });
        },
      ),
    );
  });

  it.each(['bootloader_application', 'softdevice_application', 'softdevice_bootloader_application'])(
    'takes the joined image %s of the mobile libraries as the application that it is to the bootloader',
    (key) => {
      const file = zip({ manifest: { [key]: application.manifest.application } }, { 'a.bin': I16, 'a.dat': dat() });
      expect(openNordicPackage(file).images.map(({ kind, image }) => [kind, image])).toEqual([['application', 0]]);
    },
  );

  it('carries the boot validation that was asked for, a signature checked with it', () => {
    const part = { application: I16, hwVersion: 52, fwVersion: 1, sdReq: [0x0101], privateKey: RFC6979_PRIVATE_KEY };
    const opened = openNordicPackage(makeNordicPackage({ ...part, bootValidation: 3 }));
    expect(opened.images[0]!.packet.init.bootValidation).toMatchObject([{ type: 3 }]);
    expect(verifyNordicSignature(opened, RFC6979_PUBLIC_KEY)).toBe(true);
    const init = openNordicPackage(makeNordicPackage({ ...part, bootValidation: 2 })).images[0]!.packet.init;
    expect(init.bootValidation).toEqual([{ type: 2, bytes: new Uint8Array() }]);
    expect(() => makeNordicPackage({ ...part, privateKey: undefined, bootValidation: 3 })).toThrow('needs the key');
  });

  it('with all images comes out in the order of sending', () => {
    const part = { hwVersion: 52, fwVersion: 2, sdReq: [0x0100] };
    const bytes = makeNordicPackageOf({
      application: { ...part, bytes: I16 },
      softdevice_bootloader: { ...part, bytes: I16, bootloader: Uint8Array.of(1, 2, 3) },
    });
    const description = describeNordicPackage(bytes);
    expect(description.images.map(({ kind, image, sizeBytes }) => [kind, image, sizeBytes])).toEqual([
      ['softdevice-bootloader', 3, 20],
      ['application', 0, 16],
    ]);
    expect(description.signatures).toEqual([]);
    expect(description.notes.join('\n')).toContain('not signed');
    const alone = describeNordicPackage(
      makeNordicPackageOf({ softdevice: { ...part, bytes: I16 }, bootloader: { ...part, bytes: I16 } }),
    );
    expect(alone.images.map(({ kind }) => kind)).toEqual(['softdevice', 'bootloader']);
  });

  it('says that it is a debug build', () => {
    const description = describeNordicPackage(makeNordicPackage({ application: I16, hwVersion: 52, isDebug: true }));
    expect(description.hardware).toEqual({ hwVersion: 52, sdReq: '0xfffe', debug: 1 });
    expect(description.notes.join('\n')).toContain('debug build');
  });
});

describe('its signature', () => {
  it('holds for the key in each of its spellings', () => {
    const opened = openNordicPackage(signed);
    expect(verifyNordicSignature(opened, RFC6979_PUBLIC_KEY)).toBe(true);
    expect(verifyNordicSignature(opened, Uint8Array.of(4, ...RFC6979_PUBLIC_KEY))).toBe(true);
    expect(verifyNordicSignature(opened, nordicPublicKeyOf(RFC6979_PRIVATE_KEY))).toBe(true);
    expect(verifyNordicSignature(opened, nordicPublicKey(nordicPublicKey(RFC6979_PUBLIC_KEY)))).toBe(true);
  });

  it('holds for no other key, and no unsigned package', () => {
    const other = nordicPublicKeyOf(new Uint8Array(32).fill(7));
    expect(verifyNordicSignature(openNordicPackage(signed), other)).toBe(false);
    expect(() => describeNordicPackage(signed, { publicKey: other })).toThrow(ArtifactError);
    const unsigned = openNordicPackage(makeNordicPackage({ application: I16, hwVersion: 52, fwVersion: 1 }));
    expect(verifyNordicSignature(unsigned, RFC6979_PUBLIC_KEY)).toBe(false);
  });

  it('does not survive a change of the signed words', () => {
    const signature = signNordic(encodeInitCommand(INIT), RFC6979_PRIVATE_KEY);
    const changed = encodeInitPacket(encodeInitCommand({ ...INIT, fwVersion: 2 }), signature);
    const bytes = zip(application, { 'a.bin': I16, 'a.dat': changed });
    expect(verifyNordicSignature(openNordicPackage(bytes), RFC6979_PUBLIC_KEY)).toBe(false);
  });

  it('is not asked of a key that is none', () => {
    expect(() => verifyNordicSignature(openNordicPackage(signed), new Uint8Array(64))).toThrow(ArtifactError);
  });
});

describe('a package that is refused', () => {
  const whole = { 'a.bin': I16, 'a.dat': dat() };
  it('is taken when nothing is wrong', () => {
    expect(openNordicPackage(zip(application, whole)).images).toHaveLength(1);
  });

  const cases: readonly (readonly [string, Uint8Array, string, string])[] = [
    ['no zip', strToU8('hello, this is no archive at all'), 'artifact.malformed', 'missing'],
    ['no manifest', zipSync(whole), 'artifact.unknown-format', 'without manifest.json'],
    ['another manifest', zip({ files: [] }, whole), 'artifact.unknown-format', 'none of a Nordic'],
    ['manifest of no JSON', zipSync({ 'manifest.json': strToU8('{') }), 'artifact.malformed', 'no JSON'],
    ['manifest of a list', zip([]), 'artifact.malformed', 'no object'],
    ['endless manifest', zipSync({ 'manifest.json': new Uint8Array(70_000) }), 'artifact.limit', 'manifest.json'],
    ['empty manifest', zip({ manifest: {} }), 'artifact.malformed', 'names no image'],
    ['missing bin', zip(application, { 'a.dat': dat() }), 'artifact.malformed', 'no file a.bin'],
    ['missing dat', zip(application, { 'a.bin': I16 }), 'artifact.malformed', 'no file a.dat'],
    [
      'a file name with a path',
      zip({ manifest: { application: { bin_file: '../a.bin', dat_file: 'a.dat' } } }, whole),
      'artifact.malformed',
      'plain file name',
    ],
    [
      'legacy by version',
      zip({ manifest: { ...application.manifest, dfu_version: 0.5 } }, whole),
      'artifact.unsupported',
      'Legacy',
    ],
    [
      'legacy by init packet data',
      zip({ manifest: { application: { bin_file: 'a.bin', dat_file: 'a.dat', init_packet_data: {} } } }, whole),
      'artifact.unsupported',
      'Legacy',
    ],
    [
      'two applications',
      zip(
        {
          manifest: {
            application: { bin_file: 'a.bin', dat_file: 'a.dat' },
            softdevice_application: { bin_file: 'b.bin', dat_file: 'b.dat' },
          },
        },
        { ...whole, 'b.bin': I16, 'b.dat': dat() },
      ),
      'artifact.malformed',
      'two applications',
    ],
    [
      'type and key disagree',
      zip({ manifest: { bootloader: application.manifest.application } }, whole),
      'artifact.malformed',
      'under bootloader',
    ],
    [
      'another size',
      zip(application, { ...whole, 'a.dat': dat({ appSizeBytes: 20 }) }),
      'artifact.malformed',
      'says 20',
    ],
    [
      'another hash',
      zip(application, { ...whole, 'a.dat': dat({ sha256: new Uint8Array(32) }) }),
      'artifact.digest',
      'a.bin',
    ],
    [
      'a length that is no multiple of 4',
      zip(application, {
        'a.bin': I16.subarray(0, 15),
        'a.dat': dat({ appSizeBytes: 15, sha256: sha256(I16.subarray(0, 15)) }),
      }),
      'artifact.malformed',
      'multiple of 4',
    ],
    ['an empty image', zip(application, { ...whole, 'a.bin': new Uint8Array() }), 'artifact.malformed', 'empty'],
    [
      'no hardware version',
      zip(application, { ...whole, 'a.dat': encodeInitPacket(encodeInitCommand(withoutHardware())) }),
      'artifact.malformed',
      'hw_version',
    ],
    [
      'an image beyond any flash',
      zip(application, { ...whole, 'a.bin': new Uint8Array(1024 * 1024 + 4) }),
      'artifact.limit',
      'a.bin',
    ],
    [
      'an endless init packet',
      zip(application, { ...whole, 'a.dat': new Uint8Array(5000) }),
      'artifact.limit',
      'a.dat',
    ],
    [
      'one file for two purposes',
      zip({ manifest: { application: { bin_file: 'a.dat', dat_file: 'a.dat' } } }, whole),
      'artifact.malformed',
      'a.dat',
    ],
  ];
  it.each(cases)('%s', (_, bytes, code, text) => {
    const error = refusal(bytes);
    expect([error.code, error.message]).toEqual([code, expect.stringContaining(text)]);
  });

  it('any cut or changed archive gives a package or an artifact error', () => {
    const taken = (bytes: Uint8Array): void => {
      try {
        openNordicPackage(bytes);
      } catch (error) {
        expect(error).toBeInstanceOf(ArtifactError);
      }
    };
    fc.assert(fc.property(fc.nat(signed.length), (length) => taken(signed.subarray(0, length))));
    fc.assert(
      fc.property(fc.nat(signed.length - 1), fc.nat(255), (at, byte) => {
        const bytes = signed.slice();
        bytes[at] = byte;
        taken(bytes);
      }),
    );
  });

  it('is told apart from other files by a look', () => {
    expect(looksLikeNordicPackage(signed)).toBe(true);
    expect(looksLikeNordicPackage(zip({ files: [] }))).toBe(false);
    expect(looksLikeNordicPackage(I16)).toBe(false);
  });
});

function withoutHardware(): InitCommand {
  const { hwVersion: _, ...rest } = INIT;
  return rest;
}
