/**
 * Init packets of Nordic's legacy bootloaders (nRF5 SDK 4 to 11, Adafruit): the `.dat` file. All numbers little-endian
 * but for hash and signature, which stand in their natural order.
 *
 *     u16 device_type, u16 device_rev, u32 app_version, u16 n, u16[n] SoftDevice FWIDs, extension
 *
 * | made with dfu_ver | extension                                                    | bytes    |
 * | 0.5               | crc16                                                        | 2        |
 * | 0.6               | u32 0, crc16                                                 | 6        |
 * | 0.7               | u32 1, u32 length, SHA-256                                   | 40       |
 * | 0.8               | u32 2, u32 length, SHA-256, ECDSA P-256 over all before it   | 104      |
 *
 * SDK 6.1 and older know only the CRC itself: two bytes.
 *
 * Sources: nRF5 SDK 11, components/libraries/bootloader_dfu/dfu_init_template.c; nrfutil 0.5.3, nordicsemi/dfu/package.py
 * and init_packet.py.
 */
import { ByteReader } from '../../bytes/byte-reader.js';
import { ByteWriter } from '../../bytes/byte-writer.js';
import { ArtifactError, InvariantError } from '../../errors.js';

export const ANY_DEVICE_TYPE = 0xffff;
export const ANY_DEVICE_REVISION = 0xffff;
export const NO_APPLICATION_VERSION = 0xffffffff;
export const ANY_SOFTDEVICE = 0xfffe;

/** The largest init buffer of these bootloaders (SDK 9 to 11, dual bank). */
const MAX_INIT_PACKET_BYTES = 128;
const HEAD_BYTES = 10;
const HASH_BYTES = 32;
const SIGNATURE_BYTES = 64;
const ExtensionId = { Crc16: 0, Sha256: 1, Signed: 2 } as const;
/** Length behind the list of SoftDevices, by form. */
const EXTENSION_BYTES = { crc16: 2, 'crc16-with-id': 6, sha256: 40, signed: 104 } as const;

/** How the packet vouches for the image. */
export type LegacyExtension =
  | { readonly form: 'crc16' | 'crc16-with-id'; readonly crc16: number }
  | { readonly form: 'sha256'; readonly lengthBytes: number; readonly sha256: Uint8Array }
  | {
      readonly form: 'signed';
      readonly lengthBytes: number;
      readonly sha256: Uint8Array;
      /** 64 bytes r, s, big-endian each. */
      readonly signature: Uint8Array;
    };

export interface LegacyInitPacket {
  /** 0xFFFF: for any; absent in the two bytes of SDK 6.1 and older. */
  readonly deviceType?: number;
  readonly deviceRevision?: number;
  /** 0xFFFFFFFF: none. Targets do not look at it. */
  readonly applicationVersion?: number;
  /** FWIDs, one of which the target must have; 0xFFFE: any. */
  readonly softdevices: readonly number[];
  readonly extension: LegacyExtension;
  /** What a signature covers: everything before it. */
  readonly signedBytes: Uint8Array;
}

const malformed = (field: string, offset: number, detail: string): ArtifactError =>
  new ArtifactError('artifact.malformed', { field, offset, detail });

/**
 * Reads one init packet by itself; whether it fits its image is checked with the package.
 * @param what names the file in errors.
 * @throws ArtifactError `artifact.malformed`, `artifact.limit`.
 */
