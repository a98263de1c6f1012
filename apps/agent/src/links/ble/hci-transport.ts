/** Whole HCI packets to and from a controller: over our own H4, or through the kernel's raw socket. */
import { createRequire } from 'node:module';
import { LinkError } from '@drydock/dfu-core';
import type { BytePort } from './byte-port.js';
import { H4Decoder } from './h4-decoder.js';
import { CommandQueue } from './command-queue.js';
import type { HciSocketClass, HciSocketInstance } from './noble-types.js';

export interface HciTransport {
  /** We own the controller: reset, data length, PHY and connection parameters are ours to negotiate. */
  readonly ownsController: boolean;
  /** `01` command or `02` ACL packets, from the type byte on. */
  send(packet: Buffer): void;
  onPacket(listener: (packet: Buffer) => void): void;
  onClose(listener: (detail: string) => void): void;
  isUp(): boolean;
  setFilter(filter: Buffer): void;
  close(): Promise<void>;
}

/** H4 over a byte stream. Commands wait for the controller's permission (one at a time until it allows more). */
export class H4Transport implements HciTransport {
  readonly ownsController = true;
  readonly #port: BytePort;
  readonly #decoder = new H4Decoder();
  readonly #commands: CommandQueue;
  #onPacket: (packet: Buffer) => void = () => undefined;
  #onClose: (detail: string) => void = () => undefined;
  #closed: string | undefined;

  constructor(port: BytePort) {
    this.#port = port;
    this.#commands = new CommandQueue(
      (packet) => port.write(packet),
      (detail) => this.#gone(detail),
    );
    port.onData((bytes) => {
      for (const packet of this.#decoder.push(bytes, performance.now())) {
        this.#commands.observe(packet);
        this.#onPacket(packet);
      }
    });
    port.onClose((detail) => this.#gone(detail));
  }

  /** Bytes from the controller that belonged to no packet. */
  get skippedBytes(): number {
    return this.#decoder.skippedBytes;
  }

  send(packet: Buffer): void {
    if (this.#closed !== undefined) return;
    if (packet[0] === 0x01) this.#commands.send(packet);
    else this.#port.write(packet);
  }

  onPacket(listener: (packet: Buffer) => void): void {
    this.#onPacket = listener;
  }

  onClose(listener: (detail: string) => void): void {
    this.#onClose = listener;
    if (this.#closed !== undefined) listener(this.#closed);
  }

  isUp(): boolean {
    return this.#closed === undefined;
  }

  setFilter(): void {
    // Only the kernel's socket has filters.
  }

  async close(): Promise<void> {
    this.#gone('closed');
    await this.#port.close();
  }

  #gone(detail: string): void {
    if (this.#closed !== undefined) return;
    this.#closed = detail;
    this.#commands.close();
    this.#onClose(detail);
  }
}

const NATIVE_MODULE = '@abandonware/bluetooth-hci-socket';

/**
 * The kernel's raw HCI socket, through the package noble uses.
 * @throws LinkError `link.ble-unavailable`, with the command that builds the native part where that is missing.
 */
export class KernelTransport implements HciTransport {
  readonly ownsController = false;
  readonly #socket: HciSocketInstance;
  #onPacket: (packet: Buffer) => void = () => undefined;
  #open = true;

  constructor(index: number) {
    try {
      const Socket = createRequire(import.meta.url)(NATIVE_MODULE) as HciSocketClass;
      this.#socket = new Socket();
      this.#socket.bindRaw(index);
    } catch (cause) {
      throw new LinkError('link.ble-unavailable', { detail: describeNativeFailure(cause, index) }, { cause });
    }
    this.#socket.on('data', (packet: Buffer) => this.#onPacket(packet));
    this.#socket.on('error', () => undefined); // "Network is down" while the adapter is off: `isUp` tells
    this.#socket.start();
  }

  send(packet: Buffer): void {
    if (this.#open) this.#socket.write(packet);
  }

  onPacket(listener: (packet: Buffer) => void): void {
    this.#onPacket = listener;
  }

  onClose(): void {
    // The kernel's socket does not close by itself.
  }

  isUp(): boolean {
    return this.#open && this.#socket.isDevUp();
  }

  setFilter(filter: Buffer): void {
    this.#socket.setFilter(filter);
  }

  async close(): Promise<void> {
    if (!this.#open) return;
    this.#open = false;
    this.#socket.stop();
    this.#socket.removeAllListeners();
    this.#socket.on('error', () => undefined);
  }
}

function describeNativeFailure(cause: unknown, index: number): string {
  const message = cause instanceof Error ? (cause.message.split('\n')[0] ?? '') : String(cause);
  if (/Cannot find module|bluetooth_hci_socket\.node|not found/i.test(message)) {
    return (
      `the native part of ${NATIVE_MODULE} is missing (${message}); build it with ` +
      `"npm rebuild ${NATIVE_MODULE} --ignore-scripts=false" (needs g++, make and python3), ` +
      'or use a controller of our own: --adapter h4:serial:/dev/ttyACM0,1000000'
    );
  }
  if (/EAFNOSUPPORT|Address family/i.test(message)) return `the kernel has no Bluetooth (${message})`;
  if (/ENODEV|No such device/i.test(message)) return `there is no adapter hci${index} (${message})`;
  if (/EPERM|EACCES|not permitted/i.test(message)) {
    return `no permission for hci${index} (${message}); the process needs CAP_NET_RAW and CAP_NET_ADMIN`;
  }
  return message;
}
