/**
 * TI OAD over BLE: how it is spelled. All numbers little-endian, but the version of MCUboot-based targets.
 *
 * Enhanced: commands are write commands on FFC5, their answers notifications there; identify goes to FFC1, blocks
 * `<u32 number> <data>` to FFC2. Classic: identify on FFC1, blocks `<u16 number> <16 bytes>` on FFC2, requests there.
 *
 * Sources: TI SimpleLink CC13x2/CC26x2 SDK, `profiles/oad/cc26xx/oad.c`; TI low-power F3 SDK, `oad_profile.c`; TI
 * BLE-Stack 1.x `oad_target.c`.
 */
import { ByteReader } from '../../bytes/byte-reader.js';
import { ByteWriter } from '../../bytes/byte-writer.js';
import { MalformedFrameError } from '../../errors.js';
import { type Command, type ControlAnswer, type ImageInformation, Opcode, type RunningHeader } from './messages.js';

/** Of the u32 block number in front of each enhanced block. */
export const BLOCK_NUMBER_BYTES = 4;
export const CLASSIC_DATA_BYTES = 16;
const CORE_HEADER_BYTES = 44;
const IDENTIFY_BYTES = 22;
/** Without the software version, which targets do not look at; what fits into ATT_MTU 23. */
const SHORT_IDENTIFY_BYTES = 18;
const MCUBOOT_IDENTIFY_BYTES = 18;

/** @returns one write to the control characteristic. */
export function encodeCommand(command: Command): Uint8Array {
  const writer = new ByteWriter().u8(command.opcode);
  if (command.opcode === Opcode.ImageCount) writer.u8(command.count);
  if (command.opcode === Opcode.ImageInformation) writer.u8(command.running ? 1 : 0);
  return writer.finish();
}

/**
 * @param frame one complete notification of the control characteristic, exactly as it left the link.
 * @throws MalformedFrameError when the bytes are no answer at all.
 */
export function decodeControl(frame: Uint8Array): ControlAnswer {
  const reader = new ByteReader(frame, 'control answer');
  const of = reader.u8();
  if (frame.length === 1 && of === 0xff) return { kind: 'unknown-command' };
  if (of === Opcode.BlockRequest) {
    const request = { kind: 'block-request', status: reader.u8(), block: reader.u32le() } as const;
    reader.expectEnd();
    return request;
  }
  if (of === Opcode.BlockSize && frame.length === 3) return { kind: 'block-size', bytes: reader.u16le() };
  if (of === Opcode.SoftwareVersion && (frame.length === 5 || frame.length === 7)) {
    return { kind: 'version', bytes: reader.rest() };
  }
  if (of === Opcode.DeviceType && frame.length === 5) {
    const facts = { chipType: reader.u8(), chipFamily: reader.u8(), revision: reader.u8() };
    return { kind: 'device-type', ...facts };
  }
  if (of === Opcode.ImageInformation && frame.length === 2 + 4 * (frame[1] ?? 0)) {
    const images: ImageInformation[] = [];
    for (let left = reader.u8(); left > 0; left--) {
      images.push({ copyStatus: reader.u8(), crcStatus: reader.u8(), type: reader.u8(), number: reader.u8() });
    }
    return { kind: 'image-information', images };
  }
  if (frame.length !== 2) {
    throw new MalformedFrameError(`control answer: ${frame.length} bytes are no answer to 0x${of.toString(16)}`);
  }
  return { kind: 'status', of, status: reader.u8() };
}

/** @param frame one notification of the identify characteristic of an enhanced target. @returns the status. */
export function decodeIdentifyStatus(frame: Uint8Array): number {
  const reader = new ByteReader(frame, 'identify answer');
  const status = reader.u8();
  reader.expectEnd();
  return status;
}

/**
 * The identify write of a file with TI's core header.
 * @param head at least the 44 bytes of the core header.
 * @param maxBytes what one write may carry: 22 bytes are sent, or 18 where they do not fit.
 */
export function encodeIdentify(head: Uint8Array, maxBytes: number): Uint8Array {
  if (head.length < CORE_HEADER_BYTES) throw new RangeError(`${head.length} bytes are no core header`);
  const bytes = new ByteWriter()
    .bytes(head.subarray(0, 8))
    .bytes(head.subarray(12, 14))
    .bytes(head.subarray(16, 20))
    .bytes(head.subarray(24, 28))
    .bytes(head.subarray(32, 36))
    .finish();
  return maxBytes >= IDENTIFY_BYTES ? bytes : bytes.subarray(0, SHORT_IDENTIFY_BYTES);
}

/** The identify write of an MCUboot image: its first bytes, with the bytes that will travel in place of the image size. */
export function encodeMcubootIdentify(head: Uint8Array, totalBytes: number): Uint8Array {
  return new ByteWriter()
    .bytes(head.subarray(0, 12))
    .u32le(totalBytes)
    .bytes(head.subarray(16, MCUBOOT_IDENTIFY_BYTES))
    .finish();
}

/** One write to the block characteristic of an enhanced target. */
export function encodeBlock(number: number, data: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(BLOCK_NUMBER_BYTES + data.length);
  new DataView(bytes.buffer).setUint32(0, number, true);
  bytes.set(data, BLOCK_NUMBER_BYTES);
  return bytes;
}

/** Version answers of MCUboot-based targets, as the file's own version is written: `2.0.0`, `1.2.772+1543`. */
export function spellMcubootVersion(bytes: Uint8Array): string {
  const reader = new ByteReader(bytes, 'version');
  const text = `${reader.u8()}.${reader.u8()}.${reader.u16be()}`;
  const build = reader.u16be();
  reader.expectEnd();
  return build === 0 ? text : `${text}+${build}`;
}

/** The version that a target will state for a file: only the low half of the build number travels. */
export function statedMcubootVersion(version: string): string {
  const match = /^(\d+\.\d+\.\d+)(?:\+(\d+))?$/.exec(version);
  const build = Number(match?.[2] ?? 0) & 0xffff;
  return match ? `${match[1]}${build === 0 ? '' : `+${build}`}` : version;
}

// Classic

/** @returns the identify write of an on-chip target: version, length, user id. @param header the 16 bytes of metadata. */
export function encodeOnChipIdentify(header: Uint8Array): Uint8Array {
  // 8 bytes mean the same to every stack; longer ones are read from another place by BLE-Stack 2.x.
  return header.slice(4, 12);
}

export function encodeClassicBlock(number: number, data: Uint8Array): Uint8Array {
  return new ByteWriter().u16le(number).bytes(data).finish();
}

/** @param frame one notification of the block characteristic. @returns the number of the block that is wanted. */
export function decodeClassicRequest(frame: Uint8Array): number {
  const reader = new ByteReader(frame, 'block request');
  const block = reader.u16le();
  reader.expectEnd();
  return block;
}

/** @param frame one notification of the identify characteristic of a classic target: what runs there. */
export function decodeRunningHeader(frame: Uint8Array): RunningHeader {
  const reader = new ByteReader(frame, 'header of the running image');
  const header = { version: reader.u16le(), lengthWords: reader.u16le(), userId: reader.take(4) };
  reader.expectEnd();
  return header;
}

/** @param frame one notification of the status characteristic of an off-chip target. */
export function decodeClassicStatus(frame: Uint8Array): number {
  const reader = new ByteReader(frame, 'image status');
  const status = reader.u8();
  reader.expectEnd();
  return status;
}
