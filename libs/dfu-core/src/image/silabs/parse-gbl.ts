/**
 * Reads a GBL file as strictly as the bootloader's own parser: order and number of tags, lengths, CRC-32, and what
 * may stand in the open in an encrypted file. Any bytes end in a description or in an `ArtifactError`.
 *
 * Source: gecko_sdk 4.4.1, platform/bootloader/parser/gbl/btl_gbl_parser.c, btl_gbl_format.c.
 */
import { ByteReader } from '../../bytes/byte-reader.js';
import { toHex } from '../../bytes/hex.js';
import { ArtifactError, MalformedFrameError } from '../../errors.js';
import { crc32 } from '../../framing/crc32.js';
import {
  type ApplicationInfo,
  type Gbl,
  type GblBootloader,
  type GblCertificate,
  type GblDependency,
  GblFlag,
  type GblProgram,
  type GblSecureElement,
  GblTag,
  type ProgramKind,
  SECURE_ELEMENT_EARLY_ORDER,
  TAG_RULES,
} from './format.js';
import { cryptGbl } from './gbl-crypto.js';

const TAG_HEADER_BYTES = 8;
const MIN_BYTES = 28;
/** Real files have a few hundred; more is an attack on our time. */
const MAX_TAGS = 65_536;
const MAX_PADDING_BYTES = 4096;

interface Tag {
  readonly id: number;
  readonly at: number;
  readonly data: Uint8Array;
}

export interface ParseGblOptions {
  /** 16 bytes: opens the contents of an encrypted file. */
  readonly aesKey?: Uint8Array;
}

/** @returns true when the bytes begin like a GBL file of version 3. */
export function looksLikeGbl(bytes: Uint8Array): boolean {
  return bytes.length >= 4 && new ByteReader(bytes, 'GBL').u32le() === GblTag.Header;
}

/**
 * @throws ArtifactError `artifact.malformed`, `artifact.truncated`, `artifact.limit`.
 */
export function parseGbl(bytes: Uint8Array, options: ParseGblOptions = {}): Gbl {
  if (bytes.length < MIN_BYTES) {
    throw new ArtifactError('artifact.truncated', {
      actual: bytes.length,
      field: 'a GBL file',
      expected: MIN_BYTES,
    });
  }
  if (!looksLikeGbl(bytes)) throw malformed('header', 0, 'no GBL header tag of version 3');
  const { tags, end } = readFile(bytes);
  const header = tags[0]!;
  const flags = readHeader(header);
  const isEncrypted = (flags & GblFlag.Encrypted) !== 0;
  const isSigned = (flags & GblFlag.Signed) !== 0;
  checkOrder(tags, isEncrypted);
  const find = (id: number): Tag | undefined => tags.find((tag) => tag.id === id);
  const signature = find(GblTag.Signature);
  if (isSigned !== (signature !== undefined)) {
    const detail = isSigned ? 'the header says signed, and there is no signature' : 'a signature the header denies';
    throw malformed('signature', signature?.at ?? end, detail);
  }
  const contents = isEncrypted ? openContents(tags, options.aesKey) : tags;
  const certificate = find(GblTag.Certificate);
  const endTag = tags.at(-1)!;
  return {
    isEncrypted,
    isSigned,
    dependencies: tags.filter(({ id }) => id === GblTag.VersionDependency).flatMap(readDependencies),
    ...readContents(contents ?? tags),
    isReadable: contents !== undefined,
    certificate: certificate && field(certificate, 'certificate', readCertificate),
    signature: signature && field(signature, 'signature', (reader) => reader.take(64)),
    signedBytes: bytes.subarray(0, (signature ?? endTag).at),
    lengthBytes: end,
  };
}

// Tags

/** All tags of the file, the end tag last; its CRC and what follows it are checked. */
function readFile(bytes: Uint8Array): { tags: readonly Tag[]; end: number } {
  const tags: Tag[] = [];
  let at = 0;
  for (;;) {
    const tag = readTag(bytes, at);
    tags.push(tag);
    at += TAG_HEADER_BYTES + tag.data.length;
    if (tag.id === GblTag.End) break;
    if (tags.length > MAX_TAGS) {
      throw new ArtifactError('artifact.limit', { field: 'GBL tags', actual: tags.length, limit: MAX_TAGS });
    }
  }
  const end = tags.at(-1)!;
  const stated = field(end, 'end', (reader) => reader.u32le());
  const computed = crc32(bytes.subarray(0, end.at + TAG_HEADER_BYTES));
  if (stated !== computed)
    throw malformed('CRC-32', end.at, `it is ${hex32(stated)}, the bytes give ${hex32(computed)}`);
  if (bytes.length - at > MAX_PADDING_BYTES) {
    throw malformed('padding', at, `${bytes.length - at} bytes follow the end tag`);
  }
  const stray = bytes.subarray(at).findIndex((byte) => byte !== 0xff);
  if (stray >= 0) throw malformed('padding', at + stray, 'bytes other than 0xff follow the end tag');
  return { tags, end: at };
}

