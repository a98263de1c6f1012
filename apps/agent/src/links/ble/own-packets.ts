/**
 * L2CAP messages that we send ourselves, beside noble's: one packet of them at a time, in the controller's buffer that was
 * kept for us.
 *
 * A message that is longer than one packet must not be cut in two by another one of the same connection: noble's wait
 * until ours is through, and ours until noble's is.
 *
 * Source: Bluetooth Core 5.2, Vol 4 Part E, 4.1.1 (data buffers), 5.4.2 (ACL data packets); Vol 3 Part A, 7.2.1.
 */
import { encodeWords, PacketType } from './hci-wire.js';
import type { TappedConnection } from './tapped-connection.js';

/** Nobody has more to say; a device that makes us talk must not fill the memory. */
const MAX_WAITING = 64;
const CONTINUES = 1;

interface Message {
  readonly connection: TappedConnection;
  readonly packets: Buffer[];
}

export class OwnPackets {
  #underWay = false;
  readonly #waiting: Message[] = [];
  /** Partly sent. */
  #current: Message | undefined;
  /** Of noble, for the connection of `#current`. */
  #held: Buffer[] = [];

  /**
   * @param isLive whether a connection still is the one of its handle.
   * @param packetBytes what one packet may carry.
   */
  constructor(
    private readonly transmit: (packet: Buffer) => void,
    private readonly isLive: (connection: TappedConnection) => boolean,
    private readonly packetBytes: () => number,
  ) {}

  get underWay(): boolean {
    return this.#underWay;
  }

  /** Sends as soon as the buffer is free. */
  send(connection: TappedConnection, cid: number, payload: Buffer): void {
    if (this.#waiting.length >= MAX_WAITING) return;
    const frame = Buffer.concat([encodeWords(payload.length, cid), payload]);
    const packets: Buffer[] = [];
    for (let at = 0; at < frame.length; at += this.packetBytes()) {
      const part = frame.subarray(at, at + this.packetBytes());
      const flags = at === 0 ? 0 : CONTINUES << 12;
      const head = encodeWords(connection.handle | flags, part.length);
      packets.push(Buffer.concat([Buffer.from([PacketType.Acl]), head, part]));
    }
    this.#waiting.push({ connection, packets });
    this.#next();
  }

  /** A packet of noble, on its way to the controller. */
  pass(connection: TappedConnection, packet: Buffer): void {
    if (this.#current?.connection === connection) {
      this.#held.push(packet);
      return;
    }
    connection.passed(packet);
    connection.sent();
    this.transmit(packet);
    this.#next();
  }

  /** The controller has sent it, or its connection is over. */
  freed(): void {
    this.#underWay = false;
    this.#next();
  }

  #next(): void {
    while (!this.#underWay) {
      const message = this.#current ?? this.#take();
      if (!message) return;
      const packet = this.isLive(message.connection) ? message.packets.shift() : undefined;
      if (packet) {
        message.connection.sent(true);
        this.#underWay = true;
        this.transmit(packet);
      }
      const goesOn = packet !== undefined && message.packets.length > 0;
      this.#current = goesOn ? message : undefined;
      if (!goesOn) this.#release(message.connection);
    }
  }

  /** The first whose connection has no message of noble half sent. */
  #take(): Message | undefined {
    const at = this.#waiting.findIndex(({ connection }) => !connection.isMidFrame || !this.isLive(connection));
    return at < 0 ? undefined : this.#waiting.splice(at, 1)[0];
  }

  #release(connection: TappedConnection): void {
    const held = this.#held;
    this.#held = [];
    if (!this.isLive(connection)) return;
    for (const packet of held) this.pass(connection, packet);
  }
}
