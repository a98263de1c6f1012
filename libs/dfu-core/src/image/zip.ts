/**
 * Opens a zip archive that a stranger sent, within limits. Read by ranges: of a large archive only the directory is held.
 *
 * Stricter than the format on purpose: one central directory that ends the file, unique plain names,
 * members that do not overlap, method stored or deflated, no encryption, no zip64. Every size is known and
 * checked before a byte is inflated, and inflating stops at the first byte beyond it.
 *
 * Source: PKWARE APPNOTE 6.3.10, 4.3 (structure) and 4.4 (fields).
 */
import { Inflate } from 'fflate';
import { ByteReader } from '../bytes/byte-reader.js';
import { blocksOf, type ByteSource, rangeOf, sourceOf, wholeOf } from '../bytes/byte-source.js';
import { ArtifactError, MalformedFrameError } from '../errors.js';
import { crc32 } from '../framing/crc32.js';

/** All in bytes but for `maxEntries`. */
export interface ZipLimits {
  readonly maxArchiveBytes: number;
  readonly maxEntries: number;
  /** Of one member, unpacked. */
  readonly maxEntryBytes: number;
  /** Of all members together, unpacked. */
  readonly maxTotalBytes: number;
}

export interface ZipEntry {
  /** Relative, with `/` between folders; printable ASCII. */
  readonly name: string;
  /** Unpacked. */
  readonly sizeBytes: number;
}

export interface ZipArchive {
  /** Files in the order of the central directory; folders are left out. */
  readonly entries: readonly ZipEntry[];
  /**
   * Unpacks one member and checks its length and CRC-32.
   * @returns undefined when the archive has no such member.
   * @throws ArtifactError `artifact.malformed`, `artifact.limit`.
   */
  read(name: string): Uint8Array | undefined;
  /**
   * The same as a source: of a member that is only stored, a stretch of the archive; one that is deflated is unpacked.
   * @throws ArtifactError as `read`.
   */
  open(name: string): ByteSource | undefined;
}

interface Member extends ZipEntry {
  readonly packed: ByteSource;
  readonly deflated: boolean;
  readonly crc32: number;
  /** Of the local header. */
  readonly offset: number;
}

const END_SIGNATURE = 0x06054b50;
const CENTRAL_SIGNATURE = 0x02014b50;
const LOCAL_SIGNATURE = 0x04034b50;
const END_BYTES = 22;
const MAX_COMMENT_BYTES = 0xffff;
const MAX_NAME_BYTES = 255;
/** Fixed fields, name and extra field of a local header. */
const LOCAL_HEADER_MOST_BYTES = 30 + 2 * 0xffff;
const STORED = 0;
const DEFLATED = 8;
const FLAG_ENCRYPTED = 0x0001;
const FLAG_STRONG_ENCRYPTION = 0x0040;
/** Small, so that a member that lies about its size is noticed after few inflated bytes (deflate grows at most 1032-fold). */
const INFLATE_STEP_BYTES = 4096;

function malformed(field: string, offset: number, detail: string, cause?: unknown): ArtifactError {
  return new ArtifactError('artifact.malformed', { field, offset, detail }, { cause });
}

function limit(field: string, actual: number, most: number): ArtifactError {
  return new ArtifactError('artifact.limit', { field, actual, limit: most });
}

/** @returns true when the bytes begin like a zip archive; says nothing about the rest. */
export function looksLikeZip(bytes: Uint8Array): boolean {
  return bytes.length >= END_BYTES && bytes[0] === 0x50 && bytes[1] === 0x4b && bytes[2] === 3 && bytes[3] === 4;
}

/**
 * Reads the directory; nothing is unpacked yet.
 * @throws ArtifactError `artifact.malformed`, `artifact.limit`.
 */
