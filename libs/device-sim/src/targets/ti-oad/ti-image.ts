/**
 * Files with TI's core header as target and boot manager read them.
 *
 * Source: TI SimpleLink CC13x2/CC26x2 SDK, `oad_image_header.h`, `bim_main.c` (order of checks), `signUtil.py`.
 */
import { createPublicKey, verify } from 'node:crypto';
import { crc32 } from '../checksums.js';
import { viewOf } from './host.js';

const CORE = 44;
const SECURITY = 3;
const SIGNATURE = 64;

export const imageIdOf = (file: Uint8Array): string => Buffer.from(file.subarray(0, 8)).toString('latin1');
export const softwareVersionOf = (file: Uint8Array): Uint8Array => file.slice(32, 36);

interface FoundSegment {
  readonly type: number;
  readonly at: number;
  readonly length: number;
}

function segmentsOf(file: Uint8Array): FoundSegment[] {
  const found: FoundSegment[] = [];
  for (let at = CORE; at + 8 <= file.length && found.length < 16;) {
    const length = viewOf(file).getUint32(at + 4, true);
    found.push({ type: file[at] ?? 0, at, length });
    if (length < 8) break;
    at += length;
  }
  return found;
}

/** Bytes up to the end of the image segment's own header; undefined while they are not all there. */
export function collectedHeader(head: Uint8Array): { readonly bytes: number; readonly start: number } | undefined {
  for (let at = CORE; at + 12 <= head.length;) {
    if (head[at] === 1) return { bytes: at + 12, start: viewOf(head).getUint32(at + 8, true) };
    at += Math.max(8, viewOf(head).getUint32(at + 4, true));
  }
  return undefined;
}

export const crcMatches = (file: Uint8Array): boolean =>
  file.length > CORE && file[17] !== 0xfc && crc32(file.subarray(12)) === viewOf(file).getUint32(8, true);

/** What a boot manager for secure OAD asks beside the checksum. */
export function isSignedBy(file: Uint8Array, publicKeyPem: string): boolean {
  const segments = segmentsOf(file);
  const security = segments.find(({ type, length }) => type === SECURITY && length === 85);
  if (!security) return false;
  const message = [file.subarray(12, 16), file.subarray(18, CORE)];
  for (const { type, at, length } of segments) {
    message.push(file.subarray(at, at + length - (type === SECURITY ? SIGNATURE : 0)));
  }
  const signature = file.subarray(security.at + 21, security.at + 85);
  const key = createPublicKey(publicKeyPem);
  return verify('sha256', Buffer.concat(message), { key, dsaEncoding: 'ieee-p1363' }, signature);
}
