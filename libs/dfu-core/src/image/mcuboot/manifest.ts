/**
 * `manifest.json` of a `dfu_application.zip`.
 *
 * Values that the generator takes as `key=value` are strings, so numbers are accepted in both spellings; some packages
 * carry a bare `0x...` where JSON wants a number.
 *
 * Source: nRF Connect SDK `scripts/bootloader/generate_zip.py`, `cmake/sysbuild/zip.cmake`;
 * Android-nRF-Connect-Device-Manager and IOS-nRF-Connect-Device-Manager (fields of older packages).
 */
import { ArtifactError } from '../../errors.js';

export interface ManifestFile {
  /** Name in the archive. */
  readonly file: string;
  /** `application`, `bin`, `mcuboot`, `suit-envelope`, `cache`; `bin` where it is missing. */
  readonly type: string;
  readonly image: number;
  /** Direct-XIP: 0 or 1. */
  readonly slot?: number;
  readonly sizeBytes?: number;
  readonly loadAddress?: number;
  /** `version_MCUBOOT+XIP` is there: the bootloader starts the image where it lies. */
  readonly xip: boolean;
  readonly board?: string;
  readonly soc?: string;
}

export interface Manifest {
  readonly name?: string;
  readonly files: readonly ManifestFile[];
}

const MAX_FILES = 16;

function malformed(field: string, detail: string): ArtifactError {
  return new ArtifactError('artifact.malformed', { field: `manifest.json: ${field}`, offset: 0, detail });
}

type Json = Readonly<Record<string, unknown>>;

/** @returns the JSON object of the text; undefined when it is none, bare hex numbers aside. */
export function parseManifestJson(text: string): Json | undefined {
  for (const spelled of [text, text.replace(/(:\s*)(0x[0-9a-f]{1,8})(?=\s*[,}\]])/gi, '$1"$2"')]) {
    try {
      const value: unknown = JSON.parse(spelled);
      return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Json) : undefined;
    } catch {
      // The second spelling may do.
    }
  }
  return undefined;
}

/** @returns true for a manifest of this family: the list of files, where Nordic's older ones have `manifest`. */
export function isMcubootManifest(json: Json | undefined): boolean {
  return Array.isArray(json?.['files']) && json['manifest'] === undefined;
}

/** @throws ArtifactError `artifact.malformed` with the field that is wrong; `artifact.limit`. */
export function readManifest(json: Json): Manifest {
  const version = json['format-version'];
  if (version !== undefined && number(version) !== 0) {
    throw malformed('format-version', `${JSON.stringify(version)}: only 0 is known`);
  }
  const files = json['files'];
  if (!Array.isArray(files) || files.length === 0) throw malformed('files', 'it names no files');
  if (files.length > MAX_FILES) {
    throw new ArtifactError('artifact.limit', { field: 'manifest files', actual: files.length, limit: MAX_FILES });
  }
  const read = files.map((entry: unknown, index) => readFile(entry, index));
  const name = json['name'];
  return { ...(typeof name === 'string' && { name: name.slice(0, 128) }), files: withSlots(read) };
}

function readFile(entry: unknown, index: number): ManifestFile {
  if (typeof entry !== 'object' || entry === null) throw malformed(`files[${index}]`, 'it is no object');
  const json = entry as Json;
  const file = json['file'];
  if (typeof file !== 'string' || file === '' || /[/\\]/.test(file)) {
    throw malformed(`files[${index}].file`, 'it is no plain file name');
  }
  const uint = (key: string, most: number): number | undefined => {
    const value = json[key];
    if (value === undefined || value === null || value === '') return undefined;
    const parsed = number(value);
    if (parsed === undefined || parsed > most)
      throw malformed(`${file}.${key}`, `${JSON.stringify(value)} is no number`);
    return parsed;
  };
  const text = (key: string): string | undefined => {
    const value = json[key];
    return typeof value === 'string' && value !== '' ? value.slice(0, 128) : undefined;
  };
  const slot = uint('slot', 255);
  const sizeBytes = uint('size', 0xffffffff);
  const loadAddress = uint('load_address', 0xffffffff);
  const board = text('board');
  const soc = text('soc');
  return {
    file,
    type: text('type') ?? 'bin',
    image: uint('image_index', 15) ?? uint('image', 15) ?? 0,
    // Later packages count slots over all images.
    ...(slot !== undefined && { slot: slot % 2 }),
    ...(sizeBytes !== undefined && { sizeBytes }),
    ...(loadAddress !== undefined && { loadAddress }),
    xip: json['version_MCUBOOT+XIP'] !== undefined,
    ...(board !== undefined && { board }),
    ...(soc !== undefined && { soc }),
  };
}

/** A whole number that is not negative, in whichever spelling. */
function number(value: unknown): number | undefined {
  const parsed = typeof value === 'string' && /^(0x[0-9a-f]{1,8}|\d{1,10})$/i.test(value) ? Number(value) : value;
  return typeof parsed === 'number' && Number.isSafeInteger(parsed) && parsed >= 0 ? parsed : undefined;
}

/** Slots matter where the image runs in place. Two files of one image without any are slot 0 and 1 in their order. */
function withSlots(files: readonly ManifestFile[]): ManifestFile[] {
  return files.map((file) => {
    const same = files.filter(({ image, type }) => image === file.image && type === file.type);
    const inPlace = file.xip || same.length > 1;
    const { slot, ...rest } = file;
    if (!inPlace) return rest;
    const unnamed = same.every((other) => other.slot === undefined);
    return { ...rest, slot: slot ?? (unnamed && same.length > 1 ? same.indexOf(file) : 1) };
  });
}
