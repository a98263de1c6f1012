/**
 * How a Bluetooth controller spells H4 packets: the controller's half of the conversation.
 *
 * Written for the simulator and shared with no host code of ours, so that a mistake cannot hide on both ends.
 *
 * Source: Bluetooth Core 5.2, Vol 4 Part A (UART transport), Vol 4 Part E (HCI commands 7.x, events 7.7).
 */

/** First byte of every H4 packet (Vol 4 Part A, 2). */
export const PacketType = { Command: 0x01, Acl: 0x02, Sco: 0x03, Event: 0x04, Iso: 0x05 } as const;

/** Opcodes (OGF << 10 | OCF) that the simulated controller answers. */
export const Opcode = {
  Disconnect: 0x0406,
  ReadRemoteVersion: 0x041d,
  SetEventMask: 0x0c01,
  Reset: 0x0c03,
  ReadLeHostSupported: 0x0c6c,
  WriteLeHostSupported: 0x0c6d,
  ReadLocalVersion: 0x1001,
  ReadLocalCommands: 0x1002,
  ReadLocalFeatures: 0x1003,
  ReadBufferSize: 0x1005,
  ReadBdAddr: 0x1009,
  ReadRssi: 0x1405,
  LeSetEventMask: 0x2001,
  LeReadBufferSize: 0x2002,
  LeReadLocalFeatures: 0x2003,
  LeSetRandomAddress: 0x2005,
  LeSetScanParameters: 0x200b,
  LeSetScanEnable: 0x200c,
  LeCreateConnection: 0x200d,
  LeCreateConnectionCancel: 0x200e,
  LeReadFilterListSize: 0x200f,
  LeClearFilterList: 0x2010,
  LeConnectionUpdate: 0x2013,
  LeEnableEncryption: 0x2019,
  LeReadRemoteFeatures: 0x2016,
  LeReadSupportedStates: 0x201c,
  LeSetDataLength: 0x2022,
  LeReadSuggestedDataLength: 0x2023,
  LeWriteSuggestedDataLength: 0x2024,
  LeReadMaximumDataLength: 0x202f,
  LeReadPhy: 0x2030,
  LeSetDefaultPhy: 0x2031,
  LeSetPhy: 0x2032,
} as const;

/** Error codes of Vol 1 Part F that appear here. */
export const Status = {
  Success: 0x00,
  UnknownCommand: 0x01,
  UnknownConnection: 0x02,
  PinOrKeyMissing: 0x06,
  ConnectionTimeout: 0x08,
  ConnectionLimit: 0x09,
  CommandDisallowed: 0x0c,
  InvalidParameters: 0x12,
  RemoteUserTerminated: 0x13,
  LocalHostTerminated: 0x16,
  IntegrityCheckFailed: 0x3d,
  FailedToEstablish: 0x3e,
} as const;

/** LE meta event subcodes (7.7.65) and, less one, their bit in the LE event mask. */
export const LeEvent = {
  ConnectionComplete: 0x01,
  AdvertisingReport: 0x02,
  ConnectionUpdateComplete: 0x03,
  ReadRemoteFeaturesComplete: 0x04,
  DataLengthChange: 0x07,
  PhyUpdateComplete: 0x0c,
} as const;

export const AdvertisingReportType = { ConnectableUndirected: 0x00, ScanResponse: 0x04 } as const;

/** L2CAP channels of an LE link (Vol 3 Part A, 2.1). */
export const Cid = { Att: 0x0004, Signalling: 0x0005, Security: 0x0006 } as const;

/** One event packet: `04 <code> <length> <parameters>`. */
export function encodeEvent(code: number, parameters: Uint8Array): Buffer {
  return Buffer.concat([Buffer.from([PacketType.Event, code, parameters.length]), parameters]);
}

export function encodeCommandComplete(opcode: number, parameters: Uint8Array): Buffer {
  return encodeEvent(0x0e, Buffer.concat([Buffer.from([1, opcode & 0xff, opcode >> 8]), parameters]));
}

export function encodeCommandStatus(opcode: number, status: number): Buffer {
  return encodeEvent(0x0f, Buffer.from([status, 1, opcode & 0xff, opcode >> 8]));
}

export function encodeLeEvent(subcode: number, parameters: Uint8Array): Buffer {
  return encodeEvent(0x3e, Buffer.concat([Buffer.from([subcode]), parameters]));
}

