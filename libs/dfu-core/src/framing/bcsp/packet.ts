/**
 * BCSP packets: four bytes of header, payload, and a CRC-16 where the header says so; SLIP around them.
 *
 *     byte 0   sequence number (3 bits), acknowledgement (3), CRC present (1), reliable (1)
 *     byte 1   channel (low nibble), length bits 0-3
 *     byte 2   length bits 4-11; the CRC is not counted
 *     byte 3   one's complement of the sum of bytes 0-2
 *
 * Source: BlueZ, tools/ubcsp.c; Linux, drivers/bluetooth/hci_bcsp.c; NetBSD, sys/dev/bluetooth/bcsp.h.
 */
import { InvariantError, MalformedFrameError } from '../../errors.js';
import { encodeSlipBetweenEnds } from '../slip.js';
import { bcspCrc } from './crc.js';

export const HEADER_BYTES = 4;
export const CRC_BYTES = 2;
export const MAX_PAYLOAD_BYTES = 0xfff;
/** Sequence numbers run from 0 to 7. */
export const SEQUENCE_NUMBERS = 8;

/** What the 4-bit channel means. Source: NetBSD bcsp.h; BlueZ, tools/parser/csr.c. */
export const BcspChannel = { Acknowledge: 0, Link: 1, Bccmd: 2, Hci: 5, Dfu: 12 } as const;

const CRC_FLAG = 0x40;
const RELIABLE_FLAG = 0x80;

export interface BcspPacket {
  /** 0 to 7; 0 for unreliable packets. */
  readonly sequence: number;
  /** The number of the reliable packet that the sender expects next. */
  readonly acknowledge: number;
  readonly isReliable: boolean;
  readonly channel: number;
  readonly payload: Uint8Array;
}

/** @returns the bytes for the line, from END to END. */
export function encodeBcsp(packet: BcspPacket, withCrc: boolean): Uint8Array {
  const { payload } = packet;
  if (payload.length > MAX_PAYLOAD_BYTES) throw new InvariantError(`a BCSP payload of ${payload.length} bytes`);
  const bytes = new Uint8Array(HEADER_BYTES + payload.length + (withCrc ? CRC_BYTES : 0));
  bytes[0] =
    (packet.sequence & 7) |
    ((packet.acknowledge & 7) << 3) |
    (withCrc ? CRC_FLAG : 0) |
    (packet.isReliable ? RELIABLE_FLAG : 0);
  bytes[1] = (packet.channel & 0x0f) | ((payload.length & 0x0f) << 4);
  bytes[2] = payload.length >>> 4;
  bytes[3] = ~(bytes[0] + bytes[1] + bytes[2]);
  bytes.set(payload, HEADER_BYTES);
  if (withCrc) {
    const end = HEADER_BYTES + payload.length;
    const crc = bcspCrc(bytes.subarray(0, end));
    bytes[end] = crc >>> 8;
    bytes[end + 1] = crc;
  }
  return encodeSlipBetweenEnds(bytes);
}

/**
 * @param frame what stood between two ENDs, unescaped.
 * @throws MalformedFrameError when header sum, length or CRC is wrong.
 */
export function decodeBcsp(frame: Uint8Array): BcspPacket {
  const [first = 0, second = 0, third = 0, check = 0] = frame;
  if (frame.length < HEADER_BYTES) throw new MalformedFrameError(`BCSP: a packet of ${frame.length} bytes`);
  if (((first + second + third + check) & 0xff) !== 0xff) {
    throw new MalformedFrameError('BCSP: the header checksum is wrong');
  }
  const length = (second >>> 4) | (third << 4);
  const end = HEADER_BYTES + length;
  const hasCrc = (first & CRC_FLAG) !== 0;
  if (frame.length !== end + (hasCrc ? CRC_BYTES : 0)) {
    throw new MalformedFrameError(`BCSP: ${frame.length} bytes, where the header says ${length} of payload`);
  }
  if (hasCrc && bcspCrc(frame.subarray(0, end)) !== (((frame[end] ?? 0) << 8) | (frame[end + 1] ?? 0))) {
    throw new MalformedFrameError('BCSP: the CRC is wrong');
  }
  return {
    sequence: first & 7,
    acknowledge: (first >>> 3) & 7,
    isReliable: (first & RELIABLE_FLAG) !== 0,
    channel: second & 0x0f,
    payload: frame.subarray(HEADER_BYTES, end),
  };
}