export function openZip(archive: Uint8Array | ByteSource, limits: ZipLimits): ZipArchive {
  const bytes = sourceOf(archive);
  if (bytes.length > limits.maxArchiveBytes) throw limit('zip archive', bytes.length, limits.maxArchiveBytes);
  const end = findEnd(bytes);
  if (end.entries > limits.maxEntries) throw limit('zip entries', end.entries, limits.maxEntries);

  const members = new Map<string, Member>();
  const reader = new ByteReader(bytes.read(end.directoryOffset, end.directoryBytes), 'zip');
  let total = 0;
  const occupied: { from: number; to: number }[] = [];
  for (let index = 0; index < end.entries; index++) {
    const at = end.directoryOffset + reader.offset;
    const { member, from, to, folder } = asArtifactError('zip directory', at, () => readMember(bytes, reader, at, end));
    occupied.push({ from, to });
    if (folder) continue;
    if (members.has(member.name)) throw malformed('zip directory', at, `the name ${member.name} occurs twice`);
    if (member.sizeBytes > limits.maxEntryBytes) throw limit(member.name, member.sizeBytes, limits.maxEntryBytes);
    total += member.sizeBytes;
    if (total > limits.maxTotalBytes) throw limit('zip contents', total, limits.maxTotalBytes);
    members.set(member.name, member);
  }
  if (reader.remaining > 0) {
    throw malformed('zip directory', end.directoryOffset + reader.offset, `${reader.remaining} bytes too many`);
  }
  occupied.sort((a, b) => a.from - b.from);
  for (let i = 1; i < occupied.length; i++) {
    if (occupied[i]!.from < occupied[i - 1]!.to) {
      throw malformed('zip member', occupied[i]!.from, 'members overlap');
    }
  }

  return {
    entries: [...members.values()].map(({ name, sizeBytes }) => ({ name, sizeBytes })),
    read: (name) => {
      const member = members.get(name);
      return member && unpack(member);
    },
    open: (name) => {
      const member = members.get(name);
      if (!member) return undefined;
      if (member.deflated) return sourceOf(unpack(member));
      checkContents(member, crc32OfSource(member.packed));
      return member.packed;
    },
  };
}

interface Directory {
  readonly entries: number;
  readonly directoryOffset: number;
  readonly directoryBytes: number;
}

function findEnd(bytes: ByteSource): Directory {
  const lowest = Math.max(0, bytes.length - END_BYTES - MAX_COMMENT_BYTES);
  const tail = bytes.read(lowest, bytes.length - lowest);
  const view = new DataView(tail.buffer, tail.byteOffset, tail.byteLength);
  for (let at = bytes.length - END_BYTES; at >= lowest; at--) {
    if (view.getUint32(at - lowest, true) !== END_SIGNATURE) continue;
    if (at + END_BYTES + view.getUint16(at - lowest + 20, true) !== bytes.length) continue;
    const reader = new ByteReader(tail.subarray(at - lowest + 4), 'zip end record');
    const disk = reader.u16le();
    const directoryDisk = reader.u16le();
    const here = reader.u16le();
    const entries = reader.u16le();
    const directoryBytes = reader.u32le();
    const directoryOffset = reader.u32le();
    if (disk !== 0 || directoryDisk !== 0 || here !== entries) {
      throw malformed('zip end record', at, 'archives in several parts are not taken');
    }
    if (entries === 0xffff || directoryBytes === 0xffffffff || directoryOffset === 0xffffffff) {
      throw malformed('zip end record', at, 'zip64 is not taken');
    }
    if (directoryOffset + directoryBytes !== at) {
      throw malformed('zip end record', at, 'the directory does not lie directly before it');
    }
    return { entries, directoryOffset, directoryBytes };
  }
  throw malformed('zip end record', bytes.length, 'it is missing: no zip archive, or cut off');
}

