/** Files that a person names. */
import { open } from 'node:fs/promises';
import { DrydockError, joinLegacyFiles, type Protocol } from '@drydock/dfu-core';
import { parseLinkName } from '../links/parse-link.js';
import { PROTOCOLS, requireProtocol } from '../protocols.js';

/** No artifact of any format is larger. */
export const MAX_ARTIFACT_BYTES = 64 * 1024 * 1024;

/** @throws DrydockError `request.invalid`, `artifact.limit` */
export async function readArtifactFile(path: string): Promise<Uint8Array> {
  const refuse = (error: Error): never => {
    throw new DrydockError('request.invalid', { detail: `${path}: ${error.message}` }, { cause: error });
  };
  const file = await open(path, 'r').catch(refuse);
  try {
    const facts = await file.stat();
    if (!facts.isFile()) refuse(new Error('no file'));
    if (facts.size > MAX_ARTIFACT_BYTES) {
      throw new DrydockError('artifact.limit', { field: 'size', actual: facts.size, limit: MAX_ARTIFACT_BYTES });
    }
    return new Uint8Array(await file.readFile());
  } finally {
    await file.close();
  }
}

/** On a shared line the one that speaks in plain lines goes first: what it says disturbs nobody, and it is answered soon. */
const loudness = (protocol: Protocol): number => (protocol.name === 'smp' ? 0 : 1);

/**
 * A firmware file, or the pair of firmware and init packet that older tools want, joined into one artifact.
 * @param init path of the `.dat`; `none` for firmware that never had one (bootloaders of nRF5 SDK 6.1 and older).
 * @throws DrydockError as `readArtifactFile`; `artifact.*` when the two do not belong together.
 */
export async function readFirmware(path: string, init: string | undefined): Promise<Uint8Array> {
  const file = await readArtifactFile(path);
  if (init === undefined) return file;
  return init === 'none' ? joinLegacyFiles(file) : joinLegacyFiles(file, await readArtifactFile(init));
}

/**
 * The protocols worth trying on a link: the named one, or all that use such a link and deliver the format.
 * @throws DrydockError `gateway.no-protocol`, `request.invalid`
 */
export function candidateProtocols(link: string, name: string | undefined, format?: string): readonly Protocol[] {
  const { kind } = parseLinkName(link);
  if (name !== undefined) return [requireProtocol(name)];
  const found = [...PROTOCOLS.values()].filter(
    (protocol) => protocol.links.includes(kind) && (format === undefined || protocol.formats.includes(format)),
  );
  if (found.length > 0)
    return kind === 'serial' ? [...found].sort((left, right) => loudness(left) - loudness(right)) : found;
  const what = format === undefined ? `over ${kind}` : `${format} over ${kind}`;
  throw new DrydockError('request.invalid', { detail: `no protocol of this agent delivers ${what}` });
}
