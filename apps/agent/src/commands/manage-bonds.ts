/** What `bond make`, `bond list` and `bond forget` do. */
import { DrydockError } from '@drydock/dfu-core';
import { realClock } from '../clock.js';
import { openBondStore } from '../links/ble/bond-store.js';
import { describeBond, type SecurityLevel } from '../links/ble/pairing/bond.js';
import { Passkey } from '../links/ble/pairing/passkey.js';
import { type PairingPerson, personWith } from '../links/ble/pairing/person.js';
import { createLinkFactory } from '../links/link-factory.js';
import { parseLinkName } from '../links/parse-link.js';
import { createLogger } from '../logger.js';
import { printJson, printLines, tellError } from './console-output.js';
import { personAtTerminal } from './pairing-at-terminal.js';
import { readSmallFile } from './read-input.js';

const PAIR_MS = 60_000;
const MAX_PASSKEY_FILE_BYTES = 64;

interface CommonOptions {
  readonly state: string;
  readonly json?: boolean;
}

export interface MakeBondOptions extends CommonOptions {
  readonly link: string;
  readonly adapter?: string;
  readonly verbose?: boolean;
  /** The least that is taken: `encrypted` (default) or `authenticated`. */
  readonly level?: string;
  /** File with the six digits; without it a person at the terminal is asked, where there is one. */
  readonly passkeyFile?: string;
}

/** @returns the exit status. */
export async function makeBond(options: MakeBondOptions): Promise<number> {
  const json = options.json ?? false;
  const links = createLinkFactory({
    clock: realClock,
    log: createLogger(options.verbose ? 'debug' : 'warn'),
    adapter: options.adapter,
    stateDir: options.state,
  });
  try {
    const { address, addressType } = bluetoothOf(options.link);
    const minimum = levelOf(options.level);
    const person = await personOf(options);
    const adapter = await links.bluetooth();
    const paired = await adapter.bond(address, { addressType }, PAIR_MS, { minimum, person });
    const name = paired.address.toUpperCase();
    const kind = describeBond(paired.bond);
    const renamed = paired.address === address ? '' : `; from now on name it ble:${name}`;
    tell(json, { address: paired.address, bonded: true, kind }, `bonded with ${name} (${kind})${renamed}`);
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
    const bonds = (await (await openBondStore(options.state)).all()).map((bond) => ({
      address: bond.address,
      kind: describeBond(bond),
      changesAddress: bond.irk !== undefined,
    }));
    if (json) printJson(bonds);
    else {
      printLines(
        bonds.map(({ address, kind, changesAddress }) =>
          [`ble:${address.toUpperCase()}`, kind, ...(changesAddress ? ['may change its address'] : [])].join('  '),
        ),
      );
    }
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

function levelOf(text = 'encrypted'): SecurityLevel {
  if (text === 'encrypted' || text === 'authenticated') return text;
  throw new DrydockError('request.invalid', { detail: `--level ${text}: encrypted or authenticated` });
}

async function personOf({ passkeyFile, json }: MakeBondOptions): Promise<PairingPerson | undefined> {
  if (passkeyFile !== undefined) {
    const digits = new TextDecoder().decode(await readSmallFile(passkeyFile, MAX_PASSKEY_FILE_BYTES));
    return personWith(Passkey.parse(digits.trim(), '--passkey-file'));
  }
  return process.stdin.isTTY && !json ? personAtTerminal() : undefined;
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
