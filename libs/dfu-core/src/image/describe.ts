/** Finds out what a file is, by its bytes and never by its name. */
import { ArtifactError } from '../errors.js';
import type { ArtifactDescription } from './description.js';
import { describeMcubootImage } from './mcuboot/describe.js';
import { looksLikeMcubootImage } from './mcuboot/parse.js';
import { describeNordicPackage } from './nordic/describe-package.js';
import { describeSilabsArtifact } from './silabs/describe.js';

/** Local file header of a zip archive (PKWARE APPNOTE 4.3.7). */
const ZIP_MAGIC: readonly number[] = [0x50, 0x4b, 0x03, 0x04];

/**
 * Reads and describes a file of any format that Drydock knows. Signatures are described, not checked:
 * that takes a key.
 * @throws ArtifactError `artifact.unknown-format` when it is none of them; else what is wrong, with byte or field.
 */
export function describeArtifact(bytes: Uint8Array): ArtifactDescription {
  if (looksLikeMcubootImage(bytes)) return describeMcubootImage(bytes);
  const silabs = describeSilabsArtifact(bytes);
  if (silabs) return silabs;
  // Any other zip goes there: a broken package is told what is broken, and not that it is unknown.
  if (ZIP_MAGIC.every((byte, index) => bytes[index] === byte)) return describeNordicPackage(bytes);
  const start = [...bytes.subarray(0, 4)].map((byte) => byte.toString(16).padStart(2, '0')).join(' ');
  throw new ArtifactError('artifact.unknown-format', {
    detail:
      bytes.length === 0
        ? 'it is empty'
        : `it begins with ${start}; no Nordic package, no MCUboot image, no GBL or EBL file`,
  });
}
