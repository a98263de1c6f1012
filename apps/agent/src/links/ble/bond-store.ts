/**
 * The bonds of this gateway: by device the key that encrypts its links. noble hands out keys and keeps none.
 *
 * One JSON file that only its owner may read, written as a whole and put in place by a rename. Keys are never logged, and
 * leave this folder in HCI commands only. A person may pair while the daemon runs, so what changed on disk is read again.
 */
import { chmod, mkdir, open, readFile, rename, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { DrydockError } from '@drydock/dfu-core';
import { freshRandomAddress } from './connection-commands.js';

/** As the device gave it; numbers lie as over the air. */
export interface Bond {
  /** Long term key, 16 bytes. */
  readonly ltk: Uint8Array;
  readonly ediv: number;
  /** 8 bytes. */
  readonly rand: Uint8Array;
}

export interface BondStore {
  /** @param address `aa:bb:cc:dd:ee:ff` */
  get(address: string): Promise<Bond | undefined>;
  set(address: string, bond: Bond): Promise<void>;
  /** @returns false when there was none. */
  forget(address: string): Promise<boolean>;
  addresses(): Promise<readonly string[]>;
  /**
   * The address of ours that devices know, where a controller has none: made once, because bonds hold between addresses.
   * 6 bytes, least significant first.
   */
  ownRandomAddress(): Promise<Uint8Array>;
}

const FILE_NAME = 'bonds.json';
const VERSION = 1;
const MAX_FILE_BYTES = 1024 * 1024;
const MAX_BONDS = 4096;
const ADDRESS = /^(?:[0-9a-f]{2}:){5}[0-9a-f]{2}$/;

/**
 * @param dir the agent's state folder; made if it is not there.
 * @throws DrydockError `settings.invalid` when the file is broken, or others may read it.
 */
export async function openBondStore(dir: string): Promise<BondStore> {
  await mkdir(dir, { recursive: true, mode: 0o700 });
  const path = join(dir, FILE_NAME);
  const store = new FileBondStore(path);
  await store.addresses();
  return store;
}

class FileBondStore implements BondStore {
  #bonds = new Map<string, Bond>();
  #own: Uint8Array | undefined;
  /** What the file looked like when it was last read or written. */
  #seen: string | undefined;
  #turn: Promise<unknown> = Promise.resolve();

  constructor(private readonly path: string) {}

  addresses(): Promise<readonly string[]> {
    return this.#inTurn(() => [...this.#bonds.keys()]);
  }

  get(address: string): Promise<Bond | undefined> {
    return this.#inTurn(() => this.#bonds.get(address.toLowerCase()));
  }

  set(address: string, bond: Bond): Promise<void> {
    return this.#inTurn(async () => {
      this.#bonds.set(address.toLowerCase(), bond);
      await this.#write();
    });
  }

  forget(address: string): Promise<boolean> {
    return this.#inTurn(async () => {
      const was = this.#bonds.delete(address.toLowerCase());
      if (was) await this.#write();
      return was;
    });
  }

  ownRandomAddress(): Promise<Uint8Array> {
    return this.#inTurn(async () => {
      if (this.#own) return this.#own;
      const address = freshRandomAddress();
      this.#own = address;
      await this.#write();
      return address;
    });
  }

  /** One after the other, each on what the file says now. */
  #inTurn<T>(work: () => T | Promise<T>): Promise<T> {
    const result = this.#turn.then(async () => {
      const look = await looks(this.path);
      if (look !== this.#seen) {
        const { bonds, ownAddress } = await read(this.path);
        this.#bonds = bonds;
        this.#own = ownAddress;
        this.#seen = look;
      }
      return work();
    });
    this.#turn = result.catch(() => undefined);
    return result;
  }

  async #write(): Promise<void> {
    const content = {
      version: VERSION,
      ...(this.#own && { ownAddress: hex(this.#own) }),
      bonds: Object.fromEntries(
        [...this.#bonds].map(([address, { ltk, ediv, rand }]) => [address, { ltk: hex(ltk), ediv, rand: hex(rand) }]),
      ),
    };
    const draft = `${this.path}.new`;
    await rm(draft, { force: true });
    const file = await open(draft, 'wx', 0o600);
    try {
      await file.writeFile(`${JSON.stringify(content)}\n`);
      await file.sync();
    } finally {
      await file.close();
    }
    await chmod(draft, 0o600); // whatever the umask said
    await rename(draft, this.path);
    const folder = await open(dirname(this.path), 'r');
    try {
      await folder.sync();
    } finally {
      await folder.close();
    }
    this.#seen = await looks(this.path);
  }
}

/** Changes whenever the file does; undefined while there is none. */
async function looks(path: string): Promise<string | undefined> {
  const facts = await stat(path, { bigint: true }).catch(() => undefined);
  return facts && `${facts.ino} ${facts.mtimeNs} ${facts.size} ${facts.mode}`;
}

async function read(path: string): Promise<{ bonds: Map<string, Bond>; ownAddress: Uint8Array | undefined }> {
  const facts = await stat(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw broken(path, error.message);
  });
  if (!facts) return { bonds: new Map(), ownAddress: undefined };
  if ((facts.mode & 0o077) !== 0) throw broken(path, 'others may read it: chmod 600, and forget the bonds in it');
  if (facts.size > MAX_FILE_BYTES) throw broken(path, 'too large');
  let content: unknown;
  try {
    content = JSON.parse(await readFile(path, 'utf8'));
  } catch {
    throw broken(path, 'no JSON');
  }
  return parse(content, path);
}

function parse(content: unknown, path: string): { bonds: Map<string, Bond>; ownAddress: Uint8Array | undefined } {
  const root = objectOf(content, path);
  if (root['version'] !== VERSION)
    throw broken(path, `version ${String(root['version'])}; this agent knows ${VERSION}`);
  const bonds = new Map<string, Bond>();
  for (const [address, value] of Object.entries(objectOf(root['bonds'], path))) {
    const { ltk, ediv, rand } = objectOf(value, path);
    const whole = Number.isInteger(ediv) && Number(ediv) >= 0 && Number(ediv) <= 0xffff;
    if (!ADDRESS.test(address) || !whole || bonds.size >= MAX_BONDS)
      throw broken(path, `the bond of ${address.slice(0, 20)}`);
    bonds.set(address, { ltk: bytesOf(ltk, 16, path), ediv: Number(ediv), rand: bytesOf(rand, 8, path) });
  }
  const own = root['ownAddress'];
  return { bonds, ownAddress: own === undefined ? undefined : bytesOf(own, 6, path) };
}

function objectOf(value: unknown, path: string): Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw broken(path, 'not the file of an agent');
  return value as Record<string, unknown>;
}

function bytesOf(value: unknown, length: number, path: string): Uint8Array {
  if (typeof value !== 'string' || value.length !== 2 * length || !/^[0-9a-f]*$/.test(value)) {
    throw broken(path, `a value that is not ${length} bytes`);
  }
  return Uint8Array.from(Buffer.from(value, 'hex'));
}

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
const broken = (path: string, detail: string): DrydockError =>
  new DrydockError('settings.invalid', { field: path, detail });
