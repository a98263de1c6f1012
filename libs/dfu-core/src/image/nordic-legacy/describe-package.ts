/** What people and programs are told about a Nordic Legacy DFU package. */
import { sha256 } from '@noble/hashes/sha2.js';
import { toHex } from '../../bytes/hex.js';
import { ByteWriter } from '../../bytes/byte-writer.js';
import { ArtifactError } from '../../errors.js';
import type { ArtifactDescription } from '../description.js';
import type { ZipLimits } from '../zip.js';
import { ANY_DEVICE_REVISION, ANY_DEVICE_TYPE, ANY_SOFTDEVICE, NO_APPLICATION_VERSION } from './init-packet.js';
import { type LegacyImage, type LegacyPackage, openLegacyPackage } from './package.js';
import { verifyLegacySignature } from './signature.js';

export const NORDIC_LEGACY_FORMAT = 'nordic-legacy-zip';
/** Adafruit's bootloaders take no other device type. */
const ADAFRUIT_DEVICE_TYPE = 0x0052;

export interface DescribeLegacyOptions {
  readonly limits?: ZipLimits;
  /** SEC1 P-256 key that must have signed every image; without it signatures are described, not checked. */
  readonly publicKey?: Uint8Array;
}

/**
 * Reads, checks and describes a package.
 * `hardware` holds `deviceType` and `deviceRevision` where they are named, and `sdReq` (FWIDs as `0x0064,0x0067`).
 * @throws ArtifactError as `openLegacyPackage`; `artifact.signature` when `publicKey` is given and does not hold.
 */
export function describeLegacyPackage(bytes: Uint8Array, options: DescribeLegacyOptions = {}): ArtifactDescription {
  const opened = openLegacyPackage(bytes, options.limits);
  if (options.publicKey && !verifyLegacySignature(opened, options.publicKey)) {
    throw new ArtifactError('artifact.signature', {
      detail: 'at least one image of the package is not signed with the given key',
    });
  }
  return {
    format: NORDIC_LEGACY_FORMAT,
    protocols: ['legacy-dfu', 'legacy-serial'],
    sha256: toHex(sha256(bytes)),
    sizeBytes: bytes.length,
    images: opened.images.map((image) => ({
      image: image.image,
      kind: image.kind,
      ...versionOf(image),
      sizeBytes: image.firmware.length,
      sha256: toHex(sha256(image.firmware)),
      member: image.binFile,
      initPacketBytes: image.initPacket.length,
    })),
    signatures: opened.images.flatMap(({ image, packet }) =>
      packet?.extension.form === 'signed' ? [{ scheme: 'ecdsa-p256-sha256' as const, covers: `init:${image}` }] : [],
    ),
    hardware: hardwareOf(opened),
    notes: [
      ...opened.images.flatMap(notesOf),
      ...opened.extraFiles.map((name) => `nothing in the package refers to ${name}`),
    ],
  };
}

/**
 * What a session reads: `init:N`, `image:N`, and `sizes:N`, the twelve bytes (SoftDevice, bootloader, application; u32
 * little-endian each) that announce the image.
 * @throws ArtifactError as `openLegacyPackage`.
 */
export function legacyPayloads(file: Uint8Array): ReadonlyMap<string, Uint8Array> {
  return new Map(
    openLegacyPackage(file).images.flatMap(({ image, initPacket, firmware, sizes }): [string, Uint8Array][] => [
      [`init:${image}`, initPacket],
      [`image:${image}`, firmware],
      [
        `sizes:${image}`,
        new ByteWriter().u32le(sizes.softdevice).u32le(sizes.bootloader).u32le(sizes.application).finish(),
      ],
    ]),
  );
}

function versionOf({ packet }: LegacyImage): { version?: string } {
  const version = packet?.applicationVersion;
  return version === undefined || version === NO_APPLICATION_VERSION ? {} : { version: String(version) };
}

function hardwareOf(opened: LegacyPackage): Record<string, string | number> {
  const one = (field: string, read: (image: LegacyImage) => number | undefined, any: number): number | undefined => {
    const values = new Set(opened.images.map(read).filter((value) => value !== undefined && value !== any));
    if (values.size > 1) {
      throw new ArtifactError('artifact.malformed', {
        field,
        offset: 0,
        detail: `the images of the package are for different hardware (${[...values].join(', ')})`,
      });
    }
    return [...values][0];
  };
  const deviceType = one('device_type', ({ packet }) => packet?.deviceType, ANY_DEVICE_TYPE);
  const deviceRevision = one('device_rev', ({ packet }) => packet?.deviceRevision, ANY_DEVICE_REVISION);
  // The SoftDevices that the application needs; a package that brings one names the old ones there.
  const softdevices = (opened.images.at(-1)?.packet?.softdevices ?? []).filter((fwid) => fwid !== ANY_SOFTDEVICE);
  return {
    ...(deviceType === undefined ? {} : { deviceType }),
    ...(deviceRevision === undefined ? {} : { deviceRevision }),
    ...(softdevices.length === 0 ? {} : { sdReq: softdevices.map(fwid).join(',') }),
  };
}

const fwid = (value: number): string => `0x${value.toString(16).padStart(4, '0')}`;

function notesOf(image: LegacyImage): string[] {
  const { packet, sizes } = image;
  const notes: string[] = [];
  if (image.kind === 'softdevice-bootloader') {
    notes.push(`SoftDevice of ${sizes.softdevice} bytes, then bootloader of ${sizes.bootloader} bytes`);
  }
  if (!packet) {
    notes.push('no init packet: only bootloaders of nRF5 SDK 6.1 and older take it');
  } else if (packet.deviceType === undefined) {
    notes.push('the init packet is a CRC alone: only bootloaders of nRF5 SDK 6.1 and older take it');
  } else {
    if (packet.softdevices.includes(ANY_SOFTDEVICE)) notes.push('goes with any SoftDevice');
    else notes.push(`requires one of the SoftDevices ${packet.softdevices.map(fwid).join(', ')}`);
    if (packet.deviceType === ANY_DEVICE_TYPE)
      notes.push("names no device type: every bootloader but Adafruit's takes it");
    if (packet.deviceType === ADAFRUIT_DEVICE_TYPE) notes.push('device type of Adafruit bootloaders');
    switch (packet.extension.form) {
      case 'crc16':
        notes.push('protected by a CRC-16, not signed');
        break;
      case 'crc16-with-id':
        notes.push('protected by a CRC-16 with number (dfu_ver 0.6), which the usual bootloaders misread');
        break;
      case 'sha256':
        notes.push(
          'protected by SHA-256 (dfu_ver 0.7), not signed: bootloaders that check a CRC only refuse it or break',
        );
        break;
      case 'signed':
        notes.push('signed (dfu_ver 0.8): only for bootloaders built with a key; others must not be sent this');
    }
  }
  return notes.map((note) => `${image.kind}: ${note}`);
}
