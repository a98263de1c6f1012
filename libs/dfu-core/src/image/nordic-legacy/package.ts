/**
 * Nordic Legacy DFU packages: `.zip` with `manifest.json` and one `.dat` and `.bin` per image, or, older, without manifest
 * and with fixed names.
 *
 * Sources: nrfutil 0.2.1 and 0.5.3, nordicsemi/dfu/package.py and manifest.py; Android-DFU-Library,
 * ArchiveInputStream.java (files without manifest, order of sending); packages of nRF5 SDK 8 and 11.
 */
import { sha256 } from '@noble/hashes/sha2.js';
import { strFromU8 } from 'fflate';
import { toHex } from '../../bytes/hex.js';
import { ArtifactError } from '../../errors.js';
import { crc16CcittFalse } from '../../framing/crc16-ccitt-false.js';
import { NORDIC_IMAGE_NUMBERS, NORDIC_ZIP_LIMITS, type NordicImageKind } from '../nordic/package.js';
import { looksLikeZip, openZip, type ZipArchive, type ZipLimits } from '../zip.js';
import { firmwareOf } from './firmware-file.js';
import { decodeLegacyInitPacket, type LegacyInitPacket } from './init-packet.js';
import { checkManifestEntry, parseSizes } from './manifest-entry.js';

export type LegacyImageKind = Exclude<NordicImageKind, 'external-application'>;

/** Bytes of the parts of one transfer, as its start packet announces them; 0 = not part of it. */
export interface LegacySizes {
  readonly softdevice: number;
  readonly bootloader: number;
  readonly application: number;
}

export interface LegacyImage {
  /** As `NORDIC_IMAGE_NUMBERS`. */
  readonly image: number;
  readonly kind: LegacyImageKind;
  readonly binFile: string;
  /** Bytes of the `.dat` file; empty where the file has none, which only bootloaders of SDK 6.1 and older allow. */
  readonly initPacket: Uint8Array;
  readonly packet?: LegacyInitPacket;
  /** Bytes as they go to the device: for SoftDevice and bootloader together, one behind the other. */
  readonly firmware: Uint8Array;
  readonly sizes: LegacySizes;
}

export interface LegacyPackage {
  /** In the order in which they must be sent. */
  readonly images: readonly LegacyImage[];
  /** As the manifest states it, in words. */
  readonly dfuVersion?: string;
  /** Files of the archive that belong to no image. */
  readonly extraFiles: readonly string[];
}

const MAX_MANIFEST_BYTES = 64 * 1024;
/** Flash of the largest chip with such a bootloader (nRF52840, Adafruit). */
const MAX_FLASH_BYTES = 1024 * 1024;
const MANIFEST = 'manifest.json';

/** Manifest keys in the order of sending. */
const KEYS = ['softdevice_bootloader', 'softdevice', 'bootloader', 'application'] as const;
type ManifestKey = (typeof KEYS)[number];
const KINDS: Readonly<Record<ManifestKey, LegacyImageKind>> = {
  softdevice_bootloader: 'softdevice-bootloader',
  softdevice: 'softdevice',
  bootloader: 'bootloader',
  application: 'application',
};
const PLAIN_NAMES = /^(softdevice|bootloader|application)\.(hex|bin)$/;

const malformed = (field: string, offset: number, detail: string, cause?: unknown): ArtifactError =>
  new ArtifactError('artifact.malformed', { field, offset, detail }, { cause });

/**
 * Whether a zip archive is meant as a legacy package: its manifest says so, its init packets are legacy ones, or it has
 * no manifest and the names of old. Never throws; what is wrong in it is told by opening it.
 */
export function looksLikeLegacyPackage(bytes: Uint8Array): boolean {
  if (!looksLikeZip(bytes)) return false;
  try {
    const archive = openZip(bytes, NORDIC_ZIP_LIMITS);
    const names = archive.entries.map(({ name }) => name);
    if (!names.includes(MANIFEST)) return names.some((name) => PLAIN_NAMES.test(name));
    const manifest = readManifest(archive);
    return isGiven(manifest['dfu_version']) || entriesOf(manifest).some((entry) => isLegacyEntry(archive, entry));
  } catch {
    return false;
  }
}

function isLegacyEntry(archive: ZipArchive, entry: Record<string, unknown>): boolean {
  if (isGiven(entry['init_packet_data'])) return true;
  const name = entry['dat_file'];
  const dat = typeof name === 'string' ? archive.read(name) : undefined;
  // A secure init packet is a protobuf of at least 60 bytes that begins with one of these tags.
  if (!dat || (dat.length >= 60 && (dat[0] === 0x0a || dat[0] === 0x12))) return false;
  try {
    return decodeLegacyInitPacket(dat) !== undefined;
  } catch {
    return false;
  }
}

