/**
 * Nordic Secure DFU packages (`.zip` with `manifest.json`, one `.dat` and one `.bin` per image).
 *
 * Sources: pc-nrfutil, nordicsemi/dfu/package.py and manifest.py; Android-DFU-Library, ArchiveInputStream.java;
 * the order of checks follows what a bootloader of nRF5 SDK 15-17 refuses (nrf_dfu_validation.c), so that a file it
 * would refuse is refused before a device is touched.
 */
import { sha256 } from '@noble/hashes/sha2.js';
import { strFromU8 } from 'fflate';
import { toHex } from '../../bytes/hex.js';
import { ArtifactError } from '../../errors.js';
import { looksLikeZip, openZip, type ZipArchive, type ZipLimits } from '../zip.js';
import { decodeInitPacket, FirmwareType, type InitPacket } from './init-packet.js';
import { malformed } from './protobuf.js';

/** In the words of `ImageDescription.kind`. */
export type NordicImageKind =
  'application' | 'external-application' | 'softdevice' | 'bootloader' | 'softdevice-bootloader';

export interface NordicImage {
  /** Number by kind, so that it stays the same whatever else a package holds: see `NORDIC_IMAGE_NUMBERS`. */
  readonly image: number;
  readonly kind: NordicImageKind;
  readonly binFile: string;
  readonly datFile: string;
  /** Bytes of the `.dat` file as they go to the device. */
  readonly initPacket: Uint8Array;
  readonly packet: InitPacket;
  /** Bytes of the `.bin` file as they go to the device. */
  readonly firmware: Uint8Array;
}

export interface NordicPackage {
  /** In the order in which they must be sent. */
  readonly images: readonly NordicImage[];
  /** Files of the archive that the manifest does not name. */
  readonly extraFiles: readonly string[];
}

/** Image 0 is what runs and states a version; the others never name themselves while the device runs. */
export const NORDIC_IMAGE_NUMBERS: Readonly<Record<NordicImageKind, number>> = {
  application: 0,
  'external-application': 0,
  softdevice: 1,
  bootloader: 2,
  'softdevice-bootloader': 3,
};

/** Beyond any package for a chip with 1 MiB of flash; a caller may pass lower ones. */
export const NORDIC_ZIP_LIMITS: ZipLimits = {
  maxArchiveBytes: 10 * 1024 * 1024,
  maxEntries: 32,
  maxEntryBytes: 8 * 1024 * 1024,
  maxTotalBytes: 16 * 1024 * 1024,
};
const MAX_MANIFEST_BYTES = 64 * 1024;
/** Flash of the largest chip with this bootloader (nRF52840); an external application may lie elsewhere. */
const MAX_FLASH_BYTES = 1024 * 1024;
/** No known bootloader takes more than 512; room for those built otherwise. */
const MAX_INIT_PACKET_BYTES = 4096;
const MANIFEST = 'manifest.json';

/** Manifest keys in the order of sending. */
const KEYS = [
  'softdevice_bootloader',
  'softdevice',
  'bootloader',
  'application',
  'bootloader_application',
  'softdevice_application',
  'softdevice_bootloader_application',
] as const;
type ManifestKey = (typeof KEYS)[number];

const TYPES: Readonly<Record<ManifestKey, readonly FirmwareType[]>> = {
  softdevice_bootloader: [FirmwareType.SoftdeviceBootloader],
  softdevice: [FirmwareType.Softdevice],
  bootloader: [FirmwareType.Bootloader],
  application: [FirmwareType.Application, FirmwareType.ExternalApplication],
  // Joined images of the mobile libraries: one binary that goes out as an application, and is one to the bootloader.
  bootloader_application: [FirmwareType.Application],
  softdevice_application: [FirmwareType.Application],
  softdevice_bootloader_application: [FirmwareType.Application],
};

const KINDS: Readonly<Record<FirmwareType, NordicImageKind>> = {
  [FirmwareType.Application]: 'application',
  [FirmwareType.Softdevice]: 'softdevice',
  [FirmwareType.Bootloader]: 'bootloader',
  [FirmwareType.SoftdeviceBootloader]: 'softdevice-bootloader',
  [FirmwareType.ExternalApplication]: 'external-application',
};

