/**
 * The bonds of this gateway: by device the key that encrypts its links. noble hands out keys and keeps none.
 *
 * One JSON file that only its owner may read, written as a whole and put in place by a rename. Keys are never logged, and
 * leave this folder in HCI commands only.
 */
import { chmod, mkdir, open, readFile, rename, rm, stat } from 'node:fs/promises';
import { randomBytes } from 'node:crypto';
import { dirname, join } from 'node:path';
import { DrydockError } from '@drydock/dfu-core';

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
  get(address: string): Bond | undefined;
  set(address: string, bond: Bond): Promise<void>;
  /** @returns false when there was none. */
  forget(address: string): Promise<boolean>;
  readonly addresses: readonly string[];
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
  const { bonds, ownAddress } = await read(path);
  return new FileBondStore(path, bonds, ownAddress);
}

class FileBondStore implements BondStore {
  #writing: Promise<void> = Promise.resolve();

  constructor(
    private readonly path: string,
    private readonly bonds: Map<string, Bond>,
    private own: Uint8Array | undefined,
  ) {}

  get addresses(): readonly string[] {
    return [...this.bonds.keys()];
  }

  get(address: string): Bond | undefined {
    return this.bonds.get(address.toLowerCase());
  }

  async set(address: string, bond: Bond): Promise<void> {
    this.bonds.set(address.toLowerCase(), bond);
    await this.#write();
  }

  async forget(address: string): Promise<boolean> {
    const was = this.bonds.delete(address.toLowerCase());
    if (was) await this.#write();
    return was;
  }

  async ownRandomAddress(): Promise<Uint8Array> {
    if (this.own) return this.own;
    const address = Uint8Array.from(randomBytes(6));
    // A static random address: the two most significant bits are set (Vol 6 Part B, 1.3.2.1).
    address[5] = (address[5] ?? 0) | 0xc0;
    this.own = address;
    await this.#write();
    return address;
  }

  /** One write at a time, the last of which has everything. */
  #write(): Promise<void> {
    this.#writing = this.#writing.catch(() => undefined).then(() => this.#writeNow());
    return this.#writing;
  }

  async #writeNow(): Promise<void> {
    const content = {
      version: VERSION,
      ...(this.own && { ownAddress: hex(this.own) }),
      bonds: Object.fromEntries(
        [...this.bonds].map(([address, { ltk, ediv, rand }]) => [address, { ltk: hex(ltk), ediv, rand: hex(rand) }]),
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
  }
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
  if (root['version'] !== VERSION) throw broken(path, `version ${String(root['version'])}; this agent knows ${VERSION}`);
  const bonds = new Map<string, Bond>();
  for (const [address, value] of Object.entries(objectOf(root['bonds'], path))) {
    const { ltk, ediv, rand } = objectOf(value, path);
    const whole = Number.isInteger(ediv) && Number(ediv) >= 0 && Number(ediv) <= 0xffff;
    if (!ADDRESS.test(address) || !whole || bonds.size >= MAX_BONDS) throw broken(path, `the bond of ${address.slice(0, 20)}`);
    bonds.set(address, { ltk: bytesOf(ltk, 16, path), ediv: Number(ediv), rand: bytesOf(rand, 8, path) });
  }
  const own = root['ownAddress'];
  return { bonds, ownAddress: own === undefined ? undefined : bytesOf(own, 6, path) };
}

function objectOf(value: unknown, path: string): Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw broken(path, 'not the file of an agent');
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
