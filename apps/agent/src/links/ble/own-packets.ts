/**
 * L2CAP messages that we send ourselves, beside noble's: one of them at a time, in the controller's buffer that was kept
 * for us.
 *
 * Source: Bluetooth Core 5.2, Vol 4 Part E, 4.1.1 (data buffers), 5.4.2 (ACL data packets).
 */
import { encodeWords, PacketType } from './hci-wire.js';
import type { TappedConnection } from './tapped-connection.js';

/** Nobody has more to say; a device that makes us talk must not fill the memory. */
const MAX_WAITING = 64;

export class OwnPackets {
  #underWay = false;
  readonly #waiting: { readonly connection: TappedConnection; readonly packet: Buffer }[] = [];

  /** @param isLive whether a connection still is the one of its handle. */
  constructor(
    private readonly transmit: (packet: Buffer) => void,
    private readonly isLive: (connection: TappedConnection) => boolean,
  ) {}

  get underWay(): boolean {
    return this.#underWay;
  }

  /** Sends as soon as the buffer is free. */
  send(connection: TappedConnection, cid: number, payload: Buffer): void {
    if (this.#waiting.length >= MAX_WAITING) return;
    const head = encodeWords(connection.handle, payload.length + 4, payload.length, cid);
    this.#waiting.push({ connection, packet: Buffer.concat([Buffer.from([PacketType.Acl]), head, payload]) });
    this.#next();
  }

  /** The controller has sent it, or its connection is over. */
  freed(): void {
    this.#underWay = false;
    this.#next();
  }

  #next(): void {
    while (!this.#underWay) {
      const next = this.#waiting.shift();
      if (!next) return;
      if (!this.isLive(next.connection)) continue;
      next.connection.sent(true);
      this.#underWay = true;
      this.transmit(next.packet);
    }
  }
}
