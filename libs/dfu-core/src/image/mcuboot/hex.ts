/**
 * An MCUboot image in Intel HEX, as linkers' tools and imgtool write it for flashing by wire: one stretch of bytes that
 * begins with the image header. What is sent is the image; the address is the programmer's affair.
 */
import { ArtifactError } from '../../errors.js';
import { type IntelHexSegment, parseIntelHex } from '../intel-hex/index.js';
import { malformed, looksLikeMcubootImage } from './parse.js';

/** imgtool writes the trailer of a padded image as a stretch of its own at the end of the slot. */
const TRAILER_AT_MOST_BYTES = 16 * 1024;

/**
 * @returns the one image, and where it is to lie.
 * @throws ArtifactError `artifact.malformed` or `artifact.unsupported` when it holds anything else.
 */
export function imageOfHex(file: Uint8Array): IntelHexSegment {
  const { segments } = parseIntelHex(file);
  const [image, ...others] = segments;
  if (!image) throw malformed('Intel HEX', 0, 'it holds no data');
  const at = segments.findIndex(({ bytes }) => looksLikeMcubootImage(bytes));
  if (at < 0) {
    const detail = `no stretch of the Intel HEX file begins with an MCUboot header; it has ${segments.length}`;
    throw new ArtifactError('artifact.unsupported', { detail });
  }
  if (others.length === 0) return image;
  const isPadded = at === 0 && others.length <= 2 && others.every(({ bytes }) => bytes.length <= TRAILER_AT_MOST_BYTES);
  if (isPadded) {
    const detail = 'the file is padded to its slot and would start by itself at the next boot; sign it without --pad';
    throw malformed('slot trailer', 0, detail);
  }
  const detail = `it holds ${segments.length} stretches of flash, such as a bootloader beside its application; give the signed image alone`;
  throw new ArtifactError('artifact.unsupported', { detail });
}
