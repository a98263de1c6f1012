/**
 * What stands in an MCUboot file, after every check that needs nothing but the file; and the checks that need
 * to know the device.
 */
import type { ByteSource } from '../../bytes/byte-source.js';
import { toHex } from '../../bytes/hex.js';
import { ArtifactError } from '../../errors.js';
import type { ArtifactDescription, ImageDescription, SignatureDescription } from '../description.js';
import {
  compareMcubootVersions,
  formatMcubootVersion,
  ImageFlag,
  IMAGE_HASHES,
  MCUBOOT_FORMAT,
  MCUBOOT_IMAGE_PROTOCOLS,
  type McubootImage,
  type McubootVersion,
  TlvType,
  tlvName,
} from './format.js';
import type { McubootTrustedKey } from './keys.js';
import { malformed, parseMcubootImage } from './parse.js';
import {
  classifyTrailingBytes,
  digestOf,
  type ImageHash,
  type ImageSignature,
  listSignatures,
  verifyImageHash,
  verifySignature,
  type VerifyRsaPss,
} from './verify.js';

export interface McubootDependency {
  readonly image: number;
  readonly minimum: McubootVersion;
}

export interface McubootChecks {
  /** Demand a signature by one of these. */
  readonly trustedKeys?: readonly McubootTrustedKey[];
  readonly verifyRsaPss?: VerifyRsaPss;
  /** Images for direct-XIP with revert come padded to their slot; all others are refused padded. */
  readonly allowPadded?: boolean;
  /** Size of the slot, or `max_image_size`, as the device states it. */
  readonly slotBytes?: number;
  /** Refuse a version below this one. */
  readonly notOlderThan?: McubootVersion;
  /** Refuse a security counter below this one. */
  readonly securityCounterAtLeast?: number;
  /** Versions of the other images of the release, or that run, to satisfy DEPENDENCY. */
  readonly otherImages?: ReadonlyMap<number, McubootVersion>;
  /** What a manifest declares for this file. */
  readonly declaredBytes?: number;
  readonly declaredLoadAddress?: number;
}

export interface CheckedMcubootImage {
  readonly image: McubootImage;
  readonly hash: ImageHash;
  readonly signatures: readonly ImageSignature[];
  readonly signedBy?: McubootTrustedKey;
  readonly securityCounter?: number;
  readonly dependencies: readonly McubootDependency[];
  readonly padded: boolean;
}

/**
 * All checks made before an image is sent, in the order: header, sizes, protected TLVs, TLVs, hash, signature,
 * trailing bytes, slot size, version with security counter and dependencies, manifest.
 * @throws ArtifactError with the field that is wrong; the first one found ends the checks.
 */
export function checkMcubootImage(bytes: Uint8Array | ByteSource, checks: McubootChecks = {}): CheckedMcubootImage {
  const image = parseMcubootImage(bytes);
  const { file } = image;
  const hash = verifyImageHash(image);
  const signatures = listSignatures(image, hash);
  const signedBy = checks.trustedKeys && verifySignature(image, hash, checks.trustedKeys, checks.verifyRsaPss);
  const padded = classifyTrailingBytes(image) === 'slot-trailer';
  if (padded && !checks.allowPadded) {
    const detail = 'the file is padded to its slot and would start by itself at the next boot; sign it without --pad';
    throw malformed('slot trailer', image.endOffset, detail);
  }
  if (checks.slotBytes !== undefined && file.length > checks.slotBytes) {
    throw new ArtifactError('artifact.limit', {
      field: 'size for the slot',
      actual: file.length,
      limit: checks.slotBytes,
    });
  }
  const securityCounter = readSecurityCounter(image);
  const dependencies = readDependencies(image);
  checkVersions(image, securityCounter, dependencies, checks);
  checkManifest(image, checks);
  return {
    image,
    hash,
    signatures,
    dependencies,
    padded,
    ...(signedBy && { signedBy }),
    ...(securityCounter !== undefined && { securityCounter }),
  };
}

function readSecurityCounter(image: McubootImage): number | undefined {
  const tlv = image.protectedTlvs.find(({ type }) => type === TlvType.SecurityCounter);
  if (!tlv) return undefined;
  if (tlv.value.length !== 4)
    throw malformed('SecurityCounter TLV', tlv.offset + 2, `${tlv.value.length} bytes, not 4`);
  return new DataView(tlv.value.buffer, tlv.value.byteOffset).getUint32(0, true);
}

function readDependencies(image: McubootImage): McubootDependency[] {
  return image.protectedTlvs
    .filter(({ type }) => type === TlvType.Dependency)
    .map(({ value, offset }) => {
      if (value.length !== 12) throw malformed('Dependency TLV', offset + 2, `${value.length} bytes, not 12`);
      const view = new DataView(value.buffer, value.byteOffset);
      const minimum = {
        major: view.getUint8(4),
        minor: view.getUint8(5),
        revision: view.getUint16(6, true),
        build: view.getUint32(8, true),
      };
      return { image: view.getUint8(0), minimum };
    });
}

function checkVersions(
  image: McubootImage,
  securityCounter: number | undefined,
  dependencies: readonly McubootDependency[],
  checks: McubootChecks,
): void {
  const { version } = image.header;
  if (checks.notOlderThan && compareMcubootVersions(version, checks.notOlderThan) < 0) {
    const params = { actual: formatMcubootVersion(version), expected: formatMcubootVersion(checks.notOlderThan) };
    throw new ArtifactError('artifact.downgrade', { ...params, field: 'version' });
  }
  if (checks.securityCounterAtLeast !== undefined && (securityCounter ?? 0) < checks.securityCounterAtLeast) {
    throw new ArtifactError('artifact.downgrade', {
      field: 'security counter',
      actual: `security counter ${securityCounter ?? 0}`,
      expected: `security counter ${checks.securityCounterAtLeast}`,
    });
  }
  if (!checks.otherImages) return;
  for (const { image: index, minimum } of dependencies) {
    const other = checks.otherImages.get(index);
    if (other && compareMcubootVersions(other, minimum) >= 0) continue;
    throw new ArtifactError('artifact.requires', {
      field: 'Dependency TLV',
      expected: `image ${index} at ${formatMcubootVersion(minimum)} or later`,
      actual: other ? formatMcubootVersion(other) : 'no such image',
    });
  }
}

