/**
 * The bonds of this gateway: by device the keys that encrypt its links and tell its addresses. noble hands out keys and
 * keeps none.
 *
 * One JSON file that only its owner may read, written as a whole and put in place by a rename. Keys are never logged, and
 * leave this folder in HCI commands only. A person may pair while the daemon runs, so what changed on disk is read again.
 */
import { randomBytes } from 'node:crypto';
import { chmod, mkdir, open, readdir, readFile, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { DrydockError } from '@drydock/dfu-core';
import { realClock, sleep } from '../../clock.js';
import { syncFolder, writeDurably } from '../../journal/disk.js';
import { type BondFile, emptyBondFile, encodeBondFile, MAX_BONDS, MAX_FAILURES, parseBondFile } from './bond-file.js';
import { freshRandomAddress } from './connection-commands.js';
import type { Bond } from './pairing/bond.js';

export interface BondedDevice extends Bond {
  /** The one that stays, `aa:bb:cc:dd:ee:ff`. */
  readonly address: string;
}

export interface BondStore {
  all(): Promise<readonly BondedDevice[]>;
  /** @param address of the identity, `aa:bb:cc:dd:ee:ff` */
  get(address: string): Promise<Bond | undefined>;
  /** The device pairs: its failures are forgotten. @throws DrydockError `settings.invalid` when there are too many. */
  set(address: string, bond: Bond): Promise<void>;
  /** Its failures are forgotten too. @returns false when there was none. */
  forget(address: string): Promise<boolean>;
  /**
   * The address of ours that devices know, where a controller has none: made once, because bonds hold between addresses.
   * 6 bytes, least significant first.
   */
  ownRandomAddress(): Promise<Uint8Array>;
  /** A pairing with this address failed. Each failure in a row doubles the pause before the next attempt. */
  pairingFailed(address: string): Promise<void>;
  /** Failures in a row, and how long no pairing with this address may be tried, milliseconds (0: it may). */
  pairingPause(address: string): Promise<{ readonly failures: number; readonly pauseMs: number }>;
}

const FILE_NAME = 'bonds.json';
const DRAFT_END = '.new';
/** Looks like no file, so that it is read again. */
const UNREAD = 'unread';
const MAX_FILE_BYTES = 2 * 1024 * 1024;
/** A draft that a process left behind when it was killed. */
const STALE_DRAFT_MS = 60_000;
/** Holding it takes milliseconds; older ones are of processes that were killed. */
const STALE_LOCK_MS = 10_000;
const LOCK_PAUSE_MS = 10;
const LOCK_ATTEMPTS = 2_000;
/** The specification asks for a pause that grows and leaves its length open (Vol 3 Part H, 2.3.6). */
const FIRST_PAUSE_MS = 1_000;
const MAX_PAUSE_MS = 300_000;
const MAX_COUNT = 32;

/**
 * @param dir the agent's state folder; made if it is not there.
 * @param now wall clock, milliseconds: pauses outlive the process.
 * @throws DrydockError `settings.invalid` when the file is broken, or others may read it.
 */
export async function openBondStore(dir: string, now: () => number = Date.now): Promise<BondStore> {
  await mkdir(dir, { recursive: true, mode: 0o700 });
  const path = join(dir, FILE_NAME);
  await removeStaleDrafts(path);
  const store = new FileBondStore(path, now);
  await store.all();
  return store;
}

class FileBondStore implements BondStore {
  #content: BondFile = emptyBondFile();
  /** What the file looked like when it was last read or written. */
  #seen: string | undefined;
  #turn: Promise<unknown> = Promise.resolve();

  constructor(
    private readonly path: string,
    private readonly now: () => number,
  ) {}

  all(): Promise<readonly BondedDevice[]> {
    return this.#reading(({ bonds }) => [...bonds].map(([address, bond]) => ({ address, ...bond })));
  }

  get(address: string): Promise<Bond | undefined> {
    return this.#reading(({ bonds }) => bonds.get(address.toLowerCase()));
  }

  set(address: string, bond: Bond): Promise<void> {
    return this.#writing(({ bonds, failures }) => {
      const key = address.toLowerCase();
      if (bonds.size >= MAX_BONDS && !bonds.has(key)) {
        throw new DrydockError('settings.invalid', { field: this.path, detail: `it holds ${MAX_BONDS} bonds already` });
      }
      bonds.set(key, bond);
      failures.delete(key);
      return { result: undefined, changed: true };
    });
  }

  forget(address: string): Promise<boolean> {
    return this.#writing(({ bonds, failures }) => {
      const key = address.toLowerCase();
      const wasTried = failures.delete(key);
      const result = bonds.delete(key);
      return { result, changed: result || wasTried };
    });
  }

  ownRandomAddress(): Promise<Uint8Array> {
    return this.#writing((content) => {
      const known = content.ownAddress;
      content.ownAddress ??= freshRandomAddress();
      return { result: content.ownAddress, changed: known === undefined };
    });
  }

  pairingFailed(address: string): Promise<void> {
    return this.#writing(({ failures }) => {
      const key = address.toLowerCase();
      const count = Math.min(MAX_COUNT, (failures.get(key)?.count ?? 0) + 1);
      failures.delete(key);
      failures.set(key, { count, lastMs: this.now() });
      const [oldest] = failures.keys();
      if (failures.size > MAX_FAILURES && oldest !== undefined) failures.delete(oldest);
      return { result: undefined, changed: true };
    });
  }

  pairingPause(address: string): Promise<{ readonly failures: number; readonly pauseMs: number }> {
    return this.#writing(({ failures }) => {
      const failure = failures.get(address.toLowerCase());
      if (!failure) return { result: { failures: 0, pauseMs: 0 }, changed: false };
      const wholeMs = Math.min(MAX_PAUSE_MS, FIRST_PAUSE_MS * 2 ** (failure.count - 1));
      const sinceMs = this.now() - failure.lastMs;
      // The clock was set back: the pause begins now, and does not last until the clock is there again.
      if (sinceMs < 0) failure.lastMs = this.now();
      const pauseMs = sinceMs < 0 ? wholeMs : Math.max(0, wholeMs - sinceMs);
      return { result: { failures: failure.count, pauseMs }, changed: sinceMs < 0 };
    });
  }

  #reading<T>(work: (content: BondFile) => T): Promise<T> {
    return this.#inTurn(async () => work(await this.#current()));
  }

  /** Alone among all processes: what another one writes meanwhile would be lost. */
  #writing<T>(work: (content: BondFile) => { readonly result: T; readonly changed: boolean }): Promise<T> {
    return this.#inTurn(async () => {
      const lock = await takeLock(this.path);
      try {
        const { result, changed } = work(await this.#current());
        if (changed) await this.#write();
        return result;
      } catch (error) {
        // What was not written is not kept in memory either.
        this.#seen = UNREAD;
        if (error instanceof DrydockError) throw error;
        const { code, message } = error as NodeJS.ErrnoException;
        if (code === 'ENOSPC' || code === 'EDQUOT') throw new DrydockError('gateway.disk-full', {}, { cause: error });
        throw new DrydockError('settings.invalid', { field: this.path, detail: message }, { cause: error });
      } finally {
        await rm(lock, { force: true });
      }
    });
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#turn.then(work);
    this.#turn = turn.catch(() => undefined);
    return turn;
  }

  /** What the file says now. */
  async #current(): Promise<BondFile> {
    const look = await looks(this.path);
    if (look !== this.#seen) {
      this.#content = await read(this.path);
      this.#seen = look;
    }
    return this.#content;
  }

  async #write(): Promise<void> {
    const draft = `${this.path}.${randomBytes(8).toString('hex')}${DRAFT_END}`;
    try {
      await writeDurably(draft, Buffer.from(`${JSON.stringify(encodeBondFile(this.#content))}\n`), 0o600);
      await chmod(draft, 0o600); // whatever the umask said
      await rename(draft, this.path);
    } finally {
      await rm(draft, { force: true });
    }
    await syncFolder(dirname(this.path));
    this.#seen = await looks(this.path);
  }
}

