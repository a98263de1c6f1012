/**
 * Makes `dfu_application.zip` files: members stored, `manifest.json` as the generator of the SDK spells it.
 *
 * Source: nRF Connect SDK `scripts/bootloader/generate_zip.py` (numbers given as `key=value` become strings).
 */
import { type Zippable, zipSync } from 'fflate';
import { ArtifactError } from '../../errors.js';
import { checkMcubootImage } from './describe.js';
import { formatMcubootVersion } from './format.js';
import { openMcubootFile } from './file.js';

export interface McubootPackagePart {
  readonly image: number;
  /** Direct-XIP: the slot it is linked for. */
  readonly slot?: number;
  /** Name in the archive. */
  readonly file: string;
  readonly bytes: Uint8Array;
}

export interface McubootPackageOptions {
  readonly name?: string;
  readonly board?: string;
  readonly xip?: boolean;
  /** Seconds since 1970, in the manifest. Default 0, so that equal parts give equal packages. */
  readonly timeSeconds?: number;
}

/** The earliest date that an archive can state. */
const ZIP_EPOCH = '1980-01-01T00:00:00';

/**
 * @throws ArtifactError when a part is no image, two are for one place, or a name is taken twice.
 */
export function makeMcubootPackage(
  parts: readonly McubootPackagePart[],
  options: McubootPackageOptions = {},
): Uint8Array {
  const { timeSeconds = 0, xip = false } = options;
  const members: Zippable = {};
  const files = parts.map(({ image, slot, file, bytes }) => {
    if (file === 'manifest.json' || Object.hasOwn(members, file)) {
      throw new ArtifactError('artifact.malformed', { field: 'file', offset: 0, detail: `${file} is named twice` });
    }
    members[file] = bytes;
    const { image: parsed } = checkMcubootImage(bytes, { allowPadded: xip });
    return {
      type: 'application',
      ...(options.board !== undefined && { board: options.board }),
      load_address: parsed.header.loadAddress,
      image_index: String(image),
      ...(slot !== undefined && { slot: String(slot) }),
      [xip ? 'version_MCUBOOT+XIP' : 'version_MCUBOOT']: formatMcubootVersion(parsed.header.version),
      size: bytes.length,
      file,
      modtime: timeSeconds,
    };
  });
  const manifest = {
    'format-version': 0,
    time: timeSeconds,
    ...(options.name !== undefined && { name: options.name }),
    files,
  };
  members['manifest.json'] = new TextEncoder().encode(JSON.stringify(manifest, undefined, 2));
  const made = zipSync(members, { level: 0, mtime: ZIP_EPOCH });
  openMcubootFile(made);
  return made;
}
