/** Where the bytes of an H4 controller go: a serial port or a socket. */
import net from 'node:net';
import { LinkError } from '@drydock/dfu-core';
import type { AdapterName } from './adapter-name.js';

/** A two-way byte stream; the three callbacks are set once by whoever takes it. */
export interface BytePort {
  write(bytes: Buffer): void;
  onData(listener: (bytes: Buffer) => void): void;
  /** Called once when the port is gone, whoever closed it. */
  onClose(listener: (detail: string) => void): void;
  close(): Promise<void>;
}

const OPEN_WITHIN_MS = 5000;

/** @throws LinkError `link.ble-unavailable` when the port cannot be opened. */
export async function openBytePort(name: Exclude<AdapterName, { kind: 'kernel' }>): Promise<BytePort> {
  if (name.kind === 'h4-serial') return openSerial(name.path, name.baud);
  const target = name.kind === 'h4-unix' ? { path: name.path } : { host: name.host, port: name.port };
  return openSocket(target);
}

async function openSocket(target: net.NetConnectOpts): Promise<BytePort> {
  const socket = net.connect(target);
  await new Promise<void>((resolve, reject) => {
    const timer = setTimeout(() => socket.destroy(new Error('no answer')), OPEN_WITHIN_MS);
    socket.once('connect', () => {
      clearTimeout(timer);
      socket.removeAllListeners('error');
      resolve();
    });
    socket.once('error', (cause) => {
      clearTimeout(timer);
      reject(unavailable(cause));
    });
  });
  socket.setNoDelay(true);
  let detail = 'the controller closed its socket';
  socket.on('error', (error) => {
    detail = error.message;
  });
  const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()));
  return {
    write: (bytes) => {
      if (socket.writable) socket.write(bytes);
    },
    onData: (listener) => {
      socket.on('data', listener);
    },
    onClose: (listener) => {
      socket.once('close', () => listener(detail));
    },
    close: async () => {
      socket.destroy();
      await closed;
    },
  };
}

async function openSerial(path: string, baud: number): Promise<BytePort> {
  // Loaded on demand: the native part of serialport is needed only here.
  const { SerialPort } = await import('serialport').catch((cause: unknown) => {
    throw unavailable(cause);
  });
  const port = new SerialPort({ path, baudRate: baud, autoOpen: false, rtscts: false });
  await new Promise<void>((resolve, reject) => {
    port.open((error) => (error ? reject(unavailable(error)) : resolve()));
  });
  let detail = 'the serial port of the controller closed';
  port.on('error', (error) => {
    detail = error.message;
  });
  const closed = new Promise<void>((resolve) => port.once('close', () => resolve()));
  return {
    write: (bytes) => {
      if (port.isOpen) port.write(bytes);
    },
    onData: (listener) => {
      port.on('data', listener);
    },
    onClose: (listener) => {
      port.once('close', () => listener(detail));
    },
    close: async () => {
      if (port.isOpen) port.close();
      await closed;
    },
  };
}

function unavailable(cause: unknown): LinkError {
  const detail = cause instanceof Error ? cause.message : String(cause);
  return new LinkError('link.ble-unavailable', { detail }, { cause });
}
