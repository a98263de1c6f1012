/** Files that a person names. */
import { readFile, stat } from 'node:fs/promises';
import { DrydockError, joinLegacyFiles, sourceOf, wholeOf, type ByteSource } from '@drydock/dfu-core';
import { parseReleaseKey, verifyReleaseSignature } from '../deployments/release-keys.js';
import { ArtifactFile } from '../driver/artifact-file.js';

/** No artifact of any format is larger. */
export const MAX_ARTIFACT_BYTES = 64 * 1024 * 1024;

/**
 * Opens a firmware file to be read by ranges; the caller closes it.
 * @throws DrydockError `request.invalid`, `artifact.limit`
 */
export function openArtifactFile(path: string): ArtifactFile {
  let file: ArtifactFile;
  try {
    file = ArtifactFile.open(path);
  } catch (error) {
    throw new DrydockError('request.invalid', { detail: `${path}: ${(error as Error).message}` }, { cause: error });
  }
  if (file.length > MAX_ARTIFACT_BYTES) {
    const actual = file.length;
    file.close();
    throw new DrydockError('artifact.limit', { field: 'size', actual, limit: MAX_ARTIFACT_BYTES });
  }
  return file;
}

/** @throws DrydockError `request.invalid` when it cannot be read or is larger than `mostBytes`. */
export async function readSmallFile(path: string, mostBytes = 1024 * 1024): Promise<Uint8Array> {
  try {
    const facts = await stat(path);
    if (facts.size > mostBytes) throw new Error(`larger than ${mostBytes} bytes`);
    return new Uint8Array(await readFile(path));
  } catch (error) {
    throw new DrydockError('request.invalid', { detail: `${path}: ${(error as Error).message}` }, { cause: error });
  }
}

/**
 * Every image of the file must be signed by the key in this PEM file.
 * @throws DrydockError `request.invalid`, `settings.invalid`, `gateway.no-release-key`
 */
export async function requireSignature(file: ByteSource, format: string, keyPath: string): Promise<void> {
  const pem = new TextDecoder().decode(await readSmallFile(keyPath));
  verifyReleaseSignature(file, format, 'of --key', [parseReleaseKey(pem, '--key')]);
}

/** A firmware file, from disk or joined from two; the caller closes it. */
export interface OpenFirmware extends ByteSource {
  close(): void;
}

/**
 * A firmware file, or the pair of firmware and init packet that older tools want, joined into one artifact.
 * @param init path of the `.dat`; `none` for firmware that never had one (bootloaders of nRF5 SDK 6.1 and older).
 * @throws DrydockError as `openArtifactFile`; `artifact.*` when the two do not belong together.
 */
export async function openFirmware(path: string, init: string | undefined): Promise<OpenFirmware> {
  const file = openArtifactFile(path);
  if (init === undefined) return file;
  try {
    const firmware = wholeOf(file);
    const joined = init === 'none' ? joinLegacyFiles(firmware) : joinLegacyFiles(firmware, await readSmallFile(init));
    return { ...sourceOf(joined), close: () => undefined };
  } finally {
    file.close();
  }
}
