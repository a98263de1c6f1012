/**
 * Bluegiga images. Their files have no mark that could be recognised (a linear flash image, and a vendor file whose
 * inside is not public), so they travel in a zip with a `bluegiga.json` that says what they are:
 *
 *     { "generation": "ble11x", "image": "project.hex", "version": "1.3.2", "flashBytes": 131072 }
 *
 * `image` of a BLE11x is the project's `.hex`, or the bytes from 0x1000 on; of a BT121/BT122 the vendor's `.dfu`.
 *
 * Source: transcriptions of the Bluegiga API reference (address 0x1000, end 2 KiB before the end of flash).
 */
import { strFromU8 } from 'fflate';
import { ArtifactError } from '../../errors.js';
import { openZip, type ZipArchive, type ZipLimits } from '../zip.js';
import { parseIntelHex } from './intel-hex.js';

export const BLE11X_FORMAT = 'bluegiga-ble11x';
export const BT12X_FORMAT = 'bluegiga-bt12x';
export const BLUEGIGA_MANIFEST = 'bluegiga.json';

/** The application begins behind the bootloader, and ends before its settings. */
export const BLE11X_START = 0x1000;
const BLE11X_RESERVED_END_BYTES = 2048;
const BLE11X_FLASH_BYTES = [128 * 1024, 256 * 1024] as const;
/** BT121: 128 KiB, BT122: 256 KiB of flash; the file may carry more than lands there. */
const MAX_BT12X_BYTES = 1024 * 1024;
const MAX_MANIFEST_BYTES = 4096;
const VERSION = /^[\w.+-]{1,64}$/;

export const SILABS_ZIP_LIMITS: ZipLimits = {
  maxArchiveBytes: 16 * 1024 * 1024,
  maxEntries: 16,
  maxEntryBytes: 8 * 1024 * 1024,
  maxTotalBytes: 16 * 1024 * 1024,
};

export interface BluegigaImage {
  readonly generation: 'ble11x' | 'bt12x';
  readonly version: string | undefined;
  readonly member: string;
  /** As it is uploaded: padded with 0xff to a multiple of 4. */
  readonly image: Uint8Array;
}

/** @throws ArtifactError `artifact.malformed`, `artifact.limit`. */
export function readBluegigaPackage(zip: ZipArchive): BluegigaImage {
  const manifest = readManifest(zip);
  const { generation, image: member, version, flashBytes } = manifest;
  if (generation !== 'ble11x' && generation !== 'bt12x') {
    throw malformed('generation', 'it is neither ble11x nor bt12x');
  }
  if (typeof member !== 'string') throw malformed('image', 'it names no file');
  if (version !== undefined && (typeof version !== 'string' || !VERSION.test(version))) {
    throw malformed('version', 'letters, digits and ._+- only, at most 64');
  }
  const bytes = zip.read(member);
  if (!bytes) throw malformed('image', `the archive has no ${member.slice(0, 64)}`);
  if (bytes.length === 0) throw malformed('image', 'the file is empty');
  const image = generation === 'ble11x' ? linearImage(bytes, flashBytes) : vendorImage(bytes);
  return { generation, version, member, image: pad4(image) };
}

/** @returns the bytes with as many 0xff behind them as make a multiple of 4. */
export function pad4(bytes: Uint8Array): Uint8Array {
  if (bytes.length % 4 === 0) return bytes;
  const padded = new Uint8Array(Math.ceil(bytes.length / 4) * 4).fill(0xff);
  padded.set(bytes);
  return padded;
}

/** @returns the archive; undefined where the zip cannot be opened, which others then say better. */
export function tryOpenZip(bytes: Uint8Array): ZipArchive | undefined {
  try {
    return openZip(bytes, SILABS_ZIP_LIMITS);
  } catch (error) {
    if (error instanceof ArtifactError) return undefined;
    throw error;
  }
}

function linearImage(bytes: Uint8Array, flashBytes: unknown): Uint8Array {
  const flash = BLE11X_FLASH_BYTES.find((size) => size === (flashBytes ?? BLE11X_FLASH_BYTES[0]));
  if (flash === undefined) throw malformed('flashBytes', `it is none of ${BLE11X_FLASH_BYTES.join(', ')}`);
  const limit = flash - BLE11X_RESERVED_END_BYTES;
  if (bytes[0] !== 0x3a) {
    if (bytes.length > limit - BLE11X_START) {
      throw new ArtifactError('artifact.limit', {
        field: 'BLE11x image',
        actual: bytes.length,
        limit: limit - BLE11X_START,
      });
    }
    return bytes;
  }
  const memory = parseIntelHex(strFromU8(bytes, true), flash);
  const image = memory.subarray(BLE11X_START, limit);
  if (image.length === 0) throw malformed('image', 'the .hex has nothing from 0x1000 on');
  return image;
}

function vendorImage(bytes: Uint8Array): Uint8Array {
  if (bytes.length > MAX_BT12X_BYTES) {
    throw new ArtifactError('artifact.limit', { field: 'BT12x image', actual: bytes.length, limit: MAX_BT12X_BYTES });
  }
  return bytes;
}

function readManifest(zip: ZipArchive): Readonly<Record<string, unknown>> {
  const entry = zip.entries.find(({ name }) => name === BLUEGIGA_MANIFEST);
  if (!entry || entry.sizeBytes > MAX_MANIFEST_BYTES) throw malformed('manifest', 'it is missing or too long');
  let parsed: unknown;
  try {
    parsed = JSON.parse(strFromU8(zip.read(BLUEGIGA_MANIFEST)!));
  } catch (error) {
    if (error instanceof ArtifactError) throw error;
    throw malformed('manifest', 'it is no JSON');
  }
  if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed)) {
    throw malformed('manifest', 'it is no JSON object');
  }
  return parsed as Record<string, unknown>;
}

function malformed(field: string, detail: string): ArtifactError {
  return new ArtifactError('artifact.malformed', { field: `${BLUEGIGA_MANIFEST}: ${field}`, offset: 0, detail });
}
