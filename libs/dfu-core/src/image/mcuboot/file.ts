/**
 * Every kind of file that carries MCUboot images: one image, the same in Intel HEX, and `dfu_application.zip`.
 *
 * Source: nRF Connect SDK `scripts/bootloader/generate_zip.py`; mcu-tools/mcuboot `scripts/imgtool/image.py`.
 */
import { type ByteSource, sourceOf, wholeOf } from '../../bytes/byte-source.js';
import { toHex } from '../../bytes/hex.js';
import { ArtifactError } from '../../errors.js';
import type { ArtifactDescription } from '../description.js';
import { looksLikeIntelHex } from '../intel-hex/index.js';
import { looksLikeZip, openZip, type ZipArchive, type ZipLimits } from '../zip.js';
import {
  type CheckedMcubootImage,
  checkMcubootImage,
  describeImage,
  describeSignatures,
  type McubootChecks,
  notesOf,
} from './describe.js';
import {
  MAX_IMAGE_FILE_BYTES,
  MCUBOOT_FORMAT,
  MCUBOOT_HEX_FORMAT,
  MCUBOOT_IMAGE_PROTOCOLS,
  MCUBOOT_PACKAGE_FORMAT,
  type McubootVersion,
} from './format.js';
import { imageOfHex } from './hex.js';
import { isMcubootManifest, type ManifestFile, parseManifestJson, readManifest } from './manifest.js';
import { digestOf } from './verify.js';

export const MCUBOOT_FORMATS: readonly string[] = [MCUBOOT_FORMAT, MCUBOOT_HEX_FORMAT, MCUBOOT_PACKAGE_FORMAT];

const PACKAGE_LIMITS: ZipLimits = {
  maxArchiveBytes: 64 * 1024 * 1024,
  maxEntries: 64,
  maxEntryBytes: MAX_IMAGE_FILE_BYTES,
  maxTotalBytes: 64 * 1024 * 1024,
};
const MANIFEST = 'manifest.json';
const MAX_MANIFEST_BYTES = 64 * 1024;

/** What application images are called in manifests, and what is called otherwise. */
const IMAGE_TYPES: ReadonlySet<string> = new Set(['application', 'bin']);

export interface McubootFileImage {
  readonly image: number;
  readonly slot?: number;
  /** `application` for image 0, `image` for the others: what they are is the product's own affair. */
  readonly kind: string;
  readonly member?: string;
  /** The image as it is sent. */
  readonly bytes: ByteSource;
  readonly checked: CheckedMcubootImage;
}

export interface McubootFile {
  readonly format: string;
  readonly images: readonly McubootFileImage[];
  /** For which the application was built, where a manifest says so. */
  readonly board?: string;
  readonly notes: readonly string[];
}

/**
 * Opens a file of any of these kinds and makes all checks of each image in it.
 * @param checks hold for every image; sizes and addresses of a manifest are added.
 * @throws ArtifactError for the first thing that is wrong.
 */
export function openMcubootFile(file: Uint8Array | ByteSource, checks: McubootChecks = {}): McubootFile {
  const source = sourceOf(file);
  const start = source.read(0, Math.min(64, source.length));
  if (looksLikeIntelHex(start)) return openHex(wholeOf(source), checks);
  if (looksLikeZip(start)) return openPackage(openZip(source, PACKAGE_LIMITS), checks);
  const checked = checkMcubootImage(source, checks);
  return {
    format: MCUBOOT_FORMAT,
    images: [{ image: 0, kind: 'application', bytes: source, checked }],
    notes: notesOf(checked),
  };
}

function openHex(file: Uint8Array, checks: McubootChecks): McubootFile {
  const { address, bytes } = imageOfHex(file);
  const checked = checkMcubootImage(bytes, checks);
  return {
    format: MCUBOOT_HEX_FORMAT,
    images: [{ image: 0, kind: 'application', bytes: sourceOf(bytes), checked }],
    notes: [`Intel HEX for address 0x${address.toString(16)}`, ...notesOf(checked)],
  };
}

/** @returns true when the archive has the manifest of this family. Never throws for what is in it. */
export function isMcubootPackage(file: Uint8Array | ByteSource): boolean {
  try {
    return isMcubootManifest(manifestJson(openZip(file, PACKAGE_LIMITS)));
  } catch (error) {
    if (error instanceof ArtifactError) return false;
    throw error;
  }
}

function manifestJson(archive: ZipArchive): Readonly<Record<string, unknown>> | undefined {
  const entry = archive.entries.find(({ name }) => name === MANIFEST);
  if (!entry || entry.sizeBytes > MAX_MANIFEST_BYTES) return undefined;
  return parseManifestJson(new TextDecoder('utf-8').decode(archive.read(MANIFEST)));
}

