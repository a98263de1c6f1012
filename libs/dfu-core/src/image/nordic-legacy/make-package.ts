/**
 * Makes legacy packages and init packets as nrfutil 0.5 and gen_dat do: the same `.dat`, `.bin` and `manifest.json`,
 * byte for byte. The archive around them differs in what no reader looks at (times, order, compression).
 *
 * Sources: nrfutil 0.5.3, nordicsemi/dfu/package.py, manifest.py, init_packet.py, nrfhex.py; ota-dfu-python, gen_dat.c.
 */
import { sha256 } from '@noble/hashes/sha2.js';
import { strToU8, zipSync, type Zippable } from 'fflate';
import { toHex } from '../../bytes/hex.js';
import { ArtifactError } from '../../errors.js';
import { crc16CcittFalse } from '../../framing/crc16-ccitt-false.js';
import { firmwareOf } from './firmware-file.js';
import {
  ANY_DEVICE_REVISION,
  ANY_DEVICE_TYPE,
  ANY_SOFTDEVICE,
  encodeLegacyInitPacket,
  type LegacyExtension,
  NO_APPLICATION_VERSION,
} from './init-packet.js';
import { signLegacyInitPacket } from './signature.js';

/** `dfu_ver` of nrfutil: how the init packet vouches for the image. 0.8 is chosen by giving a key. */
export type LegacyDfuVersion = 0.5 | 0.6 | 0.7;

export interface LegacyInitOptions {
  /** Default 0xFFFF: any. Adafruit's bootloaders want 0x0052. */
  readonly deviceType?: number;
  /** Default 0xFFFF: any. */
  readonly deviceRevision?: number;
  /** Default 0xFFFFFFFF: none. */
  readonly applicationVersion?: number;
  /** FWIDs; default 0xFFFE: any. */
  readonly softdevices?: readonly number[];
  /** Default 0.5, the plain CRC. */
  readonly dfuVersion?: LegacyDfuVersion;
  /** 32 bytes, P-256: makes a signed packet (0.8). */
  readonly privateKey?: Uint8Array;
}

export interface LegacyPackageOptions extends LegacyInitOptions {
  /** `.hex` or `.bin` contents each. SoftDevice and bootloader together become one image. */
  readonly application?: Uint8Array;
  readonly softdevice?: Uint8Array;
  readonly bootloader?: Uint8Array;
  /** Names of the files inside, without ending. Default `application`, `softdevice`, `bootloader`; both: `sd_bl`. */
  readonly names?: Partial<Readonly<Record<'application' | 'softdevice' | 'bootloader', string>>>;
}

/** @returns the `.dat` for an image (the bytes that go to the device: see `firmwareOf`). */
export function makeLegacyInitPacket(firmware: Uint8Array, options: LegacyInitOptions = {}): Uint8Array {
  return initPacketOf(firmware, options).bytes;
}

/**
 * @returns a zip archive. Same input, same bytes.
 * @throws ArtifactError `artifact.unsupported` without any image; as `firmwareOf`.
 */
export function makeLegacyPackage(options: LegacyPackageOptions): Uint8Array {
  const manifest: Record<string, unknown> = {};
  const files: Zippable = {};
  const add = (key: string, name: string, firmware: Uint8Array, more: Record<string, number> = {}): void => {
    // Two images of one name, from two folders.
    const stem = `${name}.bin` in files ? `${name}-${key}` : name;
    const { bytes, extension } = initPacketOf(firmware, options);
    files[`${stem}.bin`] = firmware;
    files[`${stem}.dat`] = bytes;
    manifest[key] = sorted({
      bin_file: `${stem}.bin`,
      dat_file: `${stem}.dat`,
      init_packet_data: manifestDataOf(extension, options),
      ...more,
    });
  };
  const part = (name: 'application' | 'softdevice' | 'bootloader'): Uint8Array | undefined => {
    const file = options[name];
    return file && firmwareOf(file, name);
  };
  const stem = (name: 'application' | 'softdevice' | 'bootloader'): string => options.names?.[name] ?? name;
  const application = part('application');
  const softdevice = part('softdevice');
  const bootloader = part('bootloader');
  if (application) add('application', stem('application'), application);
  if (softdevice && bootloader) {
    const both = new Uint8Array(softdevice.length + bootloader.length);
    both.set(softdevice);
    both.set(bootloader, softdevice.length);
    add('softdevice_bootloader', 'sd_bl', both, { bl_size: bootloader.length, sd_size: softdevice.length });
  } else if (softdevice) {
    add('softdevice', stem('softdevice'), softdevice);
  } else if (bootloader) {
    add('bootloader', stem('bootloader'), bootloader);
  }
  if (Object.keys(manifest).length === 0) {
    throw new ArtifactError('artifact.unsupported', {
      detail: 'a package needs an application, a SoftDevice or a bootloader',
    });
  }
  manifest['dfu_version'] = options.privateKey ? 0.8 : (options.dfuVersion ?? 0.5);
  files['manifest.json'] = strToU8(JSON.stringify({ manifest: sorted(manifest) }, undefined, 4));
  // Zip keeps local times without a zone: a date in the middle of the year's first day is the same year everywhere.
  return zipSync(files, { level: 6, mtime: new Date(1980, 0, 1, 12) });
}

