/**
 * From Intel HEX to the image that a Nordic bootloader takes: one run of bytes, without the MBR and without UICR.
 *
 * Source: pc-nrfutil, nordicsemi/dfu/nrfhex.py (what is dropped, where an image begins, what fills its gaps).
 */
import { ArtifactError } from '../../errors.js';
import type { IntelHex } from '../intel-hex/index.js';

const MBR_END = 0x1000;
/** Where older SoftDevices end their own MBR part. */
const OLD_MBR_END = 0x3000;
const UICR_BEGIN = 0x1000_0000;
const SOFTDEVICE_MAGIC = 0x51b1e5db;
const MAGIC_AT = 0x3004;
const OLD_MAGICS_AT = [0x4004, 0x5004, 0x6004, 0x7004];
/** Flash of the largest chip with these bootloaders, and room for an image that lies behind it. */
const MAX_IMAGE_BYTES = 8 * 1024 * 1024;

/**
 * @returns the image, gaps and the last word filled with 0xFF.
 * @throws ArtifactError `artifact.malformed` when nothing of it lies in the flash, `artifact.limit` when it spans more
 * than any chip has.
 */
export function nordicImageFromHex({ segments }: IntelHex): Uint8Array {
  const inFlash = segments
    .map(({ address, bytes }) => {
      const from = Math.max(0, mbrEnd(segments) - address);
      const to = Math.min(bytes.length, Math.max(0, UICR_BEGIN - address));
      return { address: address + from, bytes: bytes.subarray(from, Math.max(from, to)) };
    })
    .filter(({ bytes }) => bytes.length > 0);
  if (inFlash.length === 0) {
    throw new ArtifactError('artifact.malformed', {
      field: 'Intel HEX',
      offset: 0,
      detail: 'it has no data between the MBR (0x1000) and the UICR (0x10000000)',
    });
  }
  const begin = Math.min(...inFlash.map(({ address }) => address));
  const end = Math.max(...inFlash.map(({ address, bytes }) => address + bytes.length));
  if (end - begin > MAX_IMAGE_BYTES) {
    throw new ArtifactError('artifact.limit', { field: 'Intel HEX', actual: end - begin, limit: MAX_IMAGE_BYTES });
  }
  const image = new Uint8Array(Math.ceil((end - begin) / 4) * 4).fill(0xff);
  for (const { address, bytes } of inFlash) image.set(bytes, address - begin);
  return image;
}

function mbrEnd(segments: IntelHex['segments']): number {
  if (wordAt(segments, MAGIC_AT) === SOFTDEVICE_MAGIC) return MBR_END;
  return OLD_MAGICS_AT.some((at) => wordAt(segments, at) === SOFTDEVICE_MAGIC) ? OLD_MBR_END : MBR_END;
}

function wordAt(segments: IntelHex['segments'], at: number): number | undefined {
  const holder = segments.find(({ address, bytes }) => at >= address && at + 4 <= address + bytes.length);
  if (!holder) return undefined;
  const { bytes, address } = holder;
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength).getUint32(at - address, true);
}
