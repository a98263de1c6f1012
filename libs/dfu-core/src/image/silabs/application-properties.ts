/**
 * Application properties: how an image says in its own flash what it is. The vendor's tool copies them into the
 * application info tag of the GBL file.
 *
 * Source: gecko_sdk 4.4.1, platform/bootloader/api/application_properties.h.
 */
import { ByteReader } from '../../bytes/byte-reader.js';
import { fromHex } from '../../bytes/hex.js';
import { APPLICATION_INFO_BYTES, type ApplicationInfo } from './format.js';
import { readApplicationInfo } from './parse-gbl.js';

export const APPLICATION_PROPERTIES_MAGIC = fromHex('13b779fac925ddb7adf3cfe0f1b614b8');
const FIXED_BYTES = 12;

export interface ApplicationProperties extends ApplicationInfo {
  /** Of the bytes in flash, checked at start. */
  readonly signatureType: 'none' | 'ecdsa-p256' | 'crc-32' | 'unknown';
}

const SIGNATURE_TYPES = ['none', 'ecdsa-p256', 'crc-32'] as const;

/** Looks for the magic in program data. @returns the first that is complete; undefined without one. */
export function findApplicationProperties(data: Uint8Array): ApplicationProperties | undefined {
  const magic = APPLICATION_PROPERTIES_MAGIC;
  const need = magic.length + FIXED_BYTES + APPLICATION_INFO_BYTES;
  for (let at = data.indexOf(magic[0]!); at >= 0 && at + need <= data.length; at = data.indexOf(magic[0]!, at + 1)) {
    if (!magic.every((byte, index) => data[at + index] === byte)) continue;
    const reader = new ByteReader(data.subarray(at + magic.length, at + need), 'application properties');
    reader.u32le();
    const signatureType = SIGNATURE_TYPES[reader.u32le()] ?? 'unknown';
    reader.u32le();
    return { signatureType, ...readApplicationInfo(reader) };
  }
  return undefined;
}
