/** `scan`: what is on the air; with `--identify`, what each known device runs and what lies in its slots. */
import { DrydockError } from '@drydock/dfu-core';
import type { LinkFactory } from '../links/link-factory.js';
import { PROTOCOLS, requireProtocol } from '../protocols.js';
import { type CommonOptions, linksFor } from './by-hand.js';
import { imageInAWord, printJson, printLines, tellError } from './console-output.js';
import { findUnit } from './find-unit.js';

interface Recognised {
  readonly protocol: string;
  readonly mode: string;
}

interface Found {
  readonly link: string;
  readonly recognised: readonly Recognised[];
  readonly [fact: string]: unknown;
}

/** More devices than this are not connected to, one after the other. */
const MAX_IDENTIFIED = 64;

export async function scan(options: CommonOptions & { seconds?: string; identify?: boolean }): Promise<number> {
  const json = options.json ?? false;
  const seconds = Number(options.seconds ?? 10);
  const links = linksFor(options);
  try {
    if (!(seconds > 0 && seconds <= 3600))
      throw new DrydockError('request.invalid', { detail: '--seconds: from 1 to 3600' });
    const adapter = await links.bluetooth();
    const found = new Map<string, Found>();
    await adapter.scan(seconds * 1000, (sighting) => {
      const recognised = [...PROTOCOLS.values()].flatMap((protocol) => {
        const mode = protocol.recognise(sighting);
        return mode === undefined ? [] : [{ protocol: protocol.name, mode }];
      });
      const link = `ble:${sighting.address.toUpperCase()}`;
      found.set(sighting.address, { ...sighting, link, recognised });
      if (json) return;
      const signal = sighting.rssiDbm === undefined ? '' : `${sighting.rssiDbm} dBm`;
      const known = recognised.map(({ protocol, mode }) => `${protocol} (${mode})`).join(', ');
      printLines([[link, signal, sighting.name ?? '', known].join('  ')]);
    });
    const identified = new Map<string, Record<string, unknown>>();
    if (options.identify) {
      for (const device of [...found.values()]
        .filter(({ recognised }) => recognised.length > 0)
        .slice(0, MAX_IDENTIFIED)) {
        identified.set(device.link, await look(links, device, json));
      }
    }
    if (json) printJson([...found.values()].map((device) => ({ ...device, ...identified.get(device.link) })));
    return 0;
  } catch (error) {
    return tellError(error, json);
  } finally {
    await links.close();
  }
}

/** Connects to one device and asks it. That it does not answer is a line of its own, and no end of the scan. */
async function look(links: LinkFactory, { link, recognised }: Found, json: boolean): Promise<Record<string, unknown>> {
  const protocols = recognised.map(({ protocol }) => requireProtocol(protocol));
  try {
    const { found, details } = await findUnit(links, link, protocols, true);
    if (!json) {
      printLines([
        `${link}  runs ${imageInAWord(found.running) ?? 'nothing it names'} (${found.protocol}, ${found.mode})`,
        ...details.map((line) => `${link}  ${line}`),
      ]);
    }
    return { identification: found, details };
  } catch (error) {
    if (!(error instanceof DrydockError)) throw error;
    if (!json) printLines([`${link}  ${error.message} [${error.code}]`]);
    return { error: { code: error.code, detail: error.message } };
  }
}
