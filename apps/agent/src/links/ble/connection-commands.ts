/**
 * What is asked of a controller that is ours for a connection: long packets, 2M, the interval that suits both.
 *
 * Source: Bluetooth Core 5.2, Vol 4 Part E, 7.8.18, 7.8.33, 7.8.49; Vol 3 Part A, 4.20 (parameter update request).
 */
import { encodeCommand, encodeWords, LeFeature, Opcode } from './hci-wire.js';

const MAX_LINK_PAYLOAD = 251;
/** Air time of that on the 1M PHY, µs. */
const MAX_LINK_PAYLOAD_US = (MAX_LINK_PAYLOAD + 14) * 8;
/** Survives the stalls of a device that erases flash. */
export const SUPERVISION_MS = 4000;
const PARAMETER_RESPONSE = 0x13;

/** @param features of the controller, LE Read Local Supported Features. */
export function negotiation(
  handle: number,
  features: number,
  wanted: { readonly dataLength: boolean; readonly phy2m: boolean },
): readonly Buffer[] {
  const commands: Buffer[] = [];
  if (wanted.dataLength && (features & LeFeature.DataLengthExtension) !== 0) {
    commands.push(encodeCommand(Opcode.LeSetDataLength, encodeWords(handle, MAX_LINK_PAYLOAD, MAX_LINK_PAYLOAD_US)));
  }
  if (wanted.phy2m && (features & LeFeature.Phy2m) !== 0) {
    // No preference left open: 2M both ways (bit 1), no coding options.
    commands.push(encodeCommand(Opcode.LeSetPhy, Buffer.from([handle & 0xff, handle >> 8, 0, 2, 2, 0, 0])));
  }
  return commands;
}

/**
 * A device that gets no answer to its parameter request may leave: take its range, keep our timeout.
 * @param frame the request, 12 bytes or more.
 * @returns our answer, and the command that carries it out unless the request breaks the rules.
 */
export function answerParameterRequest(
  handle: number,
  frame: Buffer,
  intervalMs: number,
): { readonly answer: Buffer; readonly update: Buffer | undefined } {
  const [min = 0, max = 0, latency = 0, timeout = 0] = [4, 6, 8, 10].map((at) => frame.readUInt16LE(at));
  const valid = min >= 6 && max >= min && max <= 3200 && latency <= 499 && timeout >= 10 && timeout <= 3200;
  const answer = Buffer.from([PARAMETER_RESPONSE, frame.readUInt8(1), 2, 0, valid ? 0 : 1, 0]);
  if (!valid) return { answer, update: undefined };
  const interval = Math.min(max, Math.max(min, Math.round(intervalMs / 1.25)));
  const supervision = Math.max(timeout, SUPERVISION_MS / 10);
  const parameters = encodeWords(handle, interval, interval, 0, supervision, 0, 2 * interval);
  return { answer, update: encodeCommand(Opcode.LeConnectionUpdate, parameters) };
}

/** A static random address: the two most significant bits are set (Vol 6 Part B, 1.3.2.1). */
export function freshRandomAddress(): Uint8Array {
  const address = crypto.getRandomValues(new Uint8Array(6));
  address[5] = (address[5] ?? 0) | 0xc0;
  return address;
}