function readTag(bytes: Uint8Array, at: number): Tag {
  if (bytes.length - at < TAG_HEADER_BYTES) {
    throw new ArtifactError('artifact.truncated', {
      actual: bytes.length,
      field: 'the next GBL tag',
      expected: at + TAG_HEADER_BYTES,
    });
  }
  const reader = new ByteReader(bytes.subarray(at, at + TAG_HEADER_BYTES), 'GBL tag');
  const id = reader.u32le();
  const length = reader.u32le();
  const name = TAG_RULES.get(id)?.name;
  if (name === undefined) throw malformed('tag', at, `unknown tag ${hex32(id)}`);
  const from = at + TAG_HEADER_BYTES;
  if (length > bytes.length - from) {
    throw new ArtifactError('artifact.truncated', {
      actual: bytes.length,
      field: `GBL ${name}`,
      expected: from + length,
    });
  }
  return { id, at, data: bytes.subarray(from, from + length) };
}

function checkOrder(tags: readonly Tag[], isEncrypted: boolean): void {
  let order = 0;
  let single = false;
  for (const tag of tags) {
    const { name, ...rule } = TAG_RULES.get(tag.id)!;
    const early = tag.id === GblTag.SecureElement && (isEncrypted || order < SECURE_ELEMENT_EARLY_ORDER);
    const own = early ? SECURE_ELEMENT_EARLY_ORDER : rule.order;
    if (own < order) throw malformed(name, tag.at, 'the tag comes too late in the file');
    if (own === order && (single || rule.single)) throw malformed(name, tag.at, 'the tag occurs twice');
    const onlyEncrypted = tag.id === GblTag.EncryptionInit || tag.id === GblTag.EncryptedData;
    if (isEncrypted ? !rule.plain && !early : onlyEncrypted) {
      const detail = isEncrypted
        ? 'it stands in the open in an encrypted file'
        : 'the header says that nothing is encrypted';
      throw malformed(name, tag.at, detail);
    }
    order = own;
    single = rule.single;
  }
}

function readHeader(tag: Tag): number {
  return field(tag, 'header', (reader) => {
    const version = reader.u32le();
    if (version >>> 24 !== 3) throw new MalformedFrameError(`version ${hex32(version)} is not 3`);
    return reader.u32le();
  });
}

// Contents

function readContents(
  tags: readonly Tag[],
): Pick<Gbl, 'applicationInfo' | 'programs' | 'bootloader' | 'secureElement' | 'metadata'> {
  const find = (id: number): Tag | undefined => tags.find((tag) => tag.id === id);
  const info = find(GblTag.ApplicationInfo);
  const bootloader = find(GblTag.Bootloader);
  const secureElement = find(GblTag.SecureElement);
  return {
    applicationInfo: info && field(info, 'application info', readApplicationInfo),
    programs: tags.flatMap(readProgram),
    bootloader: bootloader && field(bootloader, 'bootloader', readBootloader),
    secureElement: secureElement && field(secureElement, 'secure element upgrade', readSecureElement),
    metadata: tags.filter(({ id }) => id === GblTag.Metadata).map(({ data }) => data),
  };
}

/** @returns undefined when there is no key. */
function openContents(tags: readonly Tag[], aesKey: Uint8Array | undefined): readonly Tag[] | undefined {
  const init = tags.find(({ id }) => id === GblTag.EncryptionInit);
  const pieces = tags.filter(({ id }) => id === GblTag.EncryptedData);
  if (!init || pieces.length === 0) throw malformed('encryption', 0, 'an encrypted file without init or data');
  const { lengthBytes, nonce } = field(init, 'encryption init', (reader) => ({
    lengthBytes: reader.u32le(),
    nonce: reader.take(12),
  }));
  const total = pieces.reduce((sum, { data }) => sum + data.length, 0);
  if (total !== lengthBytes) {
    throw malformed('encryption init', init.at, `it announces ${lengthBytes} bytes, ${total} are there`);
  }
  if (!aesKey) return undefined;
  const cipher = new Uint8Array(total);
  let at = 0;
  for (const { data } of pieces) {
    cipher.set(data, at);
    at += data.length;
  }
  const plain = cryptGbl(cipher, aesKey, nonce);
  const inner: Tag[] = [];
  for (let offset = 0; offset < plain.length;) {
    let tag: Tag;
    try {
      tag = readTag(plain, offset);
    } catch (error) {
      throw new ArtifactError(
        'artifact.signature',
        { detail: 'the encrypted contents make no sense with this key: it is another one, or the file is broken' },
        { cause: error },
      );
    }
    if (TAG_RULES.get(tag.id)!.plain) throw malformed('encrypted data', offset, 'a tag that may not be encrypted');
    inner.push(tag);
    offset += TAG_HEADER_BYTES + tag.data.length;
  }
  checkOrder(inner, false);
  return [...tags.filter(({ id }) => id === GblTag.SecureElement), ...inner];
}

