/**
 * Cuts the bytes of a controller on a UART or socket into H4 packets. Any bytes survive: what cannot start a packet is
 * skipped and counted, and a packet that stays unfinished is given up when bytes come again later.
 *
 * Source: Bluetooth Core 5.2, Vol 4 Part A, 2.
 */
import { PacketType } from './hci-wire.js';

/** No LE controller sends more in one ACL packet; a longer length is noise. */
const MAX_ACL_BYTES = 4096;
const MAX_HANDLE = 0x0eff;
/** A packet whose bytes stop for so long is broken. */
const STALE_AFTER_MS = 1000;

export class H4Decoder {
  #pending: Buffer = Buffer.alloc(0);
  #pendingSinceMs = 0;
  #skippedBytes = 0;

  /** Bytes that belonged to no packet. */
  get skippedBytes(): number {
    return this.#skippedBytes;
  }

  /** Bytes of a packet that is not complete yet. */
  get pendingBytes(): number {
    return this.#pending.length;
  }

  /** @returns the whole packets that are complete now, each from its type byte on. */
  push(chunk: Uint8Array, nowMs: number): Buffer[] {
    let bytes = Buffer.from(chunk);
    let stale = false;
    if (this.#pending.length > 0) {
      stale = nowMs - this.#pendingSinceMs > STALE_AFTER_MS;
      bytes = Buffer.concat([this.#pending, bytes]);
    }
    const packets: Buffer[] = [];
    let offset = stale ? 1 : 0;
    if (stale) this.#skippedBytes++;
    while (offset < bytes.length) {
      const length = lengthOf(bytes, offset);
      if (length === 'noise') {
        this.#skippedBytes++;
        offset++;
      } else if (length === undefined || offset + length > bytes.length) {
        break;
      } else {
        packets.push(bytes.subarray(offset, offset + length));
        offset += length;
      }
    }
    const left = bytes.subarray(offset);
    if (packets.length > 0 || stale || this.#pending.length === 0) this.#pendingSinceMs = nowMs;
    this.#pending = Buffer.from(left);
    return packets;
  }
}

/** Length of the packet that starts here; undefined while its header is incomplete. */
function lengthOf(bytes: Buffer, at: number): number | 'noise' | undefined {
  const left = bytes.length - at;
  switch (bytes[at]) {
    case PacketType.Event:
      return left < 3 ? undefined : 3 + bytes.readUInt8(at + 2);
    case PacketType.Acl: {
      if (left < 3) return undefined;
      const head = bytes.readUInt16LE(at + 1);
      // Towards the host: first fragment 2 (or 0), continuation 1; never 3.
      if ((head & 0x0fff) > MAX_HANDLE || head >> 12 > 2) return 'noise';
      if (left < 5) return undefined;
      const length = bytes.readUInt16LE(at + 3);
      return length > MAX_ACL_BYTES ? 'noise' : 5 + length;
    }
    case PacketType.Sco:
      return left < 4 ? undefined : 4 + bytes.readUInt8(at + 3);
    default:
      return 'noise';
  }
}