function openPackage(archive: ZipArchive, checks: McubootChecks): McubootFile {
  const json = manifestJson(archive);
  if (!json) {
    const detail = 'it is missing, larger than 64 KiB, or no JSON object';
    throw new ArtifactError('artifact.malformed', { field: MANIFEST, offset: 0, detail });
  }
  const manifest = readManifest(json);
  const images = manifest.files.map((file) => openMember(archive, file, checks));
  for (const [index, { image, slot, member }] of images.entries()) {
    if (images.findIndex((other) => other.image === image && other.slot === slot) === index) continue;
    const detail = `two files are for image ${image}${slot === undefined ? '' : ` slot ${slot}`}; ${member ?? ''} is the second`;
    throw new ArtifactError('artifact.malformed', { field: MANIFEST, offset: 0, detail });
  }
  checkDependencies(images);
  const named = new Set([MANIFEST, ...manifest.files.map(({ file }) => file)]);
  const boards = new Set(manifest.files.flatMap(({ board }) => board ?? []));
  const board = manifest.files.find((file) => file.image === 0)?.board ?? [...boards][0];
  return {
    format: MCUBOOT_PACKAGE_FORMAT,
    ...(board !== undefined && { board }),
    images: [...images].sort((a, b) => a.image - b.image || (a.slot ?? 0) - (b.slot ?? 0)),
    notes: [
      ...(manifest.name === undefined ? [] : [`package ${manifest.name}`]),
      ...(boards.size > 0 ? [`for board ${[...boards].join(', ')}`] : []),
      ...images.flatMap(({ member, checked }) => notesOf(checked).map((note) => `${member ?? ''}: ${note}`)),
      ...archive.entries.filter(({ name }) => !named.has(name)).map(({ name }) => `the manifest does not name ${name}`),
    ],
  };
}

function openMember(archive: ZipArchive, file: ManifestFile, checks: McubootChecks): McubootFileImage {
  if (!IMAGE_TYPES.has(file.type)) {
    const detail = `${file.file} is of type ${file.type}; only application images are delivered`;
    throw new ArtifactError('artifact.unsupported', { detail });
  }
  const bytes = archive.open(file.file);
  if (!bytes) {
    const detail = `the manifest names ${file.file}, which is not in the archive`;
    throw new ArtifactError('artifact.malformed', { field: MANIFEST, offset: 0, detail });
  }
  const checked = inMember(file.file, () =>
    checkMcubootImage(bytes, {
      ...checks,
      ...(file.sizeBytes !== undefined && { declaredBytes: file.sizeBytes }),
      ...(file.loadAddress !== undefined && { declaredLoadAddress: file.loadAddress }),
      // Images that start where they lie may have to come with their trailer.
      allowPadded: file.slot !== undefined,
    }),
  );
  return {
    image: file.image,
    ...(file.slot !== undefined && { slot: file.slot }),
    kind: file.image === 0 ? 'application' : 'image',
    member: file.file,
    bytes,
    checked,
  };
}

/** Says in which file of the package it is. */
function inMember<T>(member: string, check: () => T): T {
  try {
    return check();
  } catch (error) {
    if (!(error instanceof ArtifactError)) throw error;
    const { field, detail } = error.params;
    const params =
      field === undefined
        ? { ...error.params, detail: `${member}: ${String(detail ?? '')}` }
        : { ...error.params, field: `${member}: ${String(field)}` };
    throw new ArtifactError(error.code, params, { cause: error });
  }
}

/** What one image demands of another that is in the same package must hold there. */
function checkDependencies(images: readonly McubootFileImage[]): void {
  const versions = new Map<number, McubootVersion>(
    images.map(({ image, checked }) => [image, checked.image.header.version]),
  );
  for (const { member, bytes, checked } of images) {
    if (checked.dependencies.every(({ image }) => versions.has(image))) {
      inMember(member ?? '', () => checkMcubootImage(bytes, { otherImages: versions, allowPadded: checked.padded }));
    }
  }
}

/**
 * @returns the description that server and agent compare; `hardware` holds `board`, where a manifest names it.
 * @throws ArtifactError for the first check that fails.
 */
export function describeMcubootFile(file: Uint8Array | ByteSource, checks: McubootChecks = {}): ArtifactDescription {
  const source = sourceOf(file);
  const { format, images, notes, board } = openMcubootFile(source, checks);
  const described = images.map(({ image, slot, kind, member, checked }) =>
    describeImage(checked, {
      image,
      kind,
      ...(slot !== undefined && { slot }),
      ...(member !== undefined && { member }),
    }),
  );
  return {
    format,
    protocols: format === MCUBOOT_FORMAT ? MCUBOOT_IMAGE_PROTOCOLS : ['smp'],
    // A plain image is the file.
    sha256: (images[0]?.bytes === source && described[0]?.sha256) || toHex(digestOf(source, 'sha256')),
    sizeBytes: source.length,
    images: described,
    signatures: images.flatMap(({ member, checked }) => describeSignatures(checked, member ?? 'application')),
    hardware: board === undefined ? {} : { board },
    notes,
  };
}

/** Name of an image's bytes for sessions. */
export function mcubootSourceName({ image, slot }: { readonly image: number; readonly slot?: number }): string {
  return slot === undefined ? `image:${image}` : `image:${image}/slot:${slot}`;
}

/**
 * What a session reads, by name.
 * @throws ArtifactError as `openMcubootFile`.
 */
export function mcubootSources(file: Uint8Array | ByteSource): ReadonlyMap<string, ByteSource> {
  return new Map(openMcubootFile(file).images.map((image) => [mcubootSourceName(image), image.bytes]));
}
