/** A UDP endpoint as a link: one frame per datagram, nothing is promised about delivery. */
import { createSocket, type Socket } from 'node:dgram';
import { lookup } from 'node:dns/promises';
import {
  LinkError,
  UDP_CHANNEL,
  type Channel,
  type LineSettings,
  type Link,
  type LinkInfo,
  type OpenLink,
  type ReconnectHint,
} from '@drydock/dfu-core';
import { realClock, sleep, type Clock } from '../../clock.js';
import { FrameQueue } from '../frame-queue.js';

export interface UdpLinkOptions {
  readonly name: string;
  readonly host: string;
  readonly port: number;
  readonly clock?: Clock;
}

/** Payload of a datagram that crosses an Ethernet without being split: 1500 - 20 (IPv4) - 8 (UDP). */
const MAX_DATAGRAM_BYTES = 1472;

export class UdpLink implements Link {
  readonly kind = 'udp';
  readonly name: string;
  readonly #options: UdpLinkOptions;

  constructor(options: UdpLinkOptions) {
    this.#options = options;
    this.name = options.name;
  }

  async open(hint: ReconnectHint, withinMs: number): Promise<OpenLink> {
    const { host, port } = this.#options;
    if (hint.afterMs) await sleep(this.#options.clock ?? realClock, Math.min(hint.afterMs, withinMs));
    const failed = (error: unknown): LinkError =>
      new LinkError('link.open-failed', {
        link: this.name,
        detail: error instanceof Error ? error.message : String(error),
      });
    const found = await lookup(host).catch((error: unknown) => {
      throw failed(error);
    });
    const socket = createSocket(found.family === 6 ? 'udp6' : 'udp4');
    return new Promise((resolve, reject) => {
      socket.once('error', (error) => {
        socket.close();
        reject(failed(error));
      });
      socket.connect(port, found.address, () => {
        socket.removeAllListeners('error');
        resolve(new OpenUdp(socket, `${host}:${port}`));
      });
    });
  }
}

class OpenUdp implements OpenLink {
  readonly info: LinkInfo;
  readonly closed: Promise<void>;
  readonly #socket: Socket;
  readonly #queue = new FrameQueue();
  #isOpen = true;
  #resolveClosed: () => void = () => undefined;

  constructor(socket: Socket, endpoint: string) {
    this.#socket = socket;
    this.info = {
      kind: 'udp',
      maxWriteBytes: MAX_DATAGRAM_BYTES,
      channels: [UDP_CHANNEL],
      identity: { kind: 'udp-endpoint', value: endpoint },
    };
    this.closed = new Promise((resolve) => (this.#resolveClosed = resolve));
    socket.on('message', (message) => this.#queue.push({ channel: UDP_CHANNEL, bytes: new Uint8Array(message) }));
    // ICMP "port unreachable" arrives as an error: the device may be rebooting, so time decides, not this.
    socket.on('error', () => undefined);
    socket.on('close', () => this.#gone());
  }

  send(_: Channel, bytes: Uint8Array): Promise<void> {
    if (!this.#isOpen) return Promise.reject(new LinkError('link.lost', { detail: 'the socket is closed' }));
    if (bytes.length > MAX_DATAGRAM_BYTES) {
      return Promise.reject(new LinkError('internal.invariant', { detail: `datagram of ${bytes.length} bytes` }));
    }
    return new Promise((resolve) => this.#socket.send(bytes, () => resolve()));
  }

  subscribe(): Promise<void> {
    return Promise.resolve();
  }

  query(channel: Channel): Promise<Uint8Array> {
    return Promise.reject(new LinkError('link.no-such-channel', { channel }));
  }

  configure(_: LineSettings): Promise<void> {
    return Promise.resolve();
  }

  receive(
    channels: readonly Channel[],
    withinMs: number,
  ): Promise<{ channel: Channel; bytes: Uint8Array } | undefined> {
    return this.#queue.receive(channels, withinMs);
  }

  async close(): Promise<void> {
    if (!this.#isOpen) return;
    this.#gone();
    await new Promise<void>((resolve) => this.#socket.close(() => resolve()));
  }

  #gone(): void {
    this.#isOpen = false;
    this.#queue.close('the socket was closed');
    this.#resolveClosed();
  }
}