/**
 * The two files that people were given by hand, firmware and init packet, as one artifact.
 * @param firmware `.hex` or `.bin` of an application.
 * @param initPacket `.dat`; without one the artifact is for bootloaders of SDK 6.1 and older.
 * @throws ArtifactError when they do not belong together.
 */
export function joinLegacyFiles(firmware: Uint8Array, initPacket?: Uint8Array): Uint8Array {
  const files: Zippable = { 'application.bin': firmwareOf(firmware, 'firmware') };
  if (initPacket) files['application.dat'] = initPacket;
  return zipSync(files, { level: 6, mtime: new Date(1980, 0, 1, 12) });
}

function initPacketOf(
  firmware: Uint8Array,
  options: LegacyInitOptions,
): { bytes: Uint8Array; extension: LegacyExtension } {
  const head = {
    deviceType: options.deviceType ?? ANY_DEVICE_TYPE,
    deviceRevision: options.deviceRevision ?? ANY_DEVICE_REVISION,
    applicationVersion: options.applicationVersion ?? NO_APPLICATION_VERSION,
    softdevices: options.softdevices ?? [ANY_SOFTDEVICE],
  };
  const hash = { lengthBytes: firmware.length, sha256: sha256(firmware) };
  if (options.privateKey) {
    const unsigned = encodeLegacyInitPacket({ ...head, extension: { form: 'signed', ...hash } });
    const signature = signLegacyInitPacket(unsigned, options.privateKey);
    const extension: LegacyExtension = { form: 'signed', ...hash, signature };
    return { bytes: encodeLegacyInitPacket({ ...head, extension }), extension };
  }
  const crc16 = crc16CcittFalse(firmware);
  const extensions: Readonly<Record<LegacyDfuVersion, LegacyExtension>> = {
    0.5: { form: 'crc16', crc16 },
    0.6: { form: 'crc16-with-id', crc16 },
    0.7: { form: 'sha256', ...hash },
  };
  const extension = extensions[options.dfuVersion ?? 0.5];
  return { bytes: encodeLegacyInitPacket({ ...head, extension }), extension };
}

/** `ext_packet_id` by form; the plain CRC has none. */
const EXTENSION_IDS = { crc16: undefined, 'crc16-with-id': 0, sha256: 1, signed: 2 } as const;

function manifestDataOf(extension: LegacyExtension, options: LegacyInitOptions): Record<string, unknown> {
  const id = EXTENSION_IDS[extension.form];
  return {
    application_version: options.applicationVersion ?? NO_APPLICATION_VERSION,
    device_revision: options.deviceRevision ?? ANY_DEVICE_REVISION,
    device_type: options.deviceType ?? ANY_DEVICE_TYPE,
    ...(id === undefined ? {} : { ext_packet_id: id }),
    ...('crc16' in extension
      ? { firmware_crc16: extension.crc16 }
      : { firmware_hash: toHex(extension.sha256), firmware_length: extension.lengthBytes }),
    ...(extension.form === 'signed' ? { init_packet_ecds: toHex(extension.signature) } : {}),
    softdevice_req: options.softdevices ?? [ANY_SOFTDEVICE],
  };
}

/** Keys in the order of the alphabet, as the tool writes them. */
function sorted(object: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(object).sort(([a], [b]) => (a < b ? -1 : 1)));
}
