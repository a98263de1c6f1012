/**
 * The text of `bonds.json`: what it may say, and what becomes of anything else.
 *
 * Bytes are written in hexadecimal as they go over the air. Version 1, of agents that knew Just Works of legacy pairing
 * only, is read as what it was.
 */
import { isStatic } from './pairing/private-addresses.js';
import type { Bond } from './pairing/bond.js';

export const BONDS_VERSION = 2;

/** Pairings with one address that failed in a row. */
export interface PairingFailures {
  readonly count: number;
  /** Wall clock, milliseconds. */
  lastMs: number;
}

export interface BondFile {
  /** By address of the identity, lower case. */
  readonly bonds: Map<string, Bond>;
  /** By address, the one that failed first in front. */
  readonly failures: Map<string, PairingFailures>;
  /** 6 bytes, least significant first. */
  ownAddress: Uint8Array | undefined;
}

export const MAX_BONDS = 4096;
/** Addresses whose failures are remembered. */
export const MAX_FAILURES = 64;
const MAX_COUNT = 32;
const ADDRESS = /^(?:[0-9a-f]{2}:){5}[0-9a-f]{2}$/;
const HEX = /^[0-9a-f]*$/;

export function emptyBondFile(): BondFile {
  return { bonds: new Map(), failures: new Map(), ownAddress: undefined };
}

/** @returns what `JSON.stringify` makes the file of. */
export function encodeBondFile({ bonds, failures, ownAddress }: BondFile): object {
  return {
    version: BONDS_VERSION,
    ...(ownAddress && { ownAddress: hex(ownAddress) }),
    bonds: Object.fromEntries(
      [...bonds].map(([address, { ltk, rand, irk, ...facts }]) => [
        address,
        { ltk: hex(ltk), rand: hex(rand), ...facts, ...(irk && { irk: hex(irk) }) },
      ]),
    ),
    ...(failures.size > 0 && { failures: Object.fromEntries(failures) }),
  };
}

/**
 * @param refuse makes the error; its detail names what is wrong, and never a key.
 * @throws what `refuse` makes.
 */
export function parseBondFile(text: string, refuse: (detail: string) => Error): BondFile {
  return new Reader(refuse).file(text);
}

class Reader {
  constructor(private readonly refuse: (detail: string) => Error) {}

  file(text: string): BondFile {
    const root = this.#object(this.#json(text), 'the file');
    const { version } = root;
    if (version !== 1 && version !== BONDS_VERSION) {
      throw this.refuse(`its version is none of 1 and ${BONDS_VERSION}, which this agent knows`);
    }
    const bonds = new Map<string, Bond>();
    for (const [address, value] of this.#entries(root['bonds'], 'bonds', MAX_BONDS)) {
      bonds.set(address, this.#bond(value, `the bond of ${address}`, version));
    }
    const failures = new Map<string, PairingFailures>();
    for (const [address, value] of this.#entries(root['failures'] ?? {}, 'failures', MAX_FAILURES)) {
      const { count, lastMs } = this.#object(value, `the failures of ${address}`);
      failures.set(address, {
        count: this.#integer(count, MAX_COUNT, 'a count of failures'),
        lastMs: this.#integer(lastMs, Number.MAX_SAFE_INTEGER, 'a time of failure'),
      });
    }
    const own = root['ownAddress'];
    const ownAddress = own === undefined ? undefined : this.#bytes(own, 6, 'ownAddress');
    if (ownAddress && !isStatic(ownAddress)) throw this.refuse('ownAddress is no static random address');
    return { bonds, failures, ownAddress };
  }

  #bond(value: unknown, what: string, version: 1 | 2): Bond {
    const fields = this.#object(value, what);
    const key = {
      ltk: this.#bytes(fields['ltk'], 16, what),
      ediv: this.#integer(fields['ediv'], 0xffff, what),
      rand: this.#bytes(fields['rand'], 8, what),
    };
    if (version === 1) return { ...key, secureConnections: false, authenticated: false };
    const { secureConnections, authenticated, irk, addressType } = fields;
    if (typeof secureConnections !== 'boolean' || typeof authenticated !== 'boolean') {
      throw this.refuse(`${what} does not say how it was made`);
    }
    if (addressType !== undefined && addressType !== 'public' && addressType !== 'random') {
      throw this.refuse(`${what} names an unknown kind of address`);
    }
    return {
      ...key,
      secureConnections,
      authenticated,
      ...(irk !== undefined && { irk: this.#bytes(irk, 16, what) }),
      ...(addressType !== undefined && { addressType }),
    };
  }

  #json(text: string): unknown {
    try {
      return JSON.parse(text) as unknown;
    } catch {
      throw this.refuse('no JSON');
    }
  }

  #object(value: unknown, what: string): Record<string, unknown> {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) throw this.refuse(`${what} is no object`);
    return value as Record<string, unknown>;
  }

  #entries(value: unknown, what: string, most: number): [string, unknown][] {
    const entries = Object.entries(this.#object(value, what));
    if (entries.length > most) throw this.refuse(`${what}: more than ${most}`);
    const stranger = entries.find(([address]) => !ADDRESS.test(address));
    if (stranger) throw this.refuse(`${what}: ${JSON.stringify(stranger[0].slice(0, 20))} is no address`);
    return entries;
  }

  #bytes(value: unknown, length: number, what: string): Uint8Array {
    if (typeof value !== 'string' || value.length !== 2 * length || !HEX.test(value)) {
      throw this.refuse(`${what} has a value that is not ${length} bytes`);
    }
    return Uint8Array.from(Buffer.from(value, 'hex'));
  }

  #integer(value: unknown, most: number, what: string): number {
    if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 && value <= most) return value;
    throw this.refuse(`${what} has a number that is not between 0 and ${most}`);
  }
}

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
