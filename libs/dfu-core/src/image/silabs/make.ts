/**
 * Makes GBL and EBL files and Bluegiga packages, for tests, demos, and people without the vendor's tools.
 *
 * Source: the formats as in `format.ts`, `ebl.ts` and `bluegiga.ts`.
 */
import { strToU8, zipSync } from 'fflate';
import { ByteWriter } from '../../bytes/byte-writer.js';
import { fromHex } from '../../bytes/hex.js';
import { InvariantError } from '../../errors.js';
import { crc32 } from '../../framing/crc32.js';
import { APPLICATION_PROPERTIES_MAGIC } from './application-properties.js';
import { BLUEGIGA_MANIFEST, pad4 } from './bluegiga.js';
import { EblTag } from './ebl.js';
import { type ApplicationInfo, GblFlag, GblTag, type ProgramKind } from './format.js';
import { cryptGbl, signGbl } from './gbl-crypto.js';

export interface GblParts {
  readonly applicationInfo?: ApplicationInfo;
  readonly programs?: readonly { readonly kind?: ProgramKind; readonly address: number; readonly data: Uint8Array }[];
  readonly bootloader?: { readonly version: number; readonly baseAddress: number; readonly data: Uint8Array };
  readonly secureElement?: { readonly version: number; readonly blob: Uint8Array };
  readonly metadata?: readonly Uint8Array[];
  /** Raw entries of 8 bytes each. */
  readonly dependencies?: Uint8Array;
  /** 16 and 12 bytes. */
  readonly encryption?: { readonly aesKey: Uint8Array; readonly nonce: Uint8Array };
  /** 32 bytes of ECDSA P-256. */
  readonly privateKey?: Uint8Array;
  /** The key that signs is certified by another one. */
  readonly certificate?: { readonly version: number; readonly publicKey: Uint8Array; readonly issuerKey: Uint8Array };
}

const PROGRAM_TAGS: Readonly<Record<ProgramKind, number>> = {
  program: GblTag.Program,
  'erase-program': GblTag.EraseProgram,
  lz4: GblTag.ProgramLz4,
  lzma: GblTag.ProgramLzma,
  delta: GblTag.Delta,
  'delta-lz4': GblTag.DeltaLz4,
  'delta-lzma': GblTag.DeltaLzma,
};

/** A GBL file of version 3, padded with 0xff to a multiple of 4. Same input, same bytes. */
export function makeGbl(parts: GblParts): Uint8Array {
  const isSigned = parts.privateKey !== undefined;
  const flags = (parts.encryption ? GblFlag.Encrypted : 0) | (isSigned ? GblFlag.Signed : 0);
  const head = [tag(GblTag.Header, new ByteWriter().u32le(0x03000000).u32le(flags).finish())];
  if (parts.dependencies) head.push(tag(GblTag.VersionDependency, parts.dependencies));
  const contents = concat(contentTags(parts));
  if (parts.encryption) {
    const { aesKey, nonce } = parts.encryption;
    head.push(tag(GblTag.EncryptionInit, new ByteWriter().u32le(contents.length).bytes(nonce).finish()));
    head.push(tag(GblTag.EncryptedData, cryptGbl(contents, aesKey, nonce)));
  } else head.push(contents);
  if (parts.certificate) head.push(tag(GblTag.Certificate, certificate(parts.certificate)));
  if (parts.privateKey) head.push(tag(GblTag.Signature, signGbl(concat(head), parts.privateKey)));
  const body = concat([...head, new ByteWriter().u32le(GblTag.End).u32le(4).finish()]);
  return pad4(concat([body, new ByteWriter().u32le(crc32(body)).finish()]));
}

function contentTags(parts: GblParts): Uint8Array[] {
  const tags: Uint8Array[] = [];
  const { applicationInfo, secureElement, bootloader } = parts;
  if (applicationInfo) tags.push(tag(GblTag.ApplicationInfo, encodeApplicationInfo(applicationInfo)));
  if (secureElement) {
    const { version, blob } = secureElement;
    tags.push(tag(GblTag.SecureElement, concat([words(blob.length, version), blob])));
  }
  if (bootloader) {
    const { version, baseAddress, data } = bootloader;
    tags.push(tag(GblTag.Bootloader, concat([words(version, baseAddress), data])));
  }
  for (const { kind = 'erase-program', address, data } of parts.programs ?? []) {
    tags.push(tag(PROGRAM_TAGS[kind], kind.startsWith('delta') ? data : concat([words(address), data])));
  }
  for (const bytes of parts.metadata ?? []) tags.push(tag(GblTag.Metadata, bytes));
  return tags;
}

