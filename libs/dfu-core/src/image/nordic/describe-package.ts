/** What people and programs are told about a Nordic Secure DFU package. */
import { sha256 } from '@noble/hashes/sha2.js';
import { toHex } from '../../bytes/hex.js';
import { ArtifactError } from '../../errors.js';
import type { ArtifactDescription } from '../description.js';
import type { ZipLimits } from '../zip.js';
import { type InitCommand } from './init-packet.js';
import { type NordicImage, type NordicPackage, openNordicPackage } from './package.js';
import { verifyNordicSignature } from './signature.js';

export const NORDIC_SECURE_FORMAT = 'nordic-secure-zip';

export interface DescribeOptions {
  readonly limits?: ZipLimits;
  /** SEC1 P-256 key that must have signed every image; without it signatures are described, not checked. */
  readonly publicKey?: Uint8Array;
}

/**
 * Reads, checks and describes a package.
 * `hardware` holds `hwVersion`, `sdReq` (FWIDs as `0x0101,0x0100`, in the order of the file), and `debug: 1` for a debug build.
 * @throws ArtifactError as `openNordicPackage`; `artifact.signature` when `publicKey` is given and does not hold.
 */
export function describeNordicPackage(bytes: Uint8Array, options: DescribeOptions = {}): ArtifactDescription {
  const opened = openNordicPackage(bytes, options.limits);
  if (options.publicKey && !verifyNordicSignature(opened, options.publicKey)) {
    throw new ArtifactError('artifact.signature', {
      detail: 'at least one image of the package is not signed with the given key',
    });
  }
  return {
    format: NORDIC_SECURE_FORMAT,
    protocols: ['secure-dfu'],
    sha256: toHex(sha256(bytes)),
    sizeBytes: bytes.length,
    images: opened.images.map((image) => ({
      image: image.image,
      kind: image.kind,
      ...(image.packet.init.fwVersion === undefined ? {} : { version: String(image.packet.init.fwVersion) }),
      sizeBytes: image.firmware.length,
      sha256: toHex(sha256(image.firmware)),
      member: image.binFile,
      initPacketBytes: image.initPacket.length,
    })),
    signatures: opened.images.flatMap(({ image, packet }) =>
      packet.signature ? [{ scheme: 'ecdsa-p256-sha256' as const, covers: `init:${image}` }] : [],
    ),
    hardware: hardwareOf(opened),
    notes: [
      ...opened.images.flatMap(notesOf),
      ...opened.extraFiles.map((name) => `the manifest does not name ${name}`),
    ],
  };
}

/**
 * What a session reads: `init:N` and `image:N` with N the number of the image.
 * @throws ArtifactError as `openNordicPackage`.
 */
export function nordicPayloads(file: Uint8Array): ReadonlyMap<string, Uint8Array> {
  return new Map(
    openNordicPackage(file).images.flatMap(({ image, initPacket, firmware }): [string, Uint8Array][] => [
      [`init:${image}`, initPacket],
      [`image:${image}`, firmware],
    ]),
  );
}

function hardwareOf(opened: NordicPackage): Record<string, string | number> {
  const first = opened.images[0]!.packet.init;
  const versions = new Set(opened.images.map(({ packet }) => packet.init.hwVersion));
  if (versions.size > 1) {
    throw new ArtifactError('artifact.malformed', {
      field: 'hw_version',
      offset: 0,
      detail: `the images of the package are for different hardware (${[...versions].join(', ')})`,
    });
  }
  return {
    ...(first.hwVersion === undefined ? {} : { hwVersion: first.hwVersion }),
    ...(first.sdReq.length === 0 ? {} : { sdReq: first.sdReq.map(fwid).join(',') }),
    ...(opened.images.some(({ packet }) => packet.init.isDebug) ? { debug: 1 } : {}),
  };
}

const fwid = (value: number): string => `0x${value.toString(16).padStart(4, '0')}`;

function notesOf(image: NordicImage): string[] {
  const { init, signature } = image.packet;
  const notes = [softdeviceNote(init)];
  if (init.isDebug) notes.push('debug build: a debug bootloader skips hardware, SoftDevice and version checks for it');
  if (!signature) notes.push('not signed: only bootloaders built without signature check take it');
  if (init.fwVersion === undefined) notes.push('no fw_version: bootloaders with downgrade prevention refuse it');
  if (init.sdReq.length > 4)
    notes.push('more than 4 SoftDevices named: bootloaders of nRF5 SDK 14 and older refuse it');
  for (const { type } of init.bootValidation) {
    if (type !== 1) notes.push(`boot validation: ${BOOT_VALIDATIONS[type] ?? `unknown type ${type}`}`);
  }
  if (image.kind === 'softdevice' || image.kind === 'softdevice-bootloader') {
    notes.push(
      'after it the bootloader waits 10 s for an application, for ever where the application needs another SoftDevice',
    );
  }
  return notes.map((note) => `${image.kind}: ${note}`);
}

const BOOT_VALIDATIONS: Readonly<Record<number, string>> = { 0: 'none', 1: 'CRC', 2: 'SHA-256', 3: 'ECDSA P-256' };

function softdeviceNote(init: InitCommand): string {
  if (init.sdReq.length === 0) return 'names no SoftDevice';
  if (init.sdReq.length === 1 && init.sdReq[0] === 0) return 'requires no SoftDevice';
  return `requires one of the SoftDevices ${init.sdReq.map(fwid).join(', ')}`;
}
