/** What `bond make`, `bond list` and `bond forget` do. */
import { DrydockError } from '@drydock/dfu-core';
import { realClock } from '../clock.js';
import { openBondStore } from '../links/ble/bond-store.js';
import { createLinkFactory } from '../links/link-factory.js';
import { parseLinkName } from '../links/parse-link.js';
import { createLogger } from '../logger.js';
import { printJson, printLines, tellError } from './console-output.js';

const PAIR_MS = 60_000;

interface CommonOptions {
  readonly state: string;
  readonly json?: boolean;
}

/** @returns the exit status. */
export async function makeBond(
  options: CommonOptions & { readonly link: string; readonly adapter?: string; readonly verbose?: boolean },
): Promise<number> {
  const json = options.json ?? false;
  const links = createLinkFactory({
    clock: realClock,
    log: createLogger(options.verbose ? 'debug' : 'warn'),
    adapter: options.adapter,
    stateDir: options.state,
  });
  try {
    const { address, addressType } = bluetoothOf(options.link);
    const adapter = await links.bluetooth();
    await adapter.bond(address, { addressType }, PAIR_MS);
    tell(json, { address, bonded: true }, `bonded with ${address.toUpperCase()}`);
    return 0;
  } catch (error) {
    return tellError(error, json);
  } finally {
    await links.close();
  }
}

/** @returns the exit status. */
export async function listBonds(options: CommonOptions): Promise<number> {
  const json = options.json ?? false;
  try {
    const addresses = await (await openBondStore(options.state)).addresses();
    if (json) printJson(addresses);
    else printLines(addresses.map((address) => `ble:${address.toUpperCase()}`));
    return 0;
  } catch (error) {
    return tellError(error, json);
  }
}

/** @returns the exit status. */
export async function forgetBond(options: CommonOptions & { readonly link: string }): Promise<number> {
  const json = options.json ?? false;
  try {
    const { address } = bluetoothOf(options.link);
    const was = await (await openBondStore(options.state)).forget(address);
    const name = address.toUpperCase();
    tell(json, { address, forgotten: was }, was ? `forgotten: ${name}` : `no bond with ${name}`);
    return 0;
  } catch (error) {
    return tellError(error, json);
  }
}

function bluetoothOf(name: string): { address: string; addressType: 'public' | 'random' | undefined } {
  const link = parseLinkName(name);
  if (link.kind !== 'ble')
    throw new DrydockError('request.invalid', { detail: `${name}: only Bluetooth devices pair` });
  return link;
}

function tell(json: boolean, record: Readonly<Record<string, unknown>>, line: string): void {
  if (json) printJson(record);
  else printLines([line]);
}
