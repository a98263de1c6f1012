/**
 * Messages of the security channel, put together from what one link packet carries: a public key does not fit the 27
 * bytes that every device takes. noble must see no part of them.
 *
 * Source: Bluetooth Core 5.2, Vol 4 Part E, 5.4.2 (ACL data packets); Vol 3 Part A, 7.2.1 (fragments), Part H, 3.2 (sizes).
 */
import { Cid } from './hci-wire.js';

/** The security channel's largest message, with Secure Connections. */
const MAX_MESSAGE_BYTES = 65;
const CONTINUES = 1;

export class SecurityFrames {
  #total = 0;
  /** Undefined: the frame under way belongs to another channel. */
  #bytes: Buffer | undefined;

  /**
   * @param packet a whole ACL packet of the controller, of one connection.
   * @returns the message when it is whole, `more` while it is not (or is too long to be one), `other` for other channels.
   */
  take(packet: Buffer): Buffer | 'more' | 'other' {
    if (((packet.readUInt16LE(1) >> 12) & 3) === CONTINUES) {
      if (!this.#bytes) return 'other';
      // What is too long for a message is not kept.
      const room = Math.max(0, this.#total - this.#bytes.length);
      this.#bytes = Buffer.concat([this.#bytes, packet.subarray(5, 5 + room)]);
    } else {
      this.#bytes = undefined;
      if (packet.length < 9 || packet.readUInt16LE(7) !== Cid.Security) return 'other';
      this.#total = Math.min(packet.readUInt16LE(5), MAX_MESSAGE_BYTES + 1);
      this.#bytes = Buffer.from(packet.subarray(9, 9 + this.#total));
    }
    if (this.#total > MAX_MESSAGE_BYTES || this.#bytes.length < this.#total) return 'more';
    const message = this.#bytes;
    // Kept as empty, so that stray continuations are swallowed too.
    this.#bytes = Buffer.alloc(0);
    this.#total = MAX_MESSAGE_BYTES + 1;
    return message;
  }
}
