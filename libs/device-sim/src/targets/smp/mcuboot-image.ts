/**
 * MCUboot images as the bootloader and the image group of a device read them.
 *
 * Source: mcuboot `boot/bootutil/include/bootutil/image.h`, `bootutil_img_hash.c`, `tlv.c`,
 * `image_validate.c`; `scripts/imgtool/image.py`.
 */
import { constants, createHash, createPublicKey, sign, verify, type KeyObject } from 'node:crypto';

const MAGIC = 0x96f3b83d;
const HEADER_BYTES = 32;
const TLV_MAGIC = 0x6907;
const PROTECTED_TLV_MAGIC = 0x6908;
const NON_BOOTABLE = 0x10;
const ENCRYPTED = 0x04 | 0x08;
const ROM_FIXED = 0x100;
const HASHES: readonly { readonly tlv: number; readonly name: string; readonly bytes: number }[] = [
  { tlv: 0x10, name: 'sha256', bytes: 32 },
  { tlv: 0x11, name: 'sha384', bytes: 48 },
  { tlv: 0x12, name: 'sha512', bytes: 64 },
];
const Tlv = {
  keyHash: 0x01,
  sha256: 0x10,
  rsa2048: 0x20,
  ecdsa: 0x22,
  rsa3072: 0x23,
  ed25519: 0x24,
  dependency: 0x40,
  securityCounter: 0x50,
} as const;

export interface ImageVersion {
  readonly major: number;
  readonly minor: number;
  readonly revision: number;
  readonly build: number;
}

export interface McubootImage {
  readonly version: ImageVersion;
  readonly bootable: boolean;
  readonly encrypted: boolean;
  /** Value of the one hash TLV. */
  readonly hash: Uint8Array;
  readonly hashName: string;
  /** Header, body and protected TLVs: what the hash covers. */
  readonly hashed: Uint8Array;
  /** The code, without header. */
  readonly body: Uint8Array;
  readonly totalBytes: number;
  readonly tlvs: readonly { readonly type: number; readonly value: Uint8Array }[];
}

/** `maj.min.rev`, and `.build` when it is not 0: as the image list spells it. */
export function versionText(version: ImageVersion): string {
  const text = `${version.major}.${version.minor}.${version.revision}`;
  return version.build === 0 ? text : `${text}.${version.build}`;
}

export function compareVersions(a: ImageVersion, b: ImageVersion): number {
  return a.major - b.major || a.minor - b.minor || a.revision - b.revision || a.build - b.build;
}

/** Reads the version of a header that may be all there is. @returns undefined without magic. */
export function headerVersion(bytes: Uint8Array): ImageVersion | undefined {
  if (bytes.length < HEADER_BYTES) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (view.getUint32(0, true) !== MAGIC) return undefined;
  return {
    major: view.getUint8(20),
    minor: view.getUint8(21),
    revision: view.getUint16(22, true),
    build: view.getUint32(24, true),
  };
}

/** The only address that an image runs at; undefined for one that runs anywhere, or moved by the bootloader. */
export function fixedAddress(bytes: Uint8Array): number | undefined {
  if (!headerVersion(bytes)) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return view.getUint32(16, true) & ROM_FIXED ? view.getUint32(4, true) : undefined;
}

/** @returns undefined unless there are magic, TLVs and exactly one hash. The hash is not recomputed here. */
export function readImage(slot: Uint8Array): McubootImage | undefined {
  const version = headerVersion(slot);
  if (!version) return undefined;
  const view = new DataView(slot.buffer, slot.byteOffset, slot.byteLength);
  const headerBytes = view.getUint16(8, true);
  const protectedBytes = view.getUint16(10, true);
  const bodyEnd = headerBytes + view.getUint32(12, true);
  const hashedEnd = bodyEnd + protectedBytes;
  if (headerBytes < HEADER_BYTES || hashedEnd + 4 > slot.length) return undefined;
  const tlvs: { type: number; value: Uint8Array }[] = [];
  const readBlock = (at: number, magic: number): number | undefined => {
    if (at + 4 > slot.length || view.getUint16(at, true) !== magic) return undefined;
    const end = at + view.getUint16(at + 2, true);
    if (end > slot.length) return undefined;
    let next = at + 4;
    while (next < end) {
      if (next + 4 > end) return undefined;
      const length = view.getUint16(next + 2, true);
      if (next + 4 + length > end) return undefined;
      tlvs.push({ type: view.getUint16(next, true), value: slot.slice(next + 4, next + 4 + length) });
      next += 4 + length;
    }
    return end;
  };
  if (protectedBytes > 0 && readBlock(bodyEnd, PROTECTED_TLV_MAGIC) !== hashedEnd) return undefined;
  const totalBytes = readBlock(hashedEnd, TLV_MAGIC);
  const hashes = tlvs.filter((tlv) => HASHES.some((kind) => kind.tlv === tlv.type));
  const hash = hashes[0]?.value;
  const kind = HASHES.find((each) => each.tlv === hashes[0]?.type);
  if (totalBytes === undefined || hashes.length !== 1 || !hash || hash.length !== kind?.bytes) return undefined;
  const flags = view.getUint32(16, true);
  return {
    version,
    bootable: (flags & NON_BOOTABLE) === 0,
    encrypted: (flags & ENCRYPTED) !== 0,
    hash,
    hashName: kind.name,
    hashed: slot.slice(0, hashedEnd),
    body: slot.slice(headerBytes, bodyEnd),
    totalBytes,
    tlvs,
  };
}

