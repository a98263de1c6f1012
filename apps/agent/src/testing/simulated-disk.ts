/**
 * A disk in memory that behaves as disks do when things go wrong: it fills up, it breaks, and when the power goes, of what
 * was not synced anything from nothing to everything is there afterwards. Written from POSIX and fsync(2), and from what
 * journalling file systems leave behind: a name points to the old file or to the new one; an unsynced append is there in
 * part, or its length is there and its bytes are zeros.
 */
import type { DiskFile, JournalDisk } from '../journal/disk.js';

type Change =
  | { readonly kind: 'write'; readonly at: number; readonly bytes: Buffer }
  | { readonly kind: 'cut'; readonly length: number };

interface Inode {
  live: Buffer;
  synced: Buffer;
  changes: Change[];
}

/** Thrown by every operation from the moment of the power cut on. */
export class PowerCut extends Error {}

const failure = (code: string): Error => Object.assign(new Error(`${code}: simulated`), { code });

export class SimulatedDisk implements JournalDisk {
  /** Names as programs see them, and as a power cut may leave them. */
  #names = new Map<string, Inode>();
  #durable = new Map<string, Inode>();
  /** All bytes together may grow to this. */
  quotaBytes = Number.POSITIVE_INFINITY;
  /** What a full disk says. */
  fullCode = 'ENOSPC';
  /** Operations that change something, so far. */
  operations = 0;
  /** The power goes at this operation. */
  cutAt = Number.POSITIVE_INFINITY;
  /** Operations with this name fail with EIO. */
  broken: 'write' | 'datasync' | 'truncate' | 'rename' | undefined;

  get usedBytes(): number {
    return [...new Set(this.#names.values())].reduce((sum, { live }) => sum + live.length, 0);
  }

  /** What is found when the power is back. `dice` gives numbers from 0 to below 1. */
  afterPowerCut(dice: () => number): SimulatedDisk {
    const disk = new SimulatedDisk();
    const seen = new Map<Inode, Inode>();
    const found = (inode: Inode): Inode => {
      const known = seen.get(inode);
      if (known) return known;
      let bytes = inode.synced;
      // Writes reach the disk in their order; one of them may be cut short, or be there with its length only.
      const whole = Math.floor(dice() * (inode.changes.length + 1));
      for (const change of inode.changes.slice(0, whole)) bytes = applied(bytes, change);
      const next = inode.changes[whole];
      if (next?.kind === 'write') {
        const part = next.bytes.subarray(0, Math.floor(dice() * next.bytes.length));
        const rest = dice() < 0.5 ? Buffer.alloc(next.bytes.length - part.length) : Buffer.alloc(0);
        bytes = applied(bytes, { ...next, bytes: Buffer.concat([part, rest]) });
      }
      const copy: Inode = { live: bytes, synced: bytes, changes: [] };
      seen.set(inode, copy);
      return copy;
    };
    const names = dice() < 0.5 ? this.#names : this.#durable;
    for (const [name, inode] of names) disk.#names.set(name, found(inode));
    disk.#durable = new Map(disk.#names);
    return disk;
  }

  /** A file as it is seen now. */
  bytesOf(path: string): Buffer {
    return this.#names.get(path)?.live ?? Buffer.alloc(0);
  }

  put(path: string, bytes: Buffer): void {
    const inode: Inode = { live: bytes, synced: bytes, changes: [] };
    this.#names.set(path, inode);
    this.#durable.set(path, inode);
  }

  mkdir(): Promise<void> {
    return Promise.resolve();
  }

  async open(path: string): Promise<DiskFile> {
    let inode = this.#names.get(path);
    if (!inode) {
      this.#step();
      if (this.usedBytes >= this.quotaBytes) throw failure(this.fullCode);
      inode = { live: Buffer.alloc(0), synced: Buffer.alloc(0), changes: [] };
      this.#names.set(path, inode);
    }
    return this.#file(inode);
  }

  async read(path: string): Promise<Buffer> {
    return Buffer.from(this.bytesOf(path));
  }

  async size(path: string): Promise<number> {
    return this.bytesOf(path).length;
  }

  async rename(from: string, to: string): Promise<void> {
    this.#step('rename');
    const inode = this.#names.get(from);
    if (!inode) throw failure('ENOENT');
    this.#names.delete(from);
    this.#names.set(to, inode);
  }

  async link(from: string, to: string): Promise<void> {
    this.#step();
    const inode = this.#names.get(from);
    if (!inode) throw failure('ENOENT');
    if (this.#names.has(to)) throw failure('EEXIST');
    this.#names.set(to, inode);
  }

  async copy(from: string, to: string): Promise<void> {
    const file = await this.open(to);
    const bytes = await this.read(from);
    await file.write(bytes, 0, bytes.length, 0);
  }

  async unlink(path: string): Promise<void> {
    this.#step();
    if (!this.#names.delete(path)) throw failure('ENOENT');
  }

  async syncFolder(): Promise<void> {
    this.#step();
    this.#durable = new Map(this.#names);
  }

  #step(name?: SimulatedDisk['broken']): void {
    if (this.operations >= this.cutAt) throw new PowerCut('no power');
    this.operations += 1;
    if (name !== undefined && this.broken === name) throw failure('EIO');
  }

  #file(inode: Inode): DiskFile {
    return {
      write: async (bytes, offset, length, position) => {
        this.#step('write');
        const room = this.quotaBytes - this.usedBytes;
        const grows = Math.max(0, position + length - inode.live.length);
        // A nearly full disk takes a part first, and refuses then.
        const fits = grows <= room ? length : length - (grows - Math.max(0, room));
        if (fits <= 0) throw failure(this.fullCode);
        this.#change(inode, {
          kind: 'write',
          at: position,
          bytes: Buffer.from(bytes.subarray(offset, offset + fits)),
        });
        return { bytesWritten: fits };
      },
      read: async (bytes, offset, length, position) => {
        const part = inode.live.subarray(position, position + length);
        bytes.set(part, offset);
        return { bytesRead: part.length };
      },
      truncate: async (length) => {
        this.#step('truncate');
        this.#change(inode, { kind: 'cut', length });
      },
      datasync: async () => {
        this.#step('datasync');
        inode.synced = inode.live;
        inode.changes = [];
      },
      close: () => Promise.resolve(),
    };
  }

  #change(inode: Inode, change: Change): void {
    inode.live = applied(inode.live, change);
    inode.changes.push(change);
  }
}

function applied(bytes: Buffer, change: Change): Buffer {
  if (change.kind === 'cut') {
    return Buffer.concat([bytes.subarray(0, change.length), Buffer.alloc(Math.max(0, change.length - bytes.length))]);
  }
  const made = Buffer.alloc(Math.max(bytes.length, change.at + change.bytes.length));
  bytes.copy(made);
  change.bytes.copy(made, change.at);
  return made;
}
