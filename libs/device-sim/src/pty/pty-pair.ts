/**
 * A pseudo-terminal that behaves like a UART: raw from the start, and still there after the host
 * closed its end.
 *
 * Needs the prebuilt native part of `@lydell/node-pty` (Linux and macOS), loaded on demand.
 */
import { closeSync, constants, openSync } from 'node:fs';
import { createRequire } from 'node:module';
import type { Socket } from 'node:net';
import { ReadStream } from 'node:tty';

/** What `open()` of node-pty gives; its types do not name it. */
interface NativePair {
  readonly _master: Socket;
  readonly _slave: Socket;
  readonly _pty: string;
}

export interface PtyPair {
  /** What the host opens, `/dev/pts/N`. */
  readonly path: string;
  /** Bytes to the host. Beyond 64 KiB that no host fetches, they are lost. @returns false when lost. */
  write(bytes: Uint8Array): boolean;
  onData(listener: (bytes: Uint8Array) => void): void;
  /** Ends the terminal: an open host sees its port go. Resolves when both ends are closed. Safe to repeat. */
  close(): Promise<void>;
}

const MAX_UNREAD_BYTES = 64 * 1024;

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

  let isClosed = false;
  master.on('error', () => undefined);
  const closed = new Promise<void>((resolve) => master.once('close', () => resolve()));
  return {
    path: native._pty,
    write: (bytes) => {
      if (isClosed || master.writableLength > MAX_UNREAD_BYTES) return false;
      master.write(bytes);
      return true;
    },
    onData: (listener) => {
      master.on('data', (bytes: Buffer) => listener(Uint8Array.from(bytes)));
    },
    close: async () => {
      if (isClosed) return closed;
      isClosed = true;
      master.destroy();
      keepAlive.destroy();
      await closed;
    },
  };
}
