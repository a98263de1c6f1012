/** What `pack nordic-legacy` and `pack nordic-dat` do: images read, options judged, the file made and read again. */
import { writeFile } from 'node:fs/promises';
import { basename } from 'node:path';
import {
  decodeLegacyInitPacket,
  describeLegacyPackage,
  DrydockError,
  firmwareOf,
  makeLegacyInitPacket,
  makeLegacyPackage,
  toHex,
  type LegacyDfuVersion,
  type LegacyInitOptions,
} from '@drydock/dfu-core';
import { printJson, printLines, tellError } from './console-output.js';
import { privateScalar, readPrivateKey } from './nordic-keys.js';
import { MAX_ARTIFACT_BYTES, readSmallFile } from './read-input.js';

export interface PackLegacyOptions {
  readonly application?: string;
  readonly bootloader?: string;
  readonly softdevice?: string;
  readonly devType?: string;
  readonly devRevision?: string;
  readonly applicationVersion?: string;
  readonly sdReq?: string;
  readonly dfuVer?: string;
  readonly keyFile?: string;
  readonly json?: boolean;
}

const DFU_VERSIONS: readonly LegacyDfuVersion[] = [0.5, 0.6, 0.7];

/** @returns the exit status. */
export async function packNordicLegacy(out: string, options: PackLegacyOptions): Promise<number> {
  const json = options.json ?? false;
  try {
    const { application, bootloader, softdevice } = options;
    if (application === undefined && bootloader === undefined && softdevice === undefined) {
      throw wrong('name at least one of --application, --bootloader and --softdevice');
    }
    const read = async (path: string | undefined) =>
      path === undefined ? undefined : readSmallFile(path, MAX_ARTIFACT_BYTES);
    const images = {
      application: await read(application),
      bootloader: await read(bootloader),
      softdevice: await read(softdevice),
    };
    const file = makeLegacyPackage({
      ...(await initOptions(options)),
      ...(images.application && { application: images.application }),
      ...(images.bootloader && { bootloader: images.bootloader }),
      ...(images.softdevice && { softdevice: images.softdevice }),
      names: {
        ...(application !== undefined && { application: stem(application) }),
        ...(bootloader !== undefined && { bootloader: stem(bootloader) }),
        ...(softdevice !== undefined && { softdevice: stem(softdevice) }),
      },
    });
    // What would be refused when it is sent is not worth a file.
    const description = describeLegacyPackage(file);
    await write(out, file);
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

/** @returns the exit status. */
export async function packNordicDat(out: string, options: PackLegacyOptions): Promise<number> {
  const json = options.json ?? false;
  try {
    const { application = '' } = options;
    const firmware = firmwareOf(await readSmallFile(application, MAX_ARTIFACT_BYTES), application);
    if (firmware.length === 0) throw wrong(`${application} is empty`);
    const dat = makeLegacyInitPacket(firmware, await initOptions(options));
    await write(out, dat);
    const { softdevices, extension } = decodeLegacyInitPacket(dat);
    const facts = {
      bytes: dat.length,
      hex: toHex(dat),
      imageBytes: firmware.length,
      softdevices,
      form: extension.form,
    };
    if (json) printJson(facts);
    else printLines([`${out}: ${dat.length} bytes, ${extension.form}, for an image of ${firmware.length} bytes`]);
    return 0;
  } catch (error) {
    return tellError(error, json);
  }
}

async function initOptions(options: PackLegacyOptions): Promise<LegacyInitOptions> {
  const deviceType = number('--dev-type', options.devType, 0xffff);
  const deviceRevision = number('--dev-revision', options.devRevision, 0xffff);
  const applicationVersion = number('--application-version', options.applicationVersion, 0xffffffff);
  const softdevices = options.sdReq?.split(',').map((each) => number('--sd-req', each.trim(), 0xffff) ?? 0);
  const dfuVersion = DFU_VERSIONS.find((each) => String(each) === (options.dfuVer ?? '0.5'));
  if (dfuVersion === undefined) throw wrong(`--dfu-ver: one of ${DFU_VERSIONS.join(', ')}; a key makes it 0.8`);
  return {
    ...(deviceType === undefined ? {} : { deviceType }),
    ...(deviceRevision === undefined ? {} : { deviceRevision }),
    ...(applicationVersion === undefined ? {} : { applicationVersion }),
    ...(softdevices === undefined ? {} : { softdevices }),
    dfuVersion,
    ...(options.keyFile === undefined ? {} : { privateKey: privateScalar(await readPrivateKey(options.keyFile)) }),
  };
}

/** Name inside the package: the tool keeps that of the file. */
function stem(path: string): string {
  const name = basename(path).replace(/\.(hex|bin)$/i, '');
  return /^[\w.-]{1,100}$/.test(name) ? name : 'image';
}

function number(name: string, text: string | undefined, highest: number): number | undefined {
  if (text === undefined) return undefined;
  const value = /^(?:0x[0-9a-f]{1,8}|\d{1,10})$/i.test(text) ? Number(text) : Number.NaN;
  if (!(value <= highest)) throw wrong(`${name} ${text}: a number from 0 to ${highest}`);
  return value;
}

async function write(out: string, bytes: Uint8Array): Promise<void> {
  await writeFile(out, bytes).catch((error: Error) => {
    throw wrong(`${out}: ${error.message}`);
  });
}

const wrong = (detail: string): DrydockError => new DrydockError('request.invalid', { detail });