function checkManifest(image: McubootImage, checks: McubootChecks): void {
  if (checks.declaredBytes !== undefined && checks.declaredBytes !== image.file.length) {
    throw malformed('manifest size', 0, `${checks.declaredBytes} bytes declared, ${image.file.length} there`);
  }
  const { flags, loadAddress } = image.header;
  if (
    checks.declaredLoadAddress !== undefined &&
    flags & ImageFlag.RomFixed &&
    checks.declaredLoadAddress !== loadAddress
  ) {
    const detail = `0x${checks.declaredLoadAddress.toString(16)} declared, the header says 0x${loadAddress.toString(16)}`;
    throw malformed('manifest load_address', 4, detail);
  }
}

/** The image as descriptions of files name it, whatever it came in. */
export function describeImage(
  checked: CheckedMcubootImage,
  place: { readonly image: number; readonly slot?: number; readonly kind: string; readonly member?: string },
): ImageDescription {
  const { image, hash, dependencies, padded } = checked;
  return {
    ...place,
    version: formatMcubootVersion(image.header.version),
    sizeBytes: image.file.length,
    runningHash: toHex(hash.value),
    sha256: toHex(digestOf(image.file, 'sha256')),
    ...(dependencies.length > 0 && {
      dependencies: dependencies.map(({ image: index, minimum }) => ({
        image: index,
        minimum: formatMcubootVersion(minimum),
      })),
    }),
    ...(padded && { padded }),
  };
}

export function describeSignatures(checked: CheckedMcubootImage, covers: string): SignatureDescription[] {
  return checked.signatures.map(({ scheme, keyHash }) => ({
    scheme,
    covers,
    ...(keyHash && { keyHash: toHex(keyHash) }),
  }));
}

/**
 * @returns the description that server and agent compare.
 * @throws ArtifactError for the first check that fails.
 */
export function describeMcubootImage(file: Uint8Array | ByteSource, checks: McubootChecks = {}): ArtifactDescription {
  const checked = checkMcubootImage(file, checks);
  const image = describeImage(checked, { image: 0, kind: 'application' });
  return {
    format: MCUBOOT_FORMAT,
    protocols: MCUBOOT_IMAGE_PROTOCOLS,
    sha256: image.sha256,
    sizeBytes: image.sizeBytes,
    images: [image],
    signatures: describeSignatures(checked, 'application'),
    hardware: {},
    notes: notesOf(checked),
  };
}

const FLAG_NOTES: readonly (readonly [number, string])[] = [
  [ImageFlag.Pic, 'flag: position independent code, which MCUboot does not support'],
  [ImageFlag.EncryptedAes128, 'encrypted with AES-128: the image hash cannot be checked without the key'],
  [ImageFlag.EncryptedAes256, 'encrypted with AES-256: the image hash cannot be checked without the key'],
  [ImageFlag.NonBootable, 'flag: not bootable'],
  [ImageFlag.RamLoad, 'flag: loaded to RAM'],
  [ImageFlag.RomFixed, 'flag: linked for one fixed address'],
  [ImageFlag.CompressedLzma1, 'compressed with LZMA1'],
  [ImageFlag.CompressedLzma2, 'compressed with LZMA2'],
  [ImageFlag.CompressedArmThumb, 'compressed with the ARM Thumb filter'],
];

const ORDINARY_TLVS: ReadonlySet<number> = new Set([
  TlvType.KeyHash,
  TlvType.PublicKey,
  ...IMAGE_HASHES.map(({ type }) => type),
  TlvType.Rsa2048Pss,
  TlvType.Rsa3072Pss,
  TlvType.Ecdsa,
  TlvType.Ed25519,
  TlvType.Dependency,
  TlvType.SecurityCounter,
]);

/** What a person should see of it. */
export function notesOf({ image, signatures, securityCounter, dependencies, padded }: CheckedMcubootImage): string[] {
  const { flags, loadAddress, headerBytes } = image.header;
  const notes = [`header of ${headerBytes} bytes`];
  for (const [flag, note] of FLAG_NOTES) if (flags & flag) notes.push(note);
  if (flags & (ImageFlag.RomFixed | ImageFlag.RamLoad)) notes.push(`load address 0x${loadAddress.toString(16)}`);
  if (signatures.length === 0) notes.push('INSECURE: the image is not signed');
  for (const { testKey, pure } of signatures) {
    if (testKey) notes.push(`INSECURE: signed with the published MCUboot test key ${testKey}`);
    if (pure) notes.push('the signature covers the image itself, not its hash');
  }
  if (securityCounter !== undefined) notes.push(`security counter ${securityCounter}`);
  for (const { image: index, minimum } of dependencies) {
    notes.push(`needs image ${index} at ${formatMcubootVersion(minimum)} or later`);
  }
  if (padded) notes.push('padded to its slot');
  for (const { type, value } of [...image.protectedTlvs, ...image.tlvs]) {
    if (!ORDINARY_TLVS.has(type)) notes.push(`TLV ${tlvName(type)} of ${value.length} bytes`);
  }
  return notes;
}
