/** Whether one of a model's release keys signed a file: asked at upload, with the core's own checks. */
import { constants, createPublicKey, createVerify, verify, type KeyObject } from 'node:crypto';
import {
  AGENT_BUNDLE_FORMAT,
  ArtifactError,
  MCUBOOT_FORMATS,
  openAgentBundle,
  openMcubootFile,
  openLegacyPackage,
  openGblSet,
  openNordicPackage,
  parseGbl,
  parseMcubootPublicKey,
  parseTiOadImage,
  TI_MCUBOOT_SLOT_FORMAT,
  verifyGblSignature,
  verifyLegacySignature,
  verifyNordicSignature,
  verifyTiOadSignature,
  type McubootTrustedKey,
} from '@drydock/dfu-core';

/** RSASSA-PSS, SHA-256, MGF1-SHA-256, 32 bytes of salt; the key is a PKCS#1 `RSAPublicKey`. */
export function verifyRsaPss(publicKey: Uint8Array, message: Iterable<Uint8Array>, signature: Uint8Array): boolean {
  const key = createPublicKey({ key: Buffer.from(publicKey), format: 'der', type: 'pkcs1' });
  const check = createVerify('sha256');
  for (const piece of message) check.update(piece);
  return check.verify({ key, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: 32 }, signature);
}

/**
 * @param format as the core described the file.
 * @param pems release keys, SPKI.
 * @returns undefined when one of the keys signed every image; otherwise why not, in words for a person.
 */
export function releaseSignatureFault(bytes: Uint8Array, format: string, pems: readonly string[]): string | undefined {
  const keys = pems.map((pem) => createPublicKey(pem));
  if (MCUBOOT_FORMATS.includes(format)) return mcubootFault(bytes, keys, false);
  switch (format) {
    case 'ti-oad':
      return tiOadFault(bytes, keys);
    case TI_MCUBOOT_SLOT_FORMAT:
      return mcubootFault(bytes, keys, true);
    case 'nordic-secure-zip':
      return nordicFault(bytes, keys);
    case 'nordic-legacy-zip':
      return legacyFault(bytes, keys);
    case 'silabs-gbl':
    case 'silabs-gbl-set':
      return gblFault(bytes, format, keys);
    case AGENT_BUNDLE_FORMAT:
      return agentBundleFault(bytes, keys);
    default:
      return `signatures of format ${format} cannot be checked`;
  }
}

function mcubootFault(bytes: Uint8Array, keys: readonly KeyObject[], allowPadded: boolean): string | undefined {
  const trustedKeys = keys.flatMap((key): McubootTrustedKey[] => {
    const type = key.asymmetricKeyType === 'rsa' ? 'pkcs1' : 'spki';
    const parsed = parseMcubootPublicKey(key.export({ type, format: 'der' }));
    return parsed ? [parsed] : [];
  });
  try {
    openMcubootFile(bytes, { trustedKeys, verifyRsaPss, allowPadded });
    return undefined;
  } catch (error) {
    if (error instanceof ArtifactError && error.code === 'artifact.signature') return String(error.params['detail']);
    throw error;
  }
}

function nordicFault(bytes: Uint8Array, keys: readonly KeyObject[]): string | undefined {
  const opened = openNordicPackage(bytes);
  return pointsOf(keys).some((point) => verifyNordicSignature(opened, point))
    ? undefined
    : 'not every image of the package is signed by a release key of the model';
}

function legacyFault(bytes: Uint8Array, keys: readonly KeyObject[]): string | undefined {
  const opened = openLegacyPackage(bytes);
  return pointsOf(keys).some((point) => verifyLegacySignature(opened, point))
    ? undefined
    : 'not every image of the package is signed by a release key of the model (legacy packages rarely are signed at all)';
}

function tiOadFault(bytes: Uint8Array, keys: readonly KeyObject[]): string | undefined {
  const image = parseTiOadImage(bytes);
  return pointsOf(keys).some((point) => verifyTiOadSignature(image, point))
    ? undefined
    : 'the image is not signed by a release key of the model';
}

function gblFault(bytes: Uint8Array, format: string, keys: readonly KeyObject[]): string | undefined {
  const files = format === 'silabs-gbl' ? [parseGbl(bytes)] : openGblSet(bytes);
  return pointsOf(keys).some((point) => files.every((gbl) => verifyGblSignature(gbl, point)))
    ? undefined
    : 'not every file is signed by a release key of the model';
}

function agentBundleFault(bytes: Uint8Array, keys: readonly KeyObject[]): string | undefined {
  const { signed, signature } = openAgentBundle(bytes);
  const ours = keys.filter((key) => key.asymmetricKeyType === 'ed25519');
  return signature && ours.some((key) => verify(null, signed, key, signature))
    ? undefined
    : 'the bundle is not signed by a release key (Ed25519) of the model';
}

/** Only P-256 keys can have signed such a file: these formats know no other signature. */
function pointsOf(keys: readonly KeyObject[]): Uint8Array[] {
  return keys.filter((key) => key.asymmetricKeyDetails?.namedCurve === 'prime256v1').map(pointOf);
}

/** SEC1, uncompressed: the end of the SubjectPublicKeyInfo (RFC 5480). */
function pointOf(key: KeyObject): Uint8Array {
  return new Uint8Array(key.export({ type: 'spki', format: 'der' }).subarray(-65));
}