/**
 * Whether opening it as a Nordic package is worth while: it is one, or a zip archive so broken or so large that only
 * opening it tells what is wrong. Never throws.
 */
export function looksLikeNordicPackage(bytes: Uint8Array): boolean {
  if (!looksLikeZip(bytes)) return false;
  try {
    readManifestFile(openZip(bytes, NORDIC_ZIP_LIMITS));
    return true;
  } catch (error) {
    return error instanceof ArtifactError && error.code !== 'artifact.unknown-format';
  }
}

/**
 * Opens a package and makes every check that needs no device.
 * @throws ArtifactError `artifact.unknown-format` (no package of this kind), `artifact.unsupported` (a known kind that
 * cannot be delivered), `artifact.malformed`, `artifact.limit`, `artifact.digest`.
 */
export function openNordicPackage(bytes: Uint8Array, limits: ZipLimits = NORDIC_ZIP_LIMITS): NordicPackage {
  const archive = openZip(bytes, limits);
  const manifest = asObject(readManifestFile(archive)['manifest'], 'manifest');
  refuseOtherKinds(manifest);
  const named = new Set([MANIFEST]);
  const images: NordicImage[] = [];
  for (const key of KEYS) {
    const entry = manifest[key];
    if (entry === undefined || entry === null) continue;
    const image = openImage(archive, key, asObject(entry, `manifest: ${key}`));
    for (const file of [image.binFile, image.datFile]) {
      if (named.has(file)) throw malformed(`manifest: ${key}`, 0, `${file} is named twice`);
      named.add(file);
    }
    images.push(image);
  }
  if (images.length === 0) throw malformed('manifest', 0, 'it names no image');
  if (images.filter(({ kind }) => kind === 'application').length > 1) {
    throw malformed('manifest', 0, 'it names two applications');
  }
  if (manifest['softdevice_bootloader'] && (manifest['softdevice'] || manifest['bootloader'])) {
    throw malformed('manifest', 0, 'softdevice_bootloader excludes softdevice and bootloader');
  }
  return {
    images,
    extraFiles: archive.entries.map(({ name }) => name).filter((name) => !named.has(name)),
  };
}

function readManifestFile(archive: ZipArchive): Record<string, unknown> {
  const size = archive.entries.find(({ name }) => name === MANIFEST)?.sizeBytes;
  if (size === undefined) {
    throw new ArtifactError('artifact.unknown-format', { detail: 'a zip archive without manifest.json' });
  }
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
  const root = asObject(json, MANIFEST);
  if (!('manifest' in root)) {
    throw new ArtifactError('artifact.unknown-format', { detail: 'manifest.json is none of a Nordic DFU package' });
  }
  return root;
}

/** Legacy packages (SDK 11 and older) share the manifest. */
function refuseOtherKinds(manifest: Record<string, unknown>): void {
  const legacy =
    (manifest['dfu_version'] ?? undefined) !== undefined ||
    KEYS.some((key) => {
      const entry = manifest[key];
      return typeof entry === 'object' && entry !== null && 'init_packet_data' in entry;
    });
  if (legacy) {
    throw new ArtifactError('artifact.unsupported', { detail: 'a Nordic Legacy DFU package (nRF5 SDK 11 or older)' });
  }
}

function openImage(archive: ZipArchive, key: ManifestKey, entry: Record<string, unknown>): NordicImage {
  const binFile = fileName(entry['bin_file'], `manifest: ${key}.bin_file`);
  const datFile = fileName(entry['dat_file'], `manifest: ${key}.dat_file`);
  const firmware = readFile(archive, binFile, `manifest: ${key}.bin_file`);
  const initPacket = readFile(archive, datFile, `manifest: ${key}.dat_file`);
  if (initPacket.length > MAX_INIT_PACKET_BYTES) {
    throw new ArtifactError('artifact.limit', {
      field: datFile,
      actual: initPacket.length,
      limit: MAX_INIT_PACKET_BYTES,
    });
  }
  const packet = decodeInitPacket(initPacket, datFile);
  if (!TYPES[key].includes(packet.init.type)) {
    throw malformed(`${datFile}: type`, 0, `${KINDS[packet.init.type]} (${packet.init.type}) under ${key}`);
  }
  const kind = KINDS[packet.init.type];
  checkImage({ packet, firmware, binFile, datFile, kind });
  if (key === 'softdevice_bootloader') checkMetadata(entry, packet);
  return { image: NORDIC_IMAGE_NUMBERS[kind], kind, binFile, datFile, initPacket, packet, firmware };
}

