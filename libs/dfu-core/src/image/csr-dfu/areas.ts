/**
 * The areas of a CSR `.dfu` file, each with its own check.
 *
 * Source: ramikg/csr-dfu-parser, CSRDFU.bt; eight Melody files.
 */
import { ArtifactError } from '../../errors.js';
import { csrCrc32 } from './crc.js';

const STACK_HEADER_BYTES = 20;
const STACK_MAGIC = 'CSRbcfw1';
const FILE_SYSTEM_MAGIC = 'fsr_dfu1';
/** Magic, place of a signature, a number that nobody explains. */
const FILE_SYSTEM_HEADER_BYTES = 140;
const STORE_SIGNATURE_BYTES = 128;
const CRC_BYTES = 4;
const RECORD_BYTES = 6;
const MAX_ACTION = 2;
const CLEAR = 0;

const viewOf = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);

function fail(field: string, offset: number, detail: string): never {
  throw new ArtifactError('artifact.malformed', { field, offset, detail });
}

function expectMagic(bytes: Uint8Array, magic: string, field: string, offset: number): void {
  if (![...magic].every((letter, index) => bytes[index] === letter.charCodeAt(0))) {
    fail(field, offset, `it does not begin with ${magic}`);
  }
}

/** Magic, CRC over all after itself, lengths of program and constants. @throws ArtifactError `artifact.malformed` */
export function checkStack(bytes: Uint8Array, offset: number): void {
  if (bytes.length < STACK_HEADER_BYTES) fail('stack area', offset, `${bytes.length} bytes are no stack area`);
  expectMagic(bytes, STACK_MAGIC, 'stack area', offset);
  const view = viewOf(bytes);
  const length = STACK_HEADER_BYTES + view.getUint32(12, true) + view.getUint16(16, true);
  if (length !== bytes.length) fail('stack length', offset + 12, `its parts make ${length} bytes of ${bytes.length}`);
  if (csrCrc32(bytes.subarray(12)) !== view.getUint32(8, true)) {
    fail('stack CRC', offset + 8, 'the bytes do not match it');
  }
}

/**
 * Records of keys, maybe a signature, CRC.
 * @returns the keys that are cleared.
 * @throws ArtifactError `artifact.malformed`
 */
export function checkPersistentStore(bytes: Uint8Array, offset: number): number[] {
  const end = bytes.length - CRC_BYTES;
  if (end < 4) fail('persistent store', offset, `${bytes.length} bytes are no persistent store area`);
  const view = viewOf(bytes);
  if (csrCrc32(bytes.subarray(0, end)) !== view.getUint32(end, true)) {
    fail('persistent store CRC', offset + end, 'the bytes do not match it');
  }
  const cleared: number[] = [];
  let at = 4;
  for (let left = view.getUint16(2, true); left > 0; left--) {
    if (at + RECORD_BYTES > end) fail('persistent store', offset + at, 'its records pass its end');
    const action = view.getUint16(at, true);
    if (action > MAX_ACTION) fail('persistent store record', offset + at, `action ${action} is unknown`);
    if (action === CLEAR) cleared.push(view.getUint16(at + 2, true));
    at += RECORD_BYTES + 2 * view.getUint16(at + 4, true);
  }
  const rest = end - at;
  if (rest !== 0 && rest !== STORE_SIGNATURE_BYTES) {
    fail('persistent store', offset + at, `${rest} bytes follow its records, neither none nor a signature of 128`);
  }
  return cleared;
}

/** The read-only file system: word-swapped `File` twice, its length, and a sum of 0. @throws ArtifactError `artifact.malformed` */
export function checkFileSystem(bytes: Uint8Array, offset: number): void {
  const field = 'file system area';
  if (bytes.length < FILE_SYSTEM_HEADER_BYTES + 16) fail(field, offset, `${bytes.length} bytes are no file system`);
  expectMagic(bytes, FILE_SYSTEM_MAGIC, field, offset);
  const system = bytes.subarray(FILE_SYSTEM_HEADER_BYTES);
  const at = offset + FILE_SYSTEM_HEADER_BYTES;
  expectMagic(system, 'iFel', 'file system', at);
  const view = viewOf(system);
  const words = view.getUint16(4, true) * 0x10000 + view.getUint16(6, true);
  if (words * 2 !== system.length) {
    fail('file system size', at + 4, `it says ${words} words, the area holds ${system.length} bytes`);
  }
  let sum = 0;
  for (let index = 0; index + 1 < system.length; index += 2) sum ^= view.getUint16(index, true);
  if (sum !== 0) fail('file system sum', at, 'its words do not cancel out');
}