function readMember(
  bytes: ByteSource,
  reader: ByteReader,
  at: number,
  end: Directory,
): { member: Member; from: number; to: number; folder: boolean } {
  if (reader.u32le() !== CENTRAL_SIGNATURE) throw malformed('zip directory', at, 'no entry where one is announced');
  reader.take(4); // versions
  const flags = reader.u16le();
  const method = reader.u16le();
  reader.take(4); // time and date
  const crc = reader.u32le();
  const packedBytes = reader.u32le();
  const sizeBytes = reader.u32le();
  const nameBytes = reader.u16le();
  const extraBytes = reader.u16le();
  const commentBytes = reader.u16le();
  reader.take(8); // disk, attributes
  const offset = reader.u32le();
  const name = plainName(reader.take(nameBytes), at);
  reader.take(extraBytes + commentBytes);

  if (flags & (FLAG_ENCRYPTED | FLAG_STRONG_ENCRYPTION)) throw malformed(name, at, 'it is encrypted');
  if (method !== STORED && method !== DEFLATED) throw malformed(name, at, `compression method ${method} is not taken`);
  if (method === STORED && packedBytes !== sizeBytes) throw malformed(name, at, 'a stored member has two sizes');
  if (offset >= end.directoryOffset) throw malformed(name, at, 'its local header lies behind the members');

  const headerBytes = Math.min(LOCAL_HEADER_MOST_BYTES, end.directoryOffset - offset);
  const local = new ByteReader(bytes.read(offset, headerBytes), 'zip local header');
  if (local.u32le() !== LOCAL_SIGNATURE) throw malformed(name, offset, 'its local header is missing');
  local.take(2);
  if (((local.u16le() ^ flags) & FLAG_ENCRYPTED) !== 0 || local.u16le() !== method) {
    throw malformed(name, offset, 'local header and directory disagree');
  }
  local.take(16); // time, date, CRC, sizes: possibly in a descriptor behind the data, the directory has them
  const localNameBytes = local.u16le();
  const localExtraBytes = local.u16le();
  if (plainName(local.take(localNameBytes), offset) !== name) {
    throw malformed(name, offset, 'local header and directory disagree about the name');
  }
  local.take(localExtraBytes);
  const dataOffset = offset + local.offset;
  if (dataOffset + packedBytes > end.directoryOffset) throw malformed(name, at, 'its data runs into the directory');
  const packed = rangeOf(bytes, dataOffset, packedBytes);
  const folder = name.endsWith('/');
  if (folder && sizeBytes > 0) throw malformed(name, at, 'a folder with contents');
  return {
    member: { name, sizeBytes, packed, deflated: method === DEFLATED, crc32: crc, offset },
    from: offset,
    to: dataOffset + packedBytes,
    folder,
  };
}

/** Names become paths on some machine one day: only what is harmless on every one of them is taken. */
function plainName(raw: Uint8Array, at: number): string {
  if (raw.length === 0 || raw.length > MAX_NAME_BYTES) throw malformed('zip name', at, `${raw.length} bytes long`);
  let name = '';
  for (const byte of raw) {
    if (byte < 0x20 || byte > 0x7e) throw malformed('zip name', at, `it contains byte 0x${byte.toString(16)}`);
    name += String.fromCharCode(byte);
  }
  if (/[\\:]/.test(name) || name.startsWith('/')) throw malformed('zip name', at, `${name} is no plain relative path`);
  const parts = (name.endsWith('/') ? name.slice(0, -1) : name).split('/');
  if (parts.some((part) => part === '' || part === '.' || part === '..')) {
    throw malformed('zip name', at, `${name} is no plain relative path`);
  }
  return name;
}

function unpack(member: Member): Uint8Array {
  const bytes = member.deflated ? inflate(member) : Uint8Array.from(wholeOf(member.packed));
  if (bytes.length !== member.sizeBytes) {
    throw malformed(member.name, member.offset, `it unpacks to ${bytes.length} bytes, not ${member.sizeBytes}`);
  }
  checkContents(member, crc32(bytes));
  return bytes;
}

function checkContents(member: Member, actual: number): void {
  if (actual !== member.crc32) {
    throw malformed(member.name, member.offset, `its CRC-32 is ${actual}, the directory says ${member.crc32}`);
  }
}

function crc32OfSource(source: ByteSource): number {
  let crc = 0;
  for (const block of blocksOf(source)) crc = crc32(block, crc);
  return crc;
}

function inflate(member: Member): Uint8Array {
  const out = new Uint8Array(member.sizeBytes);
  let length = 0;
  let tooLong = false;
  const stream = new Inflate((chunk) => {
    if (length + chunk.length > out.length) tooLong = true;
    else out.set(chunk, length);
    length += chunk.length;
  });
  try {
    for (let at = 0; at < member.packed.length && !tooLong; at += INFLATE_STEP_BYTES) {
      const to = Math.min(at + INFLATE_STEP_BYTES, member.packed.length);
      stream.push(member.packed.read(at, to - at), to === member.packed.length);
    }
  } catch (cause) {
    throw malformed(member.name, member.offset, 'its compressed data is broken', cause);
  }
  if (tooLong) throw malformed(member.name, member.offset, `it unpacks to more than ${member.sizeBytes} bytes`);
  return out.subarray(0, length);
}

/** Overruns of the byte reader are faults of the file here, not of a link. */
function asArtifactError<T>(field: string, offset: number, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (error instanceof MalformedFrameError) {
      throw malformed(field, offset, String(error.params['detail'] ?? 'it is cut off'), error);
    }
    throw error;
  }
}
