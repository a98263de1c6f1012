/**
 * Firmware as people have it, `.hex` or `.bin`, brought into the bytes that go to the device.
 *
 * Of a hex file the master boot record and everything outside of flash (UICR) is left out, gaps are filled with 0xFF,
 * and the end is padded to whole words. Where the master boot record ends is told by where the SoftDevice keeps its
 * magic word.
 *
 * Source: nrfutil 0.5.3, nordicsemi/dfu/nrfhex.py.
 */
import { ArtifactError } from '../../errors.js';
import { looksLikeIntelHex, parseIntelHex } from '../intel-hex/index.js';

const PAD = 0xff;
const UICR_FROM = 0x1000_0000;
/** The SoftDevice's magic word lies there when its MBR ends at 0x1000. */
const MAGIC = [0xdb, 0xe5, 0xb1, 0x51] as const;
const MAGIC_OF_OLD_LAYOUT = [0x4004, 0x5004, 0x6004, 0x7004] as const;
const MAGIC_OF_NEW_LAYOUT = 0x3004;
const MBR_END = 0x1000;
const OLD_MBR_END = 0x3000;
/** Flash of the largest chip with such a bootloader. */
const MAX_FLASH_BYTES = 1024 * 1024;

/**
 * @param what names the file in errors.
 * @returns a multiple of 4 bytes.
 * @throws ArtifactError `artifact.malformed`, `artifact.truncated`, `artifact.limit`.
 */
export function firmwareOf(file: Uint8Array, what: string): Uint8Array {
  if (!looksLikeIntelHex(file)) return paddedToWords(file);
  const segments = parseIntelHex(file).segments.filter(({ address }) => address < UICR_FROM);
  const byteAt = (address: number): number | undefined => {
    const found = segments.find((each) => address >= each.address && address < each.address + each.bytes.length);
    return found?.bytes[address - found.address];
  };
  const hasMagicAt = (address: number): boolean => MAGIC.every((byte, i) => byteAt(address + i) === byte);
  const isOld = !hasMagicAt(MAGIC_OF_NEW_LAYOUT) && MAGIC_OF_OLD_LAYOUT.some(hasMagicAt);
  const mbrEnd = isOld ? OLD_MBR_END : MBR_END;

  let from = Number.POSITIVE_INFINITY;
  let to = 0;
  for (const { address, bytes } of segments) {
    const end = address + bytes.length;
    if (end <= mbrEnd || bytes.length === 0) continue;
    from = Math.min(from, Math.max(address, mbrEnd));
    to = Math.max(to, end);
  }
  if (to === 0) {
    throw new ArtifactError('artifact.malformed', {
      field: what,
      offset: 0,
      detail: `it has no bytes between the master boot record (0x${mbrEnd.toString(16)}) and the end of flash`,
    });
  }
  if (to - from > MAX_FLASH_BYTES) {
    throw new ArtifactError('artifact.limit', { field: what, actual: to - from, limit: MAX_FLASH_BYTES });
  }
  const image = new Uint8Array(Math.ceil((to - from) / 4) * 4).fill(PAD);
  for (const { address, bytes } of segments) {
    const cut = Math.max(0, from - address);
    if (cut < bytes.length) image.set(bytes.subarray(cut), address + cut - from);
  }
  return image;
}

/** With 0xFF, as flash is where nothing was written. */
export function paddedToWords(bytes: Uint8Array): Uint8Array {
  const result = new Uint8Array(Math.ceil(bytes.length / 4) * 4).fill(PAD);
  result.set(bytes);
  return result;
}
