/**
 * XMODEM-CRC with blocks of 128 bytes: SOH, number, its complement, data, CRC-16 (high byte first).
 *
 * Source: Chuck Forsberg, "XMODEM/YMODEM Protocol Reference" (1988), chapter 7; gecko_sdk 4.4.1, platform/bootloader/
 * communication/xmodem-parser/btl_xmodem.c.
 */
import { InvariantError, MalformedFrameError } from '../errors.js';
import { crc16Xmodem } from './crc16.js';

export const XMODEM_DATA_BYTES = 128;
export const XMODEM_BLOCK_BYTES = 133;

export const XmodemByte = {
  Soh: 0x01,
  /** Ctrl-C. */
  Etx: 0x03,
  Eot: 0x04,
  Ack: 0x06,
  Nak: 0x15,
  Can: 0x18,
  /** "Begin, with CRC". */
  C: 0x43,
} as const;

/**
 * @param index of the block in the file, from 0; its number on the wire begins with 1 and wraps at 256.
 * @param data at most 128 bytes; what is missing is filled with 0xff.
 */
export function encodeXmodemBlock(index: number, data: Uint8Array): Uint8Array {
  if (data.length === 0 || data.length > XMODEM_DATA_BYTES) throw new InvariantError(`a block of ${data.length} bytes`);
  const block = new Uint8Array(XMODEM_BLOCK_BYTES).fill(0xff);
  const number = (index + 1) & 0xff;
  block.set([XmodemByte.Soh, number, 0xff - number]);
  block.set(data, 3);
  const crc = crc16Xmodem(block.subarray(3, 131));
  block.set([crc >>> 8, crc & 0xff], 131);
  return block;
}

/**
 * @param block 133 bytes as they left the wire.
 * @throws MalformedFrameError when number, complement or CRC do not fit.
 */
export function decodeXmodemBlock(block: Uint8Array): { readonly number: number; readonly data: Uint8Array } {
  if (block.length !== XMODEM_BLOCK_BYTES || block[0] !== XmodemByte.Soh) {
    throw new MalformedFrameError(`${block.length} bytes are no XMODEM block`);
  }
  const number = block[1]!;
  if (block[2] !== 0xff - number) throw new MalformedFrameError(`block number ${number} and complement ${block[2]}`);
  const data = block.subarray(3, 131);
  if (crc16Xmodem(data) !== ((block[131]! << 8) | block[132]!)) {
    throw new MalformedFrameError(`the CRC of block ${number} does not fit`);
  }
  return { number, data };
}
