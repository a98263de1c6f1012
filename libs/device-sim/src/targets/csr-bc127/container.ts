/** What the simulated loader looks at in a file: written from the description of the container, apart from dfu-core's. */
import { crc32 } from '../checksums.js';

export const register = (bytes: Uint8Array): number => ~crc32(bytes) >>> 0;
const view = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);

/** From the first block. @returns undefined when this is no file for this chip. */
export function announcedBytes(first: Uint8Array, variant: 'hd' | 'standard'): number | undefined {
  if (first.length < 124 || Buffer.from(first.subarray(0, 8)).toString('latin1') !== 'CSR-dfu2') return undefined;
  const mask = view(first).getUint32(104, true);
  if (mask !== (variant === 'hd' ? 0x2000 : 0x1000)) return undefined;
  return view(first).getUint32(10, true);
}

/** Whether the stack area matches its sum. */
export function stackHolds(file: Uint8Array): boolean {
  if (file.length < 1244) return false;
  const length = view(file).getUint32(120, true);
  if (length < 20 || 1224 + length > file.length) return false;
  const area = file.subarray(1224, 1224 + length);
  return register(area.subarray(12)) === view(area).getUint32(8, true);
}

/** What Melody calls itself: from the description of the file it came in. */
export function melodyOf(file: Uint8Array): { readonly name: string; readonly build: string | undefined } {
  const text = Buffer.from(file.subarray(16, 80)).toString('latin1').trimEnd();
  const match = /^(.*?)(?: (\d{8,12}))?$/.exec(text);
  return { name: match?.[1] ?? text, build: match?.[2] };
}