export function encodeDisconnectionComplete(handle: number, reason: number): Buffer {
  return encodeEvent(0x05, Buffer.from([Status.Success, handle & 0xff, handle >> 8, reason]));
}

/** Encryption Change (7.7.8), of a link that is now encrypted when the status is success. */
export function encodeEncryptionChange(status: number, handle: number): Buffer {
  return encodeEvent(0x08, Buffer.from([status, handle & 0xff, handle >> 8, status === Status.Success ? 1 : 0]));
}

/** Encryption Key Refresh Complete (7.7.39): the link was encrypted before. */
export function encodeKeyRefresh(status: number, handle: number): Buffer {
  return encodeEvent(0x30, Buffer.from([status, handle & 0xff, handle >> 8]));
}

/** Number Of Completed Packets for one handle (7.7.19). */
export function encodeCompletedPackets(handle: number, count: number): Buffer {
  return encodeEvent(0x13, Buffer.from([1, handle & 0xff, handle >> 8, count & 0xff, count >> 8]));
}

/** ACL data towards the host: boundary flag 2 starts an L2CAP frame, 1 continues it (Vol 4 Part E, 5.4.2). */
export function encodeAcl(handle: number, start: boolean, data: Uint8Array): Buffer {
  const head = Buffer.alloc(5);
  head.writeUInt8(PacketType.Acl, 0);
  head.writeUInt16LE(handle | ((start ? 2 : 1) << 12), 1);
  head.writeUInt16LE(data.length, 3);
  return Buffer.concat([head, data]);
}

/** `aa:bb:..` (most significant first, as people read it) to the six little-endian bytes of the wire. */
export function encodeAddress(address: string): Buffer {
  const bytes = Buffer.from(address.replaceAll(':', ''), 'hex');
  if (bytes.length !== 6) throw new TypeError(`not a Bluetooth address: ${address}`);
  return Buffer.from(bytes.reverse());
}

export function decodeAddress(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0'))
    .reverse()
    .join(':');
}

/** UUID as a channel spells it (4 or 32 hex digits, dashes tolerated) to its little-endian bytes. */
export function encodeUuid(uuid: string): Buffer {
  const bytes = Buffer.from(uuid.replaceAll('-', ''), 'hex');
  if (bytes.length !== 2 && bytes.length !== 16) throw new TypeError(`not a 16 or 128 bit UUID: ${uuid}`);
  return Buffer.from(bytes.reverse());
}

/**
 * Cuts a byte stream into H4 packets. A byte that starts no packet is skipped and counted, so that a
 * host that sends noise is noticed and does not stop the controller.
 */
export class H4Splitter {
  #pending: Buffer = Buffer.alloc(0);
  skippedBytes = 0;

  push(chunk: Uint8Array): Buffer[] {
    this.#pending = this.#pending.length === 0 ? Buffer.from(chunk) : Buffer.concat([this.#pending, chunk]);
    const packets: Buffer[] = [];
    let offset = 0;
    while (offset < this.#pending.length) {
      const length = packetLength(this.#pending, offset);
      if (length === 'noise') {
        this.skippedBytes++;
        offset++;
        continue;
      }
      if (length === undefined || offset + length > this.#pending.length) break;
      packets.push(this.#pending.subarray(offset, offset + length));
      offset += length;
    }
    this.#pending = Buffer.from(this.#pending.subarray(offset));
    return packets;
  }
}

function packetLength(bytes: Buffer, offset: number): number | 'noise' | undefined {
  const left = bytes.length - offset;
  switch (bytes[offset]) {
    case PacketType.Command:
      return left < 4 ? undefined : 4 + bytes.readUInt8(offset + 3);
    case PacketType.Acl:
      return left < 5 ? undefined : 5 + bytes.readUInt16LE(offset + 3);
    default:
      return 'noise';
  }
}

/** Whether the error is Node's answer to reading past the end of a buffer: the packet was too short for its fields. */
export function isShortRead(error: unknown): boolean {
  const code: unknown = typeof error === 'object' && error !== null ? Reflect.get(error, 'code') : undefined;
  return code === 'ERR_OUT_OF_RANGE' || code === 'ERR_BUFFER_OUT_OF_BOUNDS';
}
