/** Finds out what a file is, by its bytes and never by its name. */
import { ArtifactError } from '../errors.js';
import type { ArtifactDescription } from './description.js';
import { type ByteSource, sourceOf, wholeOf } from '../bytes/byte-source.js';
import { describeAgentBundle, isAgentBundle } from './agent-bundle/index.js';
import { describeCsrDfu } from './csr-dfu/describe-file.js';
import { looksLikeCsrDfu } from './csr-dfu/parse.js';
import { looksLikeIntelHex } from './intel-hex/index.js';
import { describeMcubootFile, isMcubootPackage } from './mcuboot/file.js';
import { looksLikeMcubootImage } from './mcuboot/parse.js';
import { describeNordicPackage } from './nordic/describe-package.js';
import { describeLegacyPackage } from './nordic-legacy/describe-package.js';
import { looksLikeLegacyPackage } from './nordic-legacy/package.js';
import { describeSilabsArtifact } from './silabs/describe.js';
import { looksLikeClassicImage } from './ti-oad/classic.js';
import { describeClassicImage, describeTiMcubootSlot, describeTiOadImage, isTiMcubootSlot } from './ti-oad/describe.js';
import { looksLikeTiOadImage } from './ti-oad/parse.js';

/** Local file header of a zip archive (PKWARE APPNOTE 4.3.7). */
const ZIP_MAGIC: readonly number[] = [0x50, 0x4b, 0x03, 0x04];

/**
 * Reads and describes a file of any format that Drydock knows. Signatures are described, not checked:
 * that takes a key.
 * @throws ArtifactError `artifact.unknown-format` when it is none of them; else what is wrong, with byte or field.
 */
export function describeArtifact(file: Uint8Array | ByteSource): ArtifactDescription {
  const source = sourceOf(file);
  const head = source.read(0, Math.min(source.length, 64));
  const isZip = ZIP_MAGIC.every((byte, index) => head[index] === byte);
  // These are read by ranges; the others in one piece.
  if (looksLikeMcubootImage(head)) {
    return isTiMcubootSlot(source) ? describeTiMcubootSlot(source) : describeMcubootFile(source);
  }
  if (isZip && isAgentBundle(source)) return describeAgentBundle(source);
  if (isZip && isMcubootPackage(source)) return describeMcubootFile(source);
  const bytes = wholeOf(source);
  if (looksLikeCsrDfu(head)) return describeCsrDfu(bytes);
  if (looksLikeIntelHex(head)) return describeMcubootFile(bytes);
  if (isZip && looksLikeLegacyPackage(bytes)) return describeLegacyPackage(bytes);
  const silabs = describeSilabsArtifact(bytes);
  if (silabs) return silabs;
  // Any other zip goes there: a broken package is told what is broken, and not that it is unknown.
  if (isZip) return describeNordicPackage(bytes);
  if (looksLikeTiOadImage(bytes)) return describeTiOadImage(bytes);
  if (looksLikeClassicImage(bytes)) return describeClassicImage(bytes);
  const start = [...bytes.subarray(0, 4)].map((byte) => byte.toString(16).padStart(2, '0')).join(' ');
  throw new ArtifactError('artifact.unknown-format', {
    detail:
      bytes.length === 0
        ? 'it is empty'
        : `it begins with ${start}; neither a package, nor an MCUboot image, nor a TI OAD image, nor a GBL or EBL file, nor a CSR .dfu, nor Intel HEX`,
  });
}
