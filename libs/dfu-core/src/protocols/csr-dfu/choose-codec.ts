/** Which loader codec may speak on a port: the one that was added, or Drydock's own on simulated ports alone. */
import { DrydockError } from '../../errors.js';
import type { LinkInfo } from '../../session/session.js';
import { loaderCodecFault, type LoaderCodec } from './loader-codec.js';
import { referenceLoaderCodec } from './reference-codec.js';

/** Pseudo-terminals, and the ports of the simulator: no module can be behind them. */
const SIMULATED_PORT = /^(?:\/dev\/pts\/\d+|sim:.+)$/;

/** @throws DrydockError `gateway.no-loader-codec`, before anything was touched. */
export function chooseCodec(
  added: LoaderCodec | undefined,
  options: Readonly<Record<string, string>>,
  link: LinkInfo,
): LoaderCodec {
  const isSimulated = SIMULATED_PORT.test(link.identity.value);
  const codec = options['loader'] === 'simulated' ? referenceLoaderCodec : added;
  const refuse = (detail: string): never => {
    throw new DrydockError('gateway.no-loader-codec', { protocol: 'csr-dfu', detail });
  };
  if (!codec) {
    return refuse(
      'the bytes of its boot loader are not public. Add a package with them (loaderCodec in the site file), or update it with the vendor’s tool',
    );
  }
  const fault = loaderCodecFault(codec);
  if (fault !== undefined) refuse(`the one that was added cannot be used: ${fault}`);
  if (codec.provenance === 'reference-sim' && !isSimulated) {
    refuse(`${codec.id} is for simulated modules, and no module understands it`);
  }
  return codec;
}
