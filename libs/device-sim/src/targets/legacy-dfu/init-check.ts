/**
 * What a legacy bootloader makes of an init packet and of the image it vouches for.
 *
 * Source: nRF5 SDK 11 `dfu_init_template.c` (CRC), the experimental signed bootloader of SDK 9 to 11 (ECDSA);
 * Adafruit_nRF52_Bootloader `src/dfu_init.c` (device type).
 */
import { createHash, createPublicKey, verify } from 'node:crypto';
import { crc16CcittFalse } from '../checksums.js';
import type { LegacyHardware } from './options.js';

/** `overrun`: the packet is longer than the place where the CRC template copies it, and takes the bootloader down. */
export type InitVerdict = 'accepted' | 'rejected' | 'overrun';

const ANY = 0xffff;
const ANY_SOFTDEVICE = 0xfffe;
const HEAD_BYTES = 10;
const CRC_EXTENSION_BUFFER_BYTES = 10;

/** @param requiredType device type that every packet must name, whatever the UICR says. */
export function judgeInitPacket(
  packet: Uint8Array,
  hardware: LegacyHardware,
  requiredType: number | undefined,
): InitVerdict {
  if (packet.length < HEAD_BYTES) return 'rejected';
  const view = new DataView(packet.buffer, packet.byteOffset, packet.byteLength);
  const deviceType = hardware.deviceType ?? ANY;
  const deviceRevision = hardware.deviceRevision ?? ANY;
  if (requiredType !== undefined && view.getUint16(0, true) !== requiredType) return 'rejected';
  if (deviceType !== ANY && view.getUint16(0, true) !== deviceType) return 'rejected';
  if (deviceRevision !== ANY && view.getUint16(2, true) !== deviceRevision) return 'rejected';
  const count = view.getUint16(8, true);
  const extension = extensionOf(packet);
  if (!extension) return 'rejected';
  let known = false;
  for (let i = 0; i < count; i++) {
    const fwid = view.getUint16(HEAD_BYTES + 2 * i, true);
    known ||= fwid === ANY_SOFTDEVICE || fwid === (hardware.softDeviceFwid ?? 0x0064);
  }
  if (!known) return 'rejected';
  if (!hardware.publicKey) {
    if (extension.length < 2) return 'rejected';
    return extension.length > CRC_EXTENSION_BUFFER_BYTES + 2 ? 'overrun' : 'accepted';
  }
  // A packet of 12 + 104 bytes is padded to whole words: the signature ends where its form says.
  if (extension.length < 104 || new DataView(extension.buffer, extension.byteOffset).getUint32(0, true) !== 2) {
    return 'rejected';
  }
  const signedBytes = packet.subarray(0, HEAD_BYTES + 2 * count + 40);
  const signature = packet.subarray(signedBytes.length, signedBytes.length + 64);
  const [x, y] = [hardware.publicKey.subarray(0, 32), hardware.publicKey.subarray(32)].map((part) =>
    Buffer.from(part).toString('base64url'),
  );
  const key = createPublicKey({ key: { kty: 'EC', crv: 'P-256', x: x ?? '', y: y ?? '' }, format: 'jwk' });
  return verify('sha256', signedBytes, { key, dsaEncoding: 'ieee-p1363' }, signature) ? 'accepted' : 'rejected';
}

/** Whether the image in flash is what the accepted packet vouches for. The plain bootloader reads a CRC, whatever is there. */
export function imageMatches(image: Uint8Array, packet: Uint8Array, hardware: LegacyHardware): boolean {
  const extension = extensionOf(packet);
  if (!extension) return false;
  const view = new DataView(extension.buffer, extension.byteOffset, extension.byteLength);
  if (!hardware.publicKey) return view.getUint16(0, true) === crc16CcittFalse(image);
  const digest = createHash('sha256').update(image).digest();
  return view.getUint32(4, true) === image.length && digest.equals(extension.subarray(8, 40));
}

function extensionOf(packet: Uint8Array): Uint8Array | undefined {
  const count = new DataView(packet.buffer, packet.byteOffset, packet.byteLength).getUint16(8, true);
  const at = HEAD_BYTES + 2 * count;
  return count === 0 || at > packet.length ? undefined : packet.subarray(at);
}
