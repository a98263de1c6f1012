/** Files that a person names. */
import { open } from 'node:fs/promises';
import { DrydockError, type Protocol } from '@drydock/dfu-core';
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

/**
 * Options of a link that only some protocols know. Units are not asked in languages that they do not speak: bytes of
 * one can put the receiver of another out of step.
 */
function speaksOptions(protocol: Protocol, options: Readonly<Record<string, string>>): boolean {
  const { framing, generation, bootbaud, bootframing, application } = options;
  const isConsole = framing === 'console' || framing === 'raw';
  if (isConsole || options['identity'] === 'node-name') return protocol.name === 'smp';
  if (application !== undefined) return protocol.name === 'gecko-xmodem';
  const isBgapi = [framing, generation, bootbaud, bootframing].some((value) => value !== undefined);
  return !isBgapi || protocol.name === 'bgapi-dfu' || protocol.name === 'gecko-xmodem';
}

/**
 * The protocols worth trying on a link: the named one, or all that use such a link and deliver the format.
 * @throws DrydockError `gateway.no-protocol`, `request.invalid`
 */
export function candidateProtocols(link: string, name: string | undefined, format?: string): readonly Protocol[] {
  const { kind, options } = parseLinkName(link);
  if (name !== undefined) return [requireProtocol(name)];
  const found = [...PROTOCOLS.values()].filter(
    (protocol) =>
      protocol.links.includes(kind) &&
      speaksOptions(protocol, options) &&
      (format === undefined || protocol.formats.includes(format)),
  );
  if (found.length > 0) return found;
  const what = format === undefined ? `over ${kind}` : `${format} over ${kind}`;
  throw new DrydockError('request.invalid', { detail: `no protocol of this agent delivers ${what}` });
}
