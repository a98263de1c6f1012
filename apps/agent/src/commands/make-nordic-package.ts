/** What `pack nordic` does: images read, options judged, the package made and read again. */
import { writeFile } from 'node:fs/promises';
import {
  BootValidationType,
  describeNordicPackage,
  DrydockError,
  looksLikeIntelHex,
  makeNordicPackageOf,
  nordicImageFromHex,
  type NordicImageOptions,
  type NordicPackageKey,
  parseIntelHex,
} from '@drydock/dfu-core';
import { printJson, printLines, tellError } from './console-output.js';
import { privateScalar, readPrivateKey } from './nordic-keys.js';
import { MAX_ARTIFACT_BYTES, readSmallFile } from './read-input.js';

export interface PackNordicOptions {
  readonly application?: string;
  readonly applicationVersion?: string;
  readonly bootloader?: string;
  readonly bootloaderVersion?: string;
  readonly softdevice?: string;
  readonly hwVersion?: string;
  readonly sdReq?: string;
  readonly sdId?: string;
  readonly appBootValidation?: string;
  readonly sdBootValidation?: string;
  readonly keyFile?: string;
  readonly debugMode?: boolean;
  readonly unsigned?: boolean;
  readonly json?: boolean;
}

const BOOT_VALIDATIONS: Readonly<Record<string, number>> = {
  NO_VALIDATION: BootValidationType.None,
  VALIDATE_GENERATED_CRC: BootValidationType.GeneratedCrc,
  VALIDATE_GENERATED_SHA256: BootValidationType.Sha256,
  VALIDATE_ECDSA_P256_SHA256: BootValidationType.EcdsaP256Sha256,
};
const UINT32_MAX = 0xffffffff;

/** @returns the exit status. */
export async function packNordic(out: string, options: PackNordicOptions): Promise<number> {
  const json = options.json ?? false;
  try {
    const file = makeNordicPackageOf(await imagesOf(options));
    // What the tool itself would refuse to send is not worth a file.
    const description = describeNordicPackage(file);
    await writeFile(out, file).catch((error: Error) => {
      throw new DrydockError('request.invalid', { detail: `${out}: ${error.message}` });
    });
    if (json) printJson(description);
    else {
      printLines([
        `${out}: ${file.length} bytes, sha256 ${description.sha256}`,
        ...description.images.map(
          ({ kind, version, sizeBytes }) => `${kind}${version === undefined ? '' : ` ${version}`}, ${sizeBytes} bytes`,
        ),
        ...description.notes.map((note) => `note: ${note}`),
      ]);
    }
    return 0;
  } catch (error) {
    return tellError(error, json);
  }
}

async function imagesOf(options: PackNordicOptions): Promise<Partial<Record<NordicPackageKey, NordicImageOptions>>> {
  const { application, bootloader, softdevice } = options;
  if (application === undefined && bootloader === undefined && softdevice === undefined) {
    throw wrong('name at least one of --application, --bootloader and --softdevice');
  }
  if (bootloader !== undefined && application !== undefined && softdevice === undefined) {
    // As nrfutil: a bootloader that just replaced itself does not wait for an application it does not know of.
    throw wrong('a bootloader with an application needs the SoftDevice too; without it make two packages');
  }
  if (options.keyFile === undefined && !options.unsigned) {
    throw wrong('name the key with --key-file, or say --unsigned');
  }
  if (options.keyFile !== undefined && options.unsigned) throw wrong('--key-file and --unsigned exclude each other');
  const debug = options.debugMode ?? false;
  const hwVersion = number('--hw-version', options.hwVersion) ?? (debug ? UINT32_MAX : undefined);
  if (hwVersion === undefined)
    throw wrong('--hw-version is missing (52 for nRF52 unless your bootloader says otherwise)');
  const sdReq = fwids('--sd-req', options.sdReq);
  const sdId = fwids('--sd-id', options.sdId);
  if (sdReq === undefined)
    throw wrong('--sd-req is missing: bootloaders refuse a package that names no SoftDevice they have');
  if (softdevice !== undefined && application !== undefined && sdId === undefined) {
    throw wrong('--sd-id is missing: the application needs the SoftDevice that comes with it, not the one before');
  }
  const privateKey = options.keyFile === undefined ? undefined : privateScalar(await readPrivateKey(options.keyFile));
  const common = { hwVersion, isDebug: debug, ...(privateKey && { privateKey }) };
  const version = (name: string, text: string | undefined): number => {
    const value = number(name, text) ?? (debug ? UINT32_MAX : undefined);
    if (value === undefined) throw wrong(`${name} is missing`);
    return value;
  };
  const sdValidation = validation('--sd-boot-validation', options.sdBootValidation, privateKey !== undefined);
  const images: Partial<Record<NordicPackageKey, NordicImageOptions>> = {};
  if (softdevice !== undefined && bootloader !== undefined) {
    images.softdevice_bootloader = {
      ...common,
      bytes: await imageOf(softdevice),
      bootloader: await imageOf(bootloader),
      fwVersion: version('--bootloader-version', options.bootloaderVersion),
      sdReq,
      ...sdValidation,
    };
  } else if (softdevice !== undefined) {
    // A SoftDevice has no version of its own here; nrfutil writes this.
    images.softdevice = { ...common, bytes: await imageOf(softdevice), fwVersion: UINT32_MAX, sdReq, ...sdValidation };
  } else if (bootloader !== undefined) {
    const fwVersion = version('--bootloader-version', options.bootloaderVersion);
    images.bootloader = { ...common, bytes: await imageOf(bootloader), fwVersion, sdReq };
  }
  if (application !== undefined) {
    images.application = {
      ...common,
      bytes: await imageOf(application),
      fwVersion: version('--application-version', options.applicationVersion),
      sdReq: softdevice === undefined ? sdReq : (sdId ?? sdReq),
      ...validation('--app-boot-validation', options.appBootValidation, privateKey !== undefined),
    };
  }
  return images;
}

async function imageOf(path: string): Promise<Uint8Array> {
  const bytes = await readSmallFile(path, MAX_ARTIFACT_BYTES);
  if (bytes.length === 0) throw wrong(`${path} is empty`);
  return looksLikeIntelHex(bytes) ? nordicImageFromHex(parseIntelHex(bytes)) : bytes;
}

function validation(name: string, kind: string | undefined, hasKey: boolean): { readonly bootValidation?: number } {
  if (kind === undefined) return {};
  const bootValidation = BOOT_VALIDATIONS[kind];
  if (bootValidation === undefined) throw wrong(`${name}: one of ${Object.keys(BOOT_VALIDATIONS).join(', ')}`);
  if (bootValidation === BootValidationType.EcdsaP256Sha256 && !hasKey) throw wrong(`${name} ${kind} needs --key-file`);
  return { bootValidation };
}

function number(name: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const value = /^(?:0x[0-9a-f]{1,8}|\d{1,10})$/i.test(text) ? Number(text) : Number.NaN;
  if (!(value <= UINT32_MAX)) throw wrong(`${name} ${text}: a number from 0 to ${UINT32_MAX}`);
  return value;
}

function fwids(name: string, text: string | undefined): number[] | undefined {
  if (text === undefined) return undefined;
  const values = text.split(',').map((part) => number(name, part.trim()) ?? 0);
  if (values.some((value) => value > 0xffff)) throw wrong(`${name} ${text}: numbers from 0 to 0xffff`);
  return [...new Set(values)];
}

const wrong = (detail: string): DrydockError => new DrydockError('request.invalid', { detail });