export function decodeLegacyInitPacket(bytes: Uint8Array, what = 'init packet'): LegacyInitPacket {
  if (bytes.length > MAX_INIT_PACKET_BYTES) {
    throw new ArtifactError('artifact.limit', { field: what, actual: bytes.length, limit: MAX_INIT_PACKET_BYTES });
  }
  const reader = new ByteReader(bytes, what);
  if (bytes.length === EXTENSION_BYTES.crc16) {
    return {
      softdevices: [],
      extension: { form: 'crc16', crc16: reader.u16le() },
      signedBytes: bytes.subarray(0, 0),
    };
  }
  if (bytes.length < HEAD_BYTES + EXTENSION_BYTES.crc16) {
    throw malformed(what, bytes.length, `it has ${bytes.length} bytes; an init packet has 2, or at least 12`);
  }
  const deviceType = reader.u16le();
  const deviceRevision = reader.u16le();
  const applicationVersion = reader.u32le();
  const count = reader.u16le();
  const rest = bytes.length - HEAD_BYTES - 2 * count;
  const form = (Object.keys(EXTENSION_BYTES) as (keyof typeof EXTENSION_BYTES)[]).find(
    (each) => EXTENSION_BYTES[each] === rest,
  );
  if (!form) {
    const detail = `${bytes.length} bytes with ${count} SoftDevices leave ${rest} for CRC or hash; 2, 6, 40 and 104 are known`;
    throw malformed(`${what}: length`, 8, detail);
  }
  const softdevices = Array.from({ length: count }, () => reader.u16le());
  const extensionAt = reader.offset;
  const extension = readExtension(reader, form, what);
  return {
    deviceType,
    deviceRevision,
    applicationVersion,
    softdevices,
    extension,
    signedBytes: bytes.subarray(0, form === 'signed' ? bytes.length - SIGNATURE_BYTES : extensionAt),
  };
}

function readExtension(reader: ByteReader, form: keyof typeof EXTENSION_BYTES, what: string): LegacyExtension {
  if (form === 'crc16') return { form, crc16: reader.u16le() };
  const expected = {
    'crc16-with-id': ExtensionId.Crc16,
    sha256: ExtensionId.Sha256,
    signed: ExtensionId.Signed,
  }[form];
  const at = reader.offset;
  const id = reader.u32le();
  if (id !== expected) {
    throw malformed(`${what}: extension`, at, `its length is that of kind ${expected}, but it says ${id}`);
  }
  if (form === 'crc16-with-id') return { form, crc16: reader.u16le() };
  const lengthBytes = reader.u32le();
  const sha256 = reader.take(HASH_BYTES);
  return form === 'sha256'
    ? { form, lengthBytes, sha256 }
    : { form, lengthBytes, sha256, signature: reader.take(SIGNATURE_BYTES) };
}

/** Everything before the signature, in the order of the file. `extension` without signature for what is to be signed. */
export function encodeLegacyInitPacket(
  packet: Omit<LegacyInitPacket, 'signedBytes' | 'extension'> & {
    readonly extension:
      | Exclude<LegacyExtension, { form: 'signed' }>
      | (Omit<Extract<LegacyExtension, { form: 'signed' }>, 'signature'> & { readonly signature?: Uint8Array });
  },
): Uint8Array {
  const { deviceType, deviceRevision, applicationVersion, softdevices, extension } = packet;
  const writer = new ByteWriter();
  if (deviceType !== undefined) {
    writer
      .u16le(deviceType)
      .u16le(deviceRevision ?? ANY_DEVICE_REVISION)
      .u32le(applicationVersion ?? NO_APPLICATION_VERSION)
      .u16le(softdevices.length);
    for (const fwid of softdevices) writer.u16le(fwid);
  } else if (extension.form !== 'crc16') {
    throw new InvariantError('an init packet without device type holds a CRC and nothing else');
  }
  switch (extension.form) {
    case 'crc16':
      return writer.u16le(extension.crc16).finish();
    case 'crc16-with-id':
      return writer.u32le(ExtensionId.Crc16).u16le(extension.crc16).finish();
    case 'sha256':
      return writer.u32le(ExtensionId.Sha256).u32le(extension.lengthBytes).bytes(extension.sha256).finish();
    case 'signed':
      return writer
        .u32le(ExtensionId.Signed)
        .u32le(extension.lengthBytes)
        .bytes(extension.sha256)
        .bytes(extension.signature ?? new Uint8Array())
        .finish();
  }
}
