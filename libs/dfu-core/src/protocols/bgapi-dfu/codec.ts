/**
 * BGAPI packets and what is in them. Numbers little-endian.
 *
 * Header: kind (bit 7), device type (bits 6..3), length high (bits 2..0) · length low · class · id.
 *
 * Source: gecko_sdk 4.4.1, protocol/bluetooth/inc/sl_bgapi.h; platform/bootloader/communication/bgapi-uart-dfu/
 * btl_comm_bgapi_common.c; jrowberg/bglib.
 */
import { ByteReader } from '../../bytes/byte-reader.js';
import { ByteWriter } from '../../bytes/byte-writer.js';
import { InvariantError } from '../../errors.js';
import { type ApplicationVersion, type Dialect, type MessageName, type Packet } from './messages.js';

export const HEADER_BYTES = 4;
export const MAX_PAYLOAD_BYTES = 2047;
const EVENT = 0x80;

/** @returns one packet as it stands on a plain UART. */
export function encodePacket(dialect: Dialect, name: MessageName, payload: Uint8Array = new Uint8Array()): Uint8Array {
  if (payload.length > MAX_PAYLOAD_BYTES) throw new InvariantError(`a BGAPI payload of ${payload.length} bytes`);
  const first = (name.isEvent ? EVENT : 0) | (dialect.deviceType << 3) | (payload.length >> 8);
  return new ByteWriter().u8(first).u8(payload.length).u8(name.classId).u8(name.id).bytes(payload).finish();
}

/** The reset of a mode: no answer follows. */
export function encodeReset(dialect: Dialect, name: MessageName, mode: number): Uint8Array {
  return encodePacket(dialect, name, Uint8Array.of(mode));
}

export function encodeSetAddress(dialect: Dialect): Uint8Array {
  return encodePacket(dialect, dialect.setAddress, new ByteWriter().u32le(dialect.flashAddress).finish());
}

/** @param data at most 254 bytes for any bootloader, and what the one at hand takes. */
export function encodeUpload(dialect: Dialect, data: Uint8Array): Uint8Array {
  if (data.length === 0 || data.length > 254) throw new InvariantError(`an upload of ${data.length} bytes`);
  return encodePacket(dialect, dialect.upload, Uint8Array.of(data.length, ...data));
}

/** How many bytes the packet has that begins with this header, the header included. */
export function packetLength(header: Uint8Array): number {
  return HEADER_BYTES + (((header[0]! & 0x07) << 8) | header[1]!);
}

/**
 * @param bytes one whole packet.
 * @throws MalformedFrameError when it is none.
 */
export function decodePacket(bytes: Uint8Array): Packet {
  const reader = new ByteReader(bytes, 'BGAPI packet');
  const first = reader.u8();
  const length = ((first & 0x07) << 8) | reader.u8();
  const classId = reader.u8();
  const id = reader.u8();
  const payload = reader.take(length);
  reader.expectEnd();
  return { isEvent: (first & EVENT) !== 0, classId, id, payload };
}

/** A response of the DFU class: 0 is yes. @throws MalformedFrameError */
export function decodeResult(payload: Uint8Array): number {
  const reader = new ByteReader(payload, 'DFU response');
  const result = reader.u16le();
  reader.expectEnd();
  return result;
}

/** dfu_boot and dfu_boot_failure carry one number. @throws MalformedFrameError */
export function decodeDfuBoot(payload: Uint8Array): number {
  const reader = new ByteReader(payload, 'DFU boot event');
  const version = reader.u32le();
  reader.expectEnd();
  return version;
}

/** @throws MalformedFrameError */
export function decodeDfuBootFailure(payload: Uint8Array): number {
  const reader = new ByteReader(payload, 'DFU boot failure event');
  const reason = reader.u16le();
  reader.expectEnd();
  return reason;
}

/**
 * The version as response (behind a result, but for BLE11x) or as boot event; newer stacks may say more behind it.
 * @returns undefined when the result is not "success".
 * @throws MalformedFrameError
 */
export function decodeVersion(
  payload: Uint8Array,
  from: 'response' | 'event',
  hasBootloader: boolean,
): ApplicationVersion | undefined {
  const reader = new ByteReader(payload, 'version');
  if (from === 'response' && hasBootloader && reader.u16le() !== 0) return undefined;
  const version = { major: reader.u16le(), minor: reader.u16le(), patch: reader.u16le(), build: reader.u16le() };
  return { ...version, bootloader: hasBootloader && reader.remaining >= 4 ? reader.u32le() : undefined };
}

/** The unit's own address, `aa:bb:cc:dd:ee:ff`. @throws MalformedFrameError */
export function decodeAddress(payload: Uint8Array, hasResult: boolean): string | undefined {
  const reader = new ByteReader(payload, 'address');
  if (hasResult && reader.u16le() !== 0) return undefined;
  const bytes = [...reader.take(6)].reverse();
  return bytes.map((byte) => byte.toString(16).padStart(2, '0')).join(':');
}

/** `7.0.1.273`: what a person names as expected version. */
export function spellVersion({ major, minor, patch, build }: ApplicationVersion): string {
  return `${major}.${minor}.${patch}.${build}`;
}
