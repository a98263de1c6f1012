/**
 * The loader codec of a gateway: a module that the person at the gateway installed and named in the site file (or by hand
 * on the command line), never anything that an order names. It exports a `LoaderCodec` as default or as `loaderCodec`.
 */
import { createRequire } from 'node:module';
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { createCsrDfu, DrydockError, loaderCodecFault, type LoaderCodec } from '@drydock/dfu-core';
import { PROTOCOLS, type ProtocolRegistry } from '../protocols.js';

/**
 * @param name a path (beginning with `.` or `/`), or the name of a package that is installed beside `folder`.
 * @param folder what paths and packages are looked up from: that of the site file.
 * @throws DrydockError `settings.invalid` when it cannot be loaded, or what it exports is no codec.
 */
export async function loadLoaderCodec(name: string, folder: string): Promise<LoaderCodec> {
  const refuse = (detail: string, cause?: unknown): never => {
    throw new DrydockError('settings.invalid', { field: 'loaderCodec', detail: `${name}: ${detail}` }, { cause });
  };
  let exported: Record<string, unknown> = {};
  try {
    const isPath = name.startsWith('.') || name.startsWith('/');
    const path = isPath ? resolve(folder, name) : createRequire(resolve(folder, 'package.json')).resolve(name);
    exported = (await import(pathToFileURL(path).href)) as Record<string, unknown>;
  } catch (error) {
    refuse(error instanceof Error ? error.message : String(error), error);
  }
  const codec = exported['loaderCodec'] ?? exported['default'];
  const fault = loaderCodecFault(codec);
  return fault === undefined ? (codec as LoaderCodec) : refuse(`it exports no loader codec: ${fault}`);
}

/** The protocols of an agent that has this codec. */
export function protocolsWith(codec: LoaderCodec, registry: ProtocolRegistry = PROTOCOLS): ProtocolRegistry {
  const protocol = createCsrDfu({ codec });
  return new Map([...registry, [protocol.name, protocol]]);
}