/**
 * Opens a package and makes every check that needs no device.
 * @throws ArtifactError `artifact.unknown-format` (no package of this kind), `artifact.malformed`, `artifact.limit`,
 * `artifact.digest`, `artifact.unsupported`.
 */
export function openLegacyPackage(bytes: Uint8Array, limits: ZipLimits = NORDIC_ZIP_LIMITS): LegacyPackage {
  const archive = openZip(bytes, limits);
  const names = archive.entries.map(({ name }) => name);
  const used = new Set<string>([MANIFEST]);
  const opened = names.includes(MANIFEST) ? openWithManifest(archive, used) : openPlain(archive, names, used);
  return { ...opened, extraFiles: names.filter((name) => !used.has(name)) };
}

function openWithManifest(archive: ZipArchive, used: Set<string>): Omit<LegacyPackage, 'extraFiles'> {
  const manifest = readManifest(archive);
  const images: LegacyImage[] = [];
  for (const key of KEYS) {
    if (!isGiven(manifest[key])) continue;
    const entry = asObject(manifest[key], `manifest: ${key}`);
    const binFile = take(entry['bin_file'], `manifest: ${key}.bin_file`, used);
    const datFile = take(entry['dat_file'], `manifest: ${key}.dat_file`, used);
    const firmware = read(archive, binFile, `manifest: ${key}.bin_file`);
    const sizes =
      key === 'softdevice_bootloader'
        ? parseSizes(entry, firmware.length, binFile)
        : { softdevice: 0, bootloader: 0, application: 0, [key]: firmware.length };
    const image = makeImage(KINDS[key], binFile, firmware, sizes, {
      name: datFile,
      bytes: read(archive, datFile, `manifest: ${key}.dat_file`),
    });
    if (isGiven(entry['init_packet_data'])) {
      checkManifestEntry(asObject(entry['init_packet_data'], `manifest: ${key}.init_packet_data`), key, image.packet!);
    }
    images.push(image);
  }
  if (images.length === 0) throw malformed('manifest', 0, 'it names no image');
  if (
    isGiven(manifest['softdevice_bootloader']) &&
    (isGiven(manifest['softdevice']) || isGiven(manifest['bootloader']))
  ) {
    throw malformed('manifest', 0, 'softdevice_bootloader excludes softdevice and bootloader');
  }
  const version = manifest['dfu_version'];
  return {
    images,
    ...(typeof version === 'number' || typeof version === 'string' ? { dfuVersion: String(version) } : {}),
  };
}

/** No manifest: the names tell. `system.dat` covers SoftDevice and bootloader, together where both are there. */
function openPlain(
  archive: ZipArchive,
  names: readonly string[],
  used: Set<string>,
): Omit<LegacyPackage, 'extraFiles'> {
  const find = (stem: string): { name: string; firmware: Uint8Array } | undefined => {
    const found = names.filter((name) => name === `${stem}.bin` || name === `${stem}.hex`);
    if (found.length > 1) throw malformed(found[1]!, 0, `the archive has ${found.join(' and ')}: which one is meant?`);
    const name = found[0];
    if (name === undefined) return undefined;
    used.add(name);
    return { name, firmware: firmwareOf(archive.read(name)!, name) };
  };
  const dat = (name: string): { name: string; bytes: Uint8Array } | undefined => {
    const bytes = archive.read(name);
    if (!bytes) return undefined;
    used.add(name);
    return { name, bytes };
  };
  const softdevice = find('softdevice');
  const bootloader = find('bootloader');
  const application = find('application');
  const none = { softdevice: 0, bootloader: 0, application: 0 };
  const images: LegacyImage[] = [];
  if (softdevice && bootloader) {
    const firmware = joined(softdevice.firmware, bootloader.firmware);
    const sizes = { ...none, softdevice: softdevice.firmware.length, bootloader: bootloader.firmware.length };
    const name = `${softdevice.name} and ${bootloader.name}`;
    images.push(makeImage('softdevice-bootloader', name, firmware, sizes, dat('system.dat')));
  } else if (softdevice) {
    const sizes = { ...none, softdevice: softdevice.firmware.length };
    images.push(makeImage('softdevice', softdevice.name, softdevice.firmware, sizes, dat('system.dat')));
  } else if (bootloader) {
    const sizes = { ...none, bootloader: bootloader.firmware.length };
    images.push(makeImage('bootloader', bootloader.name, bootloader.firmware, sizes, dat('system.dat')));
  }
  if (application) {
    const sizes = { ...none, application: application.firmware.length };
    images.push(makeImage('application', application.name, application.firmware, sizes, dat('application.dat')));
  }
  if (images.length === 0) {
    throw new ArtifactError('artifact.unknown-format', {
      detail: 'a zip archive with neither manifest.json nor application, bootloader or softdevice',
    });
  }
  return { images };
}