/** @returns the file that is to be removed. @throws DrydockError `settings.invalid` when another process never lets go. */
async function takeLock(path: string): Promise<string> {
  const lock = `${path}.lock`;
  for (let attempt = 0; attempt < LOCK_ATTEMPTS; attempt += 1) {
    try {
      await (await open(lock, 'wx', 0o600)).close();
      return lock;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    }
    const facts = await stat(lock).catch(() => undefined);
    if (facts && Math.abs(Date.now() - facts.mtimeMs) > STALE_LOCK_MS) await rm(lock, { force: true });
    else await sleep(realClock, LOCK_PAUSE_MS);
  }
  throw new DrydockError('settings.invalid', { field: lock, detail: 'another process holds it and does not let go' });
}

async function removeStaleDrafts(path: string): Promise<void> {
  const dir = dirname(path);
  for (const name of await readdir(dir)) {
    if (!name.startsWith(`${basename(path)}.`) || !name.endsWith(DRAFT_END)) continue;
    const draft = join(dir, name);
    const facts = await stat(draft).catch(() => undefined);
    if (facts && Math.abs(Date.now() - facts.mtimeMs) > STALE_DRAFT_MS) await rm(draft, { force: true });
  }
}

/** Changes whenever the file does; undefined while there is none. */
async function looks(path: string): Promise<string | undefined> {
  const facts = await stat(path, { bigint: true }).catch(() => undefined);
  return facts && `${facts.ino} ${facts.mtimeNs} ${facts.size} ${facts.mode}`;
}

async function read(path: string): Promise<BondFile> {
  const broken = (detail: string): DrydockError => new DrydockError('settings.invalid', { field: path, detail });
  const facts = await stat(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw broken(error.message);
  });
  if (!facts) return emptyBondFile();
  if ((facts.mode & 0o077) !== 0) throw broken('others may read it: chmod 600, and forget the bonds in it');
  if (facts.size > MAX_FILE_BYTES) throw broken('too large');
  return parseBondFile(await readFile(path, 'utf8'), broken);
}
