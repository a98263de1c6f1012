/** Whether one of a model's release keys signed a file: asked at upload, with the core's own checks. */
import { constants, createPublicKey, verify, type KeyObject } from 'node:crypto';
import {
  ArtifactError,
  checkMcubootImage,
  openGblSet,
  openNordicPackage,
  parseGbl,
  parseMcubootPublicKey,
  verifyGblSignature,
  verifyNordicSignature,
  type McubootTrustedKey,
} from '@drydock/dfu-core';

/** RSASSA-PSS, SHA-256, MGF1-SHA-256, 32 bytes of salt; the key is a PKCS#1 `RSAPublicKey`. */
export function verifyRsaPss(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean {
  const key = createPublicKey({ key: Buffer.from(publicKey), format: 'der', type: 'pkcs1' });
  return verify('sha256', message, { key, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: 32 }, signature);
}

/**
 * @param format as the core described the file.
 * @param pems release keys, SPKI.
 * @returns undefined when one of the keys signed every image; otherwise why not, in words for a person.
 */
export function releaseSignatureFault(bytes: Uint8Array, format: string, pems: readonly string[]): string | undefined {
  const keys = pems.map((pem) => createPublicKey(pem));
  switch (format) {
    case 'mcuboot':
      return mcubootFault(bytes, keys);
    case 'nordic-secure-zip':
      return nordicFault(bytes, keys);
    case 'silabs-gbl':
    case 'silabs-gbl-set':
      return gblFault(bytes, format, keys);
    default:
      return `signatures of format ${format} cannot be checked`;
  }
}

function mcubootFault(bytes: Uint8Array, keys: readonly KeyObject[]): string | undefined {
  const trustedKeys = keys.flatMap((key): McubootTrustedKey[] => {
    const type = key.asymmetricKeyType === 'rsa' ? 'pkcs1' : 'spki';
    const parsed = parseMcubootPublicKey(key.export({ type, format: 'der' }));
    return parsed ? [parsed] : [];
  });
  try {
    checkMcubootImage(bytes, { trustedKeys, verifyRsaPss });
    return undefined;
  } catch (error) {
    if (error instanceof ArtifactError && error.code === 'artifact.signature') return String(error.params['detail']);
    throw error;
  }
}

function nordicFault(bytes: Uint8Array, keys: readonly KeyObject[]): string | undefined {
  const opened = openNordicPackage(bytes);
  // Only P-256 keys can have signed it: the package knows no other signature.
  const points = keys.filter((key) => key.asymmetricKeyDetails?.namedCurve === 'prime256v1').map(pointOf);
  return points.some((point) => verifyNordicSignature(opened, point))
    ? undefined
    : 'not every image of the package is signed by a release key of the model';
}

function gblFault(bytes: Uint8Array, format: string, keys: readonly KeyObject[]): string | undefined {
  const files = format === 'silabs-gbl' ? [parseGbl(bytes)] : openGblSet(bytes);
  const points = keys.filter((key) => key.asymmetricKeyDetails?.namedCurve === 'prime256v1').map(pointOf);
  return points.some((point) => files.every((gbl) => verifyGblSignature(gbl, point)))
    ? undefined
    : 'not every file is signed by a release key of the model';
}

/** SEC1, uncompressed: the end of the SubjectPublicKeyInfo (RFC 5480). */
function pointOf(key: KeyObject): Uint8Array {
  return new Uint8Array(key.export({ type: 'spki', format: 'der' }).subarray(-65));
}