const PROGRAM_KINDS: ReadonlyMap<number, ProgramKind> = new Map([
  [GblTag.Program, 'program'],
  [GblTag.EraseProgram, 'erase-program'],
  [GblTag.ProgramLz4, 'lz4'],
  [GblTag.ProgramLzma, 'lzma'],
  [GblTag.Delta, 'delta'],
  [GblTag.DeltaLz4, 'delta-lz4'],
  [GblTag.DeltaLzma, 'delta-lzma'],
]);

function readProgram(tag: Tag): readonly GblProgram[] {
  const kind = PROGRAM_KINDS.get(tag.id);
  if (!kind) return [];
  if (kind.startsWith('delta')) return [{ kind, address: undefined, data: tag.data }];
  return [field(tag, kind, (reader) => ({ kind, address: reader.u32le(), data: reader.rest() }))];
}

/** @param reader at the first of 28 bytes. */
export function readApplicationInfo(reader: ByteReader): ApplicationInfo {
  const type = reader.u32le();
  const version = reader.u32le();
  const capabilities = reader.u32le();
  const productId = reader.take(16);
  return {
    type,
    version,
    capabilities,
    productId: productId.every((byte) => byte === 0) ? undefined : toHex(productId),
  };
}

function readBootloader(reader: ByteReader): GblBootloader {
  return { version: reader.u32le(), baseAddress: reader.u32le(), data: reader.rest() };
}

function readSecureElement(reader: ByteReader): GblSecureElement {
  const sizeBytes = reader.u32le();
  const version = reader.u32le();
  const blob = reader.rest();
  if (sizeBytes > blob.length)
    throw new MalformedFrameError(`it announces ${sizeBytes} bytes, ${blob.length} are there`);
  return { version, blob: blob.subarray(0, sizeBytes) };
}

function readCertificate(reader: ByteReader): GblCertificate {
  const signedBytes = reader.bytes.subarray(0, 72);
  const structVersion = reader.u8();
  reader.take(3);
  return {
    structVersion,
    publicKey: reader.take(64),
    version: reader.u32le(),
    signature: reader.take(64),
    signedBytes,
  };
}

// Version dependencies: 8 bytes each, imageType u8, statement u8, reserved u16, version u32

const OPERATORS: Readonly<Record<number, string>> = { 0: '<', 2: '<=', 4: '==', 6: '>=', 8: '>' };
const IMAGES: Readonly<Record<number, GblDependency['image']>> = {
  1: 'application',
  2: 'bootloader',
  3: 'secure element',
};

function readDependencies(tag: Tag): readonly GblDependency[] {
  if (tag.data.length === 0 || tag.data.length % 8 !== 0) {
    throw malformed('version dependency', tag.at, `${tag.data.length} bytes are no whole entries of 8`);
  }
  const reader = new ByteReader(tag.data, 'version dependency');
  const found: GblDependency[] = [];
  while (reader.remaining > 0) {
    const image = IMAGES[reader.u8()] ?? 'unknown';
    const statement = reader.u8();
    reader.u16le();
    const version = reader.u32le();
    const operator = OPERATORS[statement & 0x0e];
    if (operator === undefined) throw malformed('version dependency', tag.at, `statement 0x${statement.toString(16)}`);
    const negated = (statement & 0x01) === 1 ? 'not ' : '';
    const connective = (statement >>> 5) & 0x07;
    const before = connective === 1 ? 'or ' : '';
    const after = ((statement >>> 4) & 0x01) === 1 ? ', all negated' : '';
    found.push({ image, text: `${before}${negated}${operator} ${hex32(version)}${after}` });
  }
  return found;
}

// Errors

function field<T>(tag: Tag, name: string, read: (reader: ByteReader) => T): T {
  const reader = new ByteReader(tag.data, name);
  try {
    const value = read(reader);
    reader.expectEnd();
    return value;
  } catch (error) {
    if (!(error instanceof MalformedFrameError)) throw error;
    throw malformed(name, tag.at, String(error.params['detail']), error);
  }
}

function malformed(name: string, offset: number, detail: string, cause?: unknown): ArtifactError {
  return new ArtifactError('artifact.malformed', { field: `GBL ${name}`, offset, detail }, { cause });
}

const hex32 = (value: number): string => `0x${value.toString(16).padStart(8, '0')}`;
