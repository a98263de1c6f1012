/**
 * How the host spells what we send to a Bluetooth controller ourselves, beside what noble sends.
 *
 * Source: Bluetooth Core 5.2, Vol 4 Part A (H4), Vol 4 Part E (commands and events), Vol 3 Part A and F (L2CAP, ATT).
 */

export const PacketType = { Command: 0x01, Acl: 0x02, Sco: 0x03, Event: 0x04, Iso: 0x05 } as const;

export const Opcode = {
  Disconnect: 0x0406,
  Reset: 0x0c03,
  ReadBdAddr: 0x1009,
  ReadRssi: 0x1405,
  LeSetEventMask: 0x2001,
  LeReadBufferSize: 0x2002,
  LeReadLocalFeatures: 0x2003,
  LeSetRandomAddress: 0x2005,
  LeSetScanParameters: 0x200b,
  LeCreateConnection: 0x200d,
  LeExtendedCreateConnection: 0x2043,
  LeConnectionUpdate: 0x2013,
  LeEnableEncryption: 0x2019,
  LeSetDataLength: 0x2022,
  LeSetPhy: 0x2032,
} as const;

export const EventCode = {
  DisconnectionComplete: 0x05,
  EncryptionChange: 0x08,
  CommandComplete: 0x0e,
  CommandStatus: 0x0f,
  CompletedPackets: 0x13,
  EncryptionKeyRefresh: 0x30,
  LeMeta: 0x3e,
} as const;

export const LeEvent = {
  ConnectionComplete: 0x01,
  AdvertisingReport: 0x02,
  DataLengthChange: 0x07,
  PhyUpdateComplete: 0x0c,
} as const;

export const Cid = { Att: 0x0004, Signalling: 0x0005, Security: 0x0006 } as const;

export const AttOpcode = {
  Error: 0x01,
  MtuRequest: 0x02,
  MtuResponse: 0x03,
  ReadByType: 0x08,
  Read: 0x0a,
  ReadBlob: 0x0c,
  Write: 0x12,
  WriteCommand: 0x52,
} as const;

/** Statuses with which a controller refuses one more connection (Vol 1 Part F, 1.3): no memory, limit, no resources. */
export const NO_ROOM_STATUSES: ReadonlySet<number> = new Set([0x07, 0x09, 0x0d]);

/** Bits of LE Read Local Supported Features (Vol 6 Part B, 4.6). */
export const LeFeature = { DataLengthExtension: 1 << 5, Phy2m: 1 << 8 } as const;

/** One whole command packet: `01 <opcode u16> <length> <parameters>`. */
export function encodeCommand(opcode: number, parameters: Uint8Array = Buffer.alloc(0)): Buffer {
  return Buffer.concat([Buffer.from([PacketType.Command, opcode & 0xff, opcode >> 8, parameters.length]), parameters]);
}

/** Sixteen-bit little-endian fields one after the other. */
export function encodeWords(...values: readonly number[]): Buffer {
  const bytes = Buffer.alloc(2 * values.length);
  values.forEach((value, i) => bytes.writeUInt16LE(value, 2 * i));
  return bytes;
}

/** `aa:bb:cc:dd:ee:ff` to wire order (least significant first). */
export function encodeAddress(address: string): Buffer {
  return Buffer.from(address.replaceAll(':', ''), 'hex').reverse();
}

/** Wire order (least significant first) to `aa:bb:cc:dd:ee:ff`. */
export function decodeAddress(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0'))
    .reverse()
    .join(':');
}

/** Reasons and statuses people meet, in their words (Vol 1 Part F). */
export function describeReason(code: number): string {
  const words: Record<number, string> = {
    0x02: 'unknown connection',
    0x05: 'authentication failed',
    0x06: 'PIN or key missing',
    0x08: 'supervision timeout',
    0x09: 'the controller has no room for another connection',
    0x0b: 'a connection to it exists already',
    0x0c: 'the controller disallows it now',
    0x13: 'the device ended the connection',
    0x14: 'the device is low on resources',
    0x15: 'the device powers off',
    0x16: 'ended by this host',
    0x22: 'link-layer response timeout',
    0x3d: 'message integrity check failed',
    0x3e: 'the connection was not established',
  };
  return `${words[code] ?? 'reason'} (0x${code.toString(16).padStart(2, '0')})`;
}