/** What MCUboot asks before it starts an image: hash, and a signature by `key` if there is one. */
export function imageIsValid(image: McubootImage, key: KeyObject | undefined): boolean {
  // Its hash is that of the plain image, which only the bootloader's own key brings back.
  if (image.encrypted) return true;
  const digest = createHash(image.hashName).update(image.hashed).digest();
  if (!digest.equals(image.hash)) return false;
  if (!key) return true;
  for (const { type, value } of image.tlvs) {
    if (type === Tlv.ed25519 && key.asymmetricKeyType === 'ed25519' && verify(null, digest, key, value)) return true;
    if (type === Tlv.ecdsa && key.asymmetricKeyType === 'ec') {
      // Old tools pad the DER signature with zeros.
      const length = Math.min(value.length, (value[1] ?? 0) + 2);
      if (verify('sha256', image.hashed, key, value.subarray(0, length))) return true;
    }
    const isPss = (type === Tlv.rsa2048 || type === Tlv.rsa3072) && key.asymmetricKeyType === 'rsa';
    const pss = { key, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: 32 };
    if (isPss && verify('sha256', image.hashed, pss, value)) return true;
  }
  return false;
}

export function securityCounter(image: McubootImage): number | undefined {
  const value = image.tlvs.find((tlv) => tlv.type === Tlv.securityCounter)?.value;
  return value?.length === 4 ? new DataView(value.buffer, value.byteOffset).getUint32(0, true) : undefined;
}

/** Least versions of other images, without which MCUboot does not swap this one in. */
export function dependencies(image: McubootImage): { readonly image: number; readonly minimum: ImageVersion }[] {
  return image.tlvs.flatMap(({ type, value }) => {
    if (type !== Tlv.dependency || value.length !== 12) return [];
    const view = new DataView(value.buffer, value.byteOffset);
    const minimum = {
      major: view.getUint8(4),
      minor: view.getUint8(5),
      revision: view.getUint16(6, true),
      build: view.getUint32(8, true),
    };
    return [{ image: view.getUint8(0), minimum }];
  });
}

export interface FactoryImageOptions {
  /** The code; `makeDemoFirmware` gives some. */
  readonly body: Uint8Array;
  /** `1.2.3` or `1.2.3+4`. */
  readonly version: string;
  /** Default 32. */
  readonly headerBytes?: number;
  /** Ed25519 or EC P-256 private key; undefined: only a hash. */
  readonly privateKey?: KeyObject;
}

/** The image that a unit leaves the factory with. Written apart from dfu-core's maker on purpose. */
export function makeFactoryImage(options: FactoryImageOptions): Uint8Array {
  const parts = /^(\d+)\.(\d+)\.(\d+)(?:\+(\d+))?$/.exec(options.version);
  if (!parts) throw new RangeError(`not a version: ${options.version}`);
  const headerBytes = options.headerBytes ?? HEADER_BYTES;
  const header = new DataView(new ArrayBuffer(headerBytes));
  header.setUint32(0, MAGIC, true);
  header.setUint16(8, headerBytes, true);
  header.setUint32(12, options.body.length, true);
  header.setUint8(20, Number(parts[1]));
  header.setUint8(21, Number(parts[2]));
  header.setUint16(22, Number(parts[3]), true);
  header.setUint32(24, Number(parts[4] ?? 0), true);
  const hashed = Buffer.concat([new Uint8Array(header.buffer), options.body]);
  const digest = createHash('sha256').update(hashed).digest();
  const tlvs: Buffer[] = [tlv(Tlv.sha256, digest)];
  const { privateKey } = options;
  if (privateKey) {
    const spki = createPublicKey(privateKey).export({ type: 'spki', format: 'der' });
    tlvs.push(tlv(Tlv.keyHash, createHash('sha256').update(spki).digest()));
    if (privateKey.asymmetricKeyType === 'ed25519') tlvs.push(tlv(Tlv.ed25519, sign(null, digest, privateKey)));
    else tlvs.push(tlv(Tlv.ecdsa, sign('sha256', hashed, privateKey)));
  }
  const area = Buffer.concat(tlvs);
  const info = Buffer.alloc(4);
  info.writeUInt16LE(TLV_MAGIC, 0);
  info.writeUInt16LE(area.length + 4, 2);
  return new Uint8Array(Buffer.concat([hashed, info, area]));
}

function tlv(type: number, value: Uint8Array): Buffer {
  const head = Buffer.alloc(4);
  head.writeUInt16LE(type, 0);
  head.writeUInt16LE(value.length, 2);
  return Buffer.concat([head, value]);
}
