/**
 * Release keys: where a model has one, held here and never taken from an order, the artifact must carry
 * its signature, so that a server alone cannot flash (design, section 4).
 */
import { constants, createPublicKey, createVerify, verify, type KeyObject } from 'node:crypto';
import {
  AGENT_BUNDLE_FORMAT,
  ArtifactError,
  DrydockError,
  MCUBOOT_FORMATS,
  openAgentBundle,
  openMcubootFile,
  openLegacyPackage,
  openGblSet,
  openNordicPackage,
  parseGbl,
  parseMcubootPublicKey,
  parseTiOadImage,
  sourceOf,
  TI_MCUBOOT_SLOT_FORMAT,
  verifyGblSignature,
  verifyLegacySignature,
  verifyNordicSignature,
  verifyTiOadSignature,
  wholeOf,
  type ByteSource,
  type McubootTrustedKey,
} from '@drydock/dfu-core';

/** @throws DrydockError `settings.invalid` when it is no public key. */
export function parseReleaseKey(pem: string, field: string): KeyObject {
  try {
    return createPublicKey(pem);
  } catch (error) {
    throw new DrydockError('settings.invalid', { field, detail: 'no public key in PEM form' }, { cause: error });
  }
}

/**
 * @param keys of the model; any of them may have signed.
 * @throws ArtifactError `gateway.no-release-key` when none of them did; `artifact.*` when the file is broken.
 */
export function verifyReleaseSignature(
  file: Uint8Array | ByteSource,
  format: string,
  model: string,
  keys: readonly KeyObject[],
): void {
  if (!isSigned(file, format, keys)) throw new ArtifactError('gateway.no-release-key', { model });
}

function isSigned(file: Uint8Array | ByteSource, format: string, keys: readonly KeyObject[]): boolean {
  if (MCUBOOT_FORMATS.includes(format) || format === TI_MCUBOOT_SLOT_FORMAT) {
    const trustedKeys = keys.map(mcubootKey).filter((key) => key !== undefined);
    try {
      // Every image of the file, or it throws.
      return (
        openMcubootFile(file, { trustedKeys, verifyRsaPss, allowPadded: format === TI_MCUBOOT_SLOT_FORMAT }).images
          .length > 0
      );
    } catch (error) {
      if (error instanceof DrydockError && error.code === 'artifact.signature') return false;
      throw error;
    }
  }
  switch (format) {
    case 'nordic-secure-zip': {
      const opened = openNordicPackage(wholeOf(sourceOf(file)));
      return keys.some((key) => {
        const point = p256Point(key);
        return point !== undefined && verifyNordicSignature(opened, point);
      });
    }
    case 'nordic-legacy-zip': {
      const opened = openLegacyPackage(wholeOf(sourceOf(file)));
      return keys.some((key) => {
        const point = p256Point(key);
        return point !== undefined && verifyLegacySignature(opened, point);
      });
    }
    case 'ti-oad': {
      const image = parseTiOadImage(wholeOf(sourceOf(file)));
      return keys.some((key) => {
        const point = p256Point(key);
        return point !== undefined && verifyTiOadSignature(image, point);
      });
    }
    case 'silabs-gbl':
    case 'silabs-gbl-set': {
      const bytes = wholeOf(sourceOf(file));
      const files = format === 'silabs-gbl' ? [parseGbl(bytes)] : openGblSet(bytes);
      return keys.some((key) => {
        const point = p256Point(key);
        return point !== undefined && files.every((gbl) => verifyGblSignature(gbl, point));
      });
    }
    case AGENT_BUNDLE_FORMAT: {
      const { signed, signature } = openAgentBundle(wholeOf(sourceOf(file)));
      if (!signature) return false;
      return keys.some((key) => key.asymmetricKeyType === 'ed25519' && verify(null, signed, key, signature));
    }
    default:
      return false; // what cannot be checked does not count as signed
  }
}

function mcubootKey(key: KeyObject): McubootTrustedKey | undefined {
  const der =
    key.asymmetricKeyType === 'rsa'
      ? key.export({ format: 'der', type: 'pkcs1' })
      : key.export({ format: 'der', type: 'spki' });
  return parseMcubootPublicKey(new Uint8Array(der));
}

/** The uncompressed point of a P-256 key (SEC1), undefined for any other. */
function p256Point(key: KeyObject): Uint8Array | undefined {
  const jwk = key.export({ format: 'jwk' });
  if (jwk.crv !== 'P-256' || !jwk.x || !jwk.y) return undefined;
  return new Uint8Array(
    Buffer.concat([Buffer.of(4), Buffer.from(jwk.x, 'base64url'), Buffer.from(jwk.y, 'base64url')]),
  );
}

/** RSASSA-PSS, SHA-256, MGF1-SHA-256, 32 bytes of salt; the key is a PKCS#1 `RSAPublicKey`. */
function verifyRsaPss(publicKey: Uint8Array, message: Iterable<Uint8Array>, signature: Uint8Array): boolean {
  const key = createPublicKey({ key: Buffer.from(publicKey), format: 'der', type: 'pkcs1' });
  const check = createVerify('sha256');
  for (const piece of message) check.update(piece);
  return check.verify({ key, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: 32 }, signature);
}