function certificate({ version, publicKey, issuerKey }: NonNullable<GblParts['certificate']>): Uint8Array {
  if (publicKey.length !== 64) throw new InvariantError(`a certified key of ${publicKey.length} bytes`);
  const signed = concat([Uint8Array.of(1, 0, 0, 0), publicKey, words(version)]);
  return concat([signed, signGbl(signed, issuerKey)]);
}

/** The 28 bytes that stand in the tag and in the application properties. */
export function encodeApplicationInfo(info: ApplicationInfo): Uint8Array {
  const productId = info.productId === undefined ? new Uint8Array(16) : fromHex(info.productId);
  if (productId.length !== 16) throw new InvariantError(`a product id of ${productId.length} bytes`);
  return concat([words(info.type, info.version, info.capabilities), productId]);
}

/** Application properties as they stand in an image. */
export function encodeApplicationProperties(info: ApplicationInfo, signatureType = 0): Uint8Array {
  return concat([
    APPLICATION_PROPERTIES_MAGIC,
    words(0x00000101, signatureType, 0),
    encodeApplicationInfo(info),
    words(0, 0),
  ]);
}

export interface EblParts {
  readonly flashAddress?: number;
  readonly programs: readonly { readonly address: number; readonly data: Uint8Array }[];
}

/** An EBL file, padded with 0xff to a multiple of 64. */
export function makeEbl({ flashAddress = 0x4000, programs }: EblParts): Uint8Array {
  const header = new ByteWriter().u16be(0x0201).u16be(0xe350).u32be(flashAddress).u32be(0).bytes(new Uint8Array(128));
  const parts = [eblTag(EblTag.Header, header.finish())];
  for (const { address, data } of programs) {
    // Lengths have 16 bits: long programs come in pieces.
    for (let at = 0; at < data.length; at += 2048) {
      const piece = new ByteWriter().u32be(address + at).bytes(data.subarray(at, at + 2048));
      parts.push(eblTag(EblTag.EraseProgram, piece.finish()));
    }
  }
  const body = concat([...parts, new ByteWriter().u16be(EblTag.End).u16be(4).finish()]);
  const file = concat([body, words(crc32(body))]);
  const padded = new Uint8Array(Math.ceil(file.length / 64) * 64).fill(0xff);
  padded.set(file);
  return padded;
}

export interface BluegigaParts {
  readonly generation: 'ble11x' | 'bt12x';
  readonly image: Uint8Array;
  readonly fileName?: string;
  readonly version?: string;
  readonly flashBytes?: number;
}

/** Same input, same bytes. */
export function makeBluegigaPackage(parts: BluegigaParts): Uint8Array {
  const { generation, image, version, flashBytes } = parts;
  const fileName = parts.fileName ?? (generation === 'ble11x' ? 'image.bin' : 'image.dfu');
  return zip({
    [BLUEGIGA_MANIFEST]: strToU8(JSON.stringify({ generation, image: fileName, version, flashBytes })),
    [fileName]: image,
  });
}

/** Two GBL files in one zip. */
export function makeGblSet(parts: {
  readonly first: {
    readonly name: 'apploader.gbl' | 'apploader-bootloader.gbl' | 'bootloader.gbl';
    readonly file: Uint8Array;
  };
  readonly application: Uint8Array;
}): Uint8Array {
  return zip({ [parts.first.name]: parts.first.file, 'application.gbl': parts.application });
}

function zip(files: Record<string, Uint8Array>): Uint8Array {
  // Zip keeps local times without a zone: this date is the same year everywhere.
  return zipSync(files, { mtime: new Date(1990, 5, 15), level: 6 });
}

function tag(id: number, data: Uint8Array): Uint8Array {
  return concat([words(id, data.length), data]);
}

function eblTag(id: number, data: Uint8Array): Uint8Array {
  return concat([new ByteWriter().u16be(id).u16be(data.length).finish(), data]);
}

function words(...values: readonly number[]): Uint8Array {
  const writer = new ByteWriter();
  for (const value of values) writer.u32le(value);
  return writer.finish();
}

function concat(parts: readonly Uint8Array[]): Uint8Array {
  const all = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}
