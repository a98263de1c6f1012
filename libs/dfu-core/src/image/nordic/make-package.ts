/**
 * Makes Nordic Secure DFU packages as nrfutil does, for tests, demos, and people without it.
 *
 * Source: pc-nrfutil, nordicsemi/dfu/package.py and init_packet_pb.py.
 */
import { sha256 } from '@noble/hashes/sha2.js';
import { strToU8, zipSync, type Zippable } from 'fflate';
import { InvariantError } from '../../errors.js';
import {
  type BootValidation,
  BootValidationType,
  encodeInitCommand,
  encodeInitPacket,
  FirmwareType,
  reverseHalves,
} from './init-packet.js';
import { signNordic } from './signature.js';

export interface NordicImageOptions {
  /** Firmware bytes; for `softdevice_bootloader` the SoftDevice's, see `bootloader`. Padded with 0xFF to a multiple of 4. */
  readonly bytes: Uint8Array;
  /** Second part of `softdevice_bootloader`. */
  readonly bootloader?: Uint8Array;
  /** 52 and 51 are the defaults of Nordic's bootloaders for nRF52 and nRF51. */
  readonly hwVersion: number;
  readonly fwVersion?: number;
  /** FWIDs; default 0xFFFE as nrfutil, which only external applications may use: name the real ones. */
  readonly sdReq?: readonly number[];
  readonly isDebug?: boolean;
  /** How the bootloader checks the image at each boot: one of `BootValidationType`. Default 1, its own CRC. */
  readonly bootValidation?: number;
  /** 32 bytes; without it the package is unsigned. */
  readonly privateKey?: Uint8Array | undefined;
}

export type NordicPackageKey = 'application' | 'bootloader' | 'softdevice' | 'softdevice_bootloader';

const FIRMWARE_TYPES: Readonly<Record<NordicPackageKey, FirmwareType>> = {
  application: FirmwareType.Application,
  bootloader: FirmwareType.Bootloader,
  softdevice: FirmwareType.Softdevice,
  softdevice_bootloader: FirmwareType.SoftdeviceBootloader,
};

/** A package with one application. Same input, same bytes. */
export function makeNordicPackage(
  options: Omit<NordicImageOptions, 'bytes' | 'bootloader'> & { readonly application: Uint8Array },
): Uint8Array {
  const { application, ...rest } = options;
  return makeNordicPackageOf({ application: { ...rest, bytes: application } });
}

/** A package with any of the images; whether the combination makes sense is the caller's business. */
export function makeNordicPackageOf(
  images: Partial<Readonly<Record<NordicPackageKey, NordicImageOptions>>>,
): Uint8Array {
  const manifest: Record<string, unknown> = {};
  const files: Zippable = {};
  for (const key of Object.keys(FIRMWARE_TYPES) as NordicPackageKey[]) {
    const options = images[key];
    if (!options) continue;
    const stem = key === 'softdevice_bootloader' ? 'sd_bl' : key;
    const { firmware, initPacket, metadata } = makeImage(key, options);
    files[`${stem}.bin`] = firmware;
    files[`${stem}.dat`] = initPacket;
    manifest[key] = { bin_file: `${stem}.bin`, dat_file: `${stem}.dat`, ...metadata };
  }
  files['manifest.json'] = strToU8(JSON.stringify({ manifest }, undefined, 4));
  // Zip keeps local times without a zone: a date in the middle of the year's first day is the same year everywhere.
  return zipSync(files, { level: 6, mtime: new Date(1980, 0, 1, 12) });
}

function makeImage(
  key: NordicPackageKey,
  options: NordicImageOptions,
): { firmware: Uint8Array; initPacket: Uint8Array; metadata: Record<string, unknown> } {
  const first = padded(options.bytes);
  const second = options.bootloader ? padded(options.bootloader) : new Uint8Array();
  if (key !== 'softdevice_bootloader' && second.length > 0) throw new InvariantError(`${key} has no second part`);
  const firmware = new Uint8Array(first.length + second.length);
  firmware.set(first);
  firmware.set(second, first.length);

  const sdSizeBytes = key === 'softdevice' || key === 'softdevice_bootloader' ? first.length : 0;
  const blSizeBytes = key === 'bootloader' ? first.length : second.length;
  const validations = key === 'softdevice_bootloader' ? 2 : 1;
  const signedBytes = encodeInitCommand({
    ...(options.fwVersion === undefined ? {} : { fwVersion: options.fwVersion }),
    hwVersion: options.hwVersion,
    sdReq: options.sdReq ?? [0xfffe],
    type: FIRMWARE_TYPES[key],
    sdSizeBytes,
    blSizeBytes,
    appSizeBytes: key === 'application' ? first.length : 0,
    sha256: sha256(firmware),
    isDebug: options.isDebug ?? false,
    bootValidation: Array.from({ length: validations }, (_, index) =>
      // The second is of the bootloader, which ignores it.
      index === 0 ? validationOf(first, options) : { type: BootValidationType.GeneratedCrc, bytes: new Uint8Array() },
    ),
  });
  return {
    firmware,
    initPacket: encodeInitPacket(signedBytes, options.privateKey && signNordic(signedBytes, options.privateKey)),
    metadata:
      key === 'softdevice_bootloader'
        ? { info_read_only_metadata: { bl_size: blSizeBytes, sd_size: sdSizeBytes } }
        : {},
  };
}

/** Only a signature has bytes: the others are computed by the bootloader. */
function validationOf(image: Uint8Array, options: NordicImageOptions): BootValidation {
  const type = options.bootValidation ?? BootValidationType.GeneratedCrc;
  if (type !== BootValidationType.EcdsaP256Sha256) return { type, bytes: new Uint8Array() };
  if (!options.privateKey) throw new InvariantError('a boot validation by signature needs the key');
  return { type, bytes: reverseHalves(signNordic(image, options.privateKey)) };
}

function padded(bytes: Uint8Array): Uint8Array {
  const result = new Uint8Array(Math.ceil(bytes.length / 4) * 4).fill(0xff);
  result.set(bytes);
  return result;
}