function makeImage(
  kind: LegacyImageKind,
  binFile: string,
  firmware: Uint8Array,
  sizes: LegacySizes,
  dat: { readonly name: string; readonly bytes: Uint8Array } | undefined,
): LegacyImage {
  if (firmware.length === 0) throw malformed(binFile, 0, 'it is empty');
  if (firmware.length > MAX_FLASH_BYTES) {
    throw new ArtifactError('artifact.limit', { field: binFile, actual: firmware.length, limit: MAX_FLASH_BYTES });
  }
  if (firmware.length % 4 !== 0) {
    const detail = `its length ${firmware.length} is no multiple of 4: bootloaders refuse it`;
    throw malformed(binFile, firmware.length, detail);
  }
  const image = { image: NORDIC_IMAGE_NUMBERS[kind], kind, binFile, firmware, sizes };
  if (!dat) return { ...image, initPacket: new Uint8Array() };
  const packet = decodeLegacyInitPacket(dat.bytes, dat.name);
  checkAgainst(firmware, packet, binFile, dat.name);
  return { ...image, initPacket: dat.bytes, packet };
}

/** @throws ArtifactError `artifact.digest` when the init packet vouches for other bytes. */
function checkAgainst(firmware: Uint8Array, packet: LegacyInitPacket, binFile: string, datFile: string): void {
  const { extension } = packet;
  if (packet.deviceType !== undefined && packet.softdevices.length === 0) {
    throw malformed(`${datFile}: SoftDevices`, 8, 'the list is empty: bootloaders refuse that');
  }
  if ('crc16' in extension) {
    const crc = crc16CcittFalse(firmware);
    if (crc === extension.crc16) return;
    const hex = (value: number): string => `0x${value.toString(16).padStart(4, '0')}`;
    throw new ArtifactError('artifact.digest', {
      field: `${binFile} has the CRC ${hex(crc)}, ${datFile} says ${hex(extension.crc16)} (it is the CRC of the binary, not of the hex file)`,
    });
  }
  if (extension.lengthBytes !== firmware.length) {
    throw malformed(
      binFile,
      firmware.length,
      `it has ${firmware.length} bytes, ${datFile} says ${extension.lengthBytes}`,
    );
  }
  if (toHex(sha256(firmware)) !== toHex(extension.sha256)) {
    throw new ArtifactError('artifact.digest', { field: `${binFile} against the hash in ${datFile}` });
  }
}

function readManifest(archive: ZipArchive): Record<string, unknown> {
  const size = archive.entries.find(({ name }) => name === MANIFEST)?.sizeBytes ?? 0;
  if (size > MAX_MANIFEST_BYTES) {
    throw new ArtifactError('artifact.limit', { field: MANIFEST, actual: size, limit: MAX_MANIFEST_BYTES });
  }
  let json: unknown;
  try {
    json = JSON.parse(strFromU8(archive.read(MANIFEST)!));
  } catch (cause) {
    if (cause instanceof ArtifactError) throw cause;
    throw malformed(MANIFEST, 0, 'it is no JSON', cause);
  }
  return asObject(asObject(json, MANIFEST)['manifest'], 'manifest');
}

function entriesOf(manifest: Record<string, unknown>): Record<string, unknown>[] {
  return KEYS.map((key) => manifest[key]).filter(
    (entry): entry is Record<string, unknown> => typeof entry === 'object' && entry !== null && !Array.isArray(entry),
  );
}

/** A file name of the manifest, which no other entry may use. */
function take(value: unknown, field: string, used: Set<string>): string {
  if (typeof value !== 'string' || value === '') throw malformed(field, 0, 'it is missing');
  if (/[/\\:]/.test(value) || value.length > 255) throw malformed(field, 0, 'it is no plain file name');
  if (used.has(value)) throw malformed(field, 0, `${value} is named twice`);
  used.add(value);
  return value;
}

function read(archive: ZipArchive, name: string, field: string): Uint8Array {
  const bytes = archive.read(name);
  if (!bytes) throw malformed(field, 0, `the archive has no file ${name}`);
  return bytes;
}

function joined(first: Uint8Array, second: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(first.length + second.length);
  bytes.set(first);
  bytes.set(second, first.length);
  return bytes;
}

const isGiven = (value: unknown): boolean => value !== undefined && value !== null;

function asObject(value: unknown, field: string): Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw malformed(field, 0, 'it is no object');
  return value as Record<string, unknown>;
}