function checkImage(image: Omit<NordicImage, 'image' | 'initPacket'>): void {
  const { packet, firmware, binFile, datFile, kind } = image;
  const { init } = packet;
  const external = kind === 'external-application';
  if (firmware.length === 0) throw malformed(binFile, 0, 'it is empty');
  if (firmware.length > MAX_FLASH_BYTES && !external) {
    throw new ArtifactError('artifact.limit', { field: binFile, actual: firmware.length, limit: MAX_FLASH_BYTES });
  }
  if (firmware.length % 4 !== 0) {
    throw malformed(
      binFile,
      firmware.length,
      `its length ${firmware.length} is no multiple of 4: the tail would be lost`,
    );
  }
  const announced = announcedSize(init.type, init);
  if (announced !== firmware.length) {
    throw malformed(binFile, firmware.length, `it has ${firmware.length} bytes, the init packet says ${announced}`);
  }
  const digest = sha256(firmware);
  if (toHex(digest) !== toHex(init.sha256)) {
    throw new ArtifactError('artifact.digest', { field: `${binFile} against the hash in ${datFile}` });
  }
  if (!init.isDebug) {
    if (init.hwVersion === undefined) throw malformed(`${datFile}: hw_version`, 0, 'it is missing');
    if (init.fwVersion === undefined && (kind === 'bootloader' || kind === 'softdevice-bootloader')) {
      throw malformed(`${datFile}: fw_version`, 0, 'it is missing');
    }
  }
}

function announcedSize(type: FirmwareType, init: InitPacket['init']): number {
  switch (type) {
    case FirmwareType.Application:
    case FirmwareType.ExternalApplication:
      return init.appSizeBytes ?? 0;
    case FirmwareType.Softdevice:
      return init.sdSizeBytes ?? 0;
    case FirmwareType.Bootloader:
      return init.blSizeBytes ?? 0;
    case FirmwareType.SoftdeviceBootloader:
      return (init.sdSizeBytes ?? 0) + (init.blSizeBytes ?? 0);
  }
}

/** `info_read_only_metadata` is for people; if it is there, it must not lie. */
function checkMetadata(entry: Record<string, unknown>, packet: InitPacket): void {
  const metadata = entry['info_read_only_metadata'];
  if (metadata === undefined || metadata === null) return;
  const sizes = asObject(metadata, 'manifest: info_read_only_metadata');
  const pairs = [
    ['sd_size', packet.init.sdSizeBytes],
    ['bl_size', packet.init.blSizeBytes],
  ] as const;
  for (const [name, expected] of pairs) {
    const stated = sizes[name];
    if (stated !== undefined && stated !== null && stated !== expected) {
      throw malformed(`manifest: ${name}`, 0, `the manifest and the init packet (${expected}) disagree`);
    }
  }
}

function readFile(archive: ZipArchive, name: string, field: string): Uint8Array {
  const bytes = archive.read(name);
  if (!bytes) throw malformed(field, 0, `the archive has no file ${name}`);
  return bytes;
}

function fileName(value: unknown, field: string): string {
  if (typeof value !== 'string' || value === '') throw malformed(field, 0, 'it is missing');
  if (/[/\\:]/.test(value) || value.length > 255) throw malformed(field, 0, 'it is no plain file name');
  return value;
}

function asObject(value: unknown, field: string): Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw malformed(field, 0, 'it is no object');
  return value as Record<string, unknown>;
}
