/**
 * A pseudo-terminal that behaves like a UART: raw from the start, and still there after the host
 * closed its end.
 *
 * Needs the prebuilt native part of `@lydell/node-pty` (Linux and macOS), loaded on demand.
 */
import { closeSync, constants, openSync, writeSync } from 'node:fs';
import { createRequire } from 'node:module';
import type { Socket } from 'node:net';
import { ReadStream } from 'node:tty';

/** What `open()` of node-pty gives; its types do not name it. */
interface NativePair {
  readonly _master: Socket;
  readonly _slave: Socket;
  readonly _pty: string;
  /** The master's descriptor, non-blocking. */
  readonly _fd: number;
}

export interface PtyPair {
  /** What the host opens, `/dev/pts/N`. */
  readonly path: string;
  /** Bytes to the host. Beyond 64 KiB that no host fetches, they are lost. @returns false when lost. */
  write(bytes: Uint8Array): boolean;
  onData(listener: (bytes: Uint8Array) => void): void;
  /** The other end takes nothing from the host until it is told otherwise, as one that holds the line by flow control. */
  hold(isHeld: boolean): void;
  /** Ends the terminal: an open host sees its port go. Resolves when both ends are closed. Safe to repeat. */
  close(): Promise<void>;
}

const MAX_UNREAD_BYTES = 64 * 1024;
const RETRY_MS = 2;

/**
 * Writes to the master past its stream: libuv treats a master as blocking and would spin for ever
 * once the terminal is full and no host reads.
 */
class MasterWriter {
  readonly #descriptor: number;
  #waiting: Uint8Array<ArrayBufferLike> = new Uint8Array();
  #retry: NodeJS.Timeout | undefined;

  constructor(descriptor: number) {
    this.#descriptor = descriptor;
  }

  write(bytes: Uint8Array): boolean {
    if (this.#waiting.length + bytes.length > MAX_UNREAD_BYTES) return false;
    this.#waiting = this.#waiting.length > 0 ? Buffer.concat([this.#waiting, bytes]) : bytes.slice();
    if (!this.#retry) this.#flush();
    return true;
  }

  stop(): void {
    clearTimeout(this.#retry);
    this.#waiting = new Uint8Array();
  }

  #flush(): void {
    this.#retry = undefined;
    while (this.#waiting.length > 0) {
      try {
        this.#waiting = this.#waiting.subarray(writeSync(this.#descriptor, this.#waiting));
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') return this.stop();
        this.#retry = setTimeout(() => this.#flush(), RETRY_MS);
        return;
      }
    }
  }
}

/** @throws Error when pseudo-terminals are not available on this machine. */
export function openPtyPair(): PtyPair {
  const { open } = createRequire(import.meta.url)('@lydell/node-pty') as {
    open(options: { cols: number; rows: number; encoding: null }): NativePair;
  };
  const native = open({ cols: 80, rows: 24, encoding: null });
  const master = native._master;
  // A descriptor of our own keeps the terminal alive between two openings by the host, and sets it
  // raw before the first byte: a fresh terminal would echo what the device says. Nothing reads it.
  const descriptor = openSync(native._pty, constants.O_RDWR | constants.O_NOCTTY);
  const keepAlive = new ReadStream(descriptor);
  keepAlive.setRawMode(true);
  // The stream works on a descriptor that it opened again by name; the first one is ours to close.
  const { _handle: handle } = keepAlive as unknown as { readonly _handle?: { readonly fd?: number } };
  if (handle?.fd !== undefined && handle.fd !== descriptor) closeSync(descriptor);
  // The slave stream that node-pty opens itself would steal the host's bytes. Its own `destroy()`
  // must never be called: it signals process -1.
  native._slave.pause();
  native._slave.destroy();

  const writer = new MasterWriter(native._fd);
  let isClosed = false;
  master.on('error', () => undefined);
  const closed = new Promise<void>((resolve) => master.once('close', () => resolve()));
  return {
    path: native._pty,
    write: (bytes) => {
      return !isClosed && writer.write(bytes);
    },
    onData: (listener) => {
      master.on('data', (bytes: Buffer) => listener(Uint8Array.from(bytes)));
    },
    hold: (isHeld) => {
      if (isHeld) master.pause();
      else master.resume();
    },
    close: async () => {
      if (isClosed) return closed;
      isClosed = true;
      writer.stop();
      master.destroy();
      keepAlive.destroy();
      await closed;
    },
  };
}
