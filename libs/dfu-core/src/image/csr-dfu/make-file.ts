/**
 * Makes CSR `.dfu` files of any content for tests and simulated units: real Melody files are the vendor's alone.
 *
 * Source: as `parse.ts`.
 */
import { csrCrc32 } from './crc.js';
import { CSR_HEADER_BYTES, CSR_VENDOR } from './parse.js';

export interface CsrStoreRecord {
  readonly action: 'clear' | 'set-if-absent' | 'set';
  readonly key: number;
  readonly words?: readonly number[];
}

export interface CsrDfuOptions {
  /** At most 64 ASCII letters, `Melody Audio V9.9 TEST`. */
  readonly description: string;
  readonly variant?: 'hd' | 'standard';
  readonly program: Uint8Array;
  readonly constants?: Uint8Array;
  readonly stackStore?: readonly CsrStoreRecord[];
  readonly applicationStore?: readonly CsrStoreRecord[];
  /** Content of the read-only file system, without its frame; none when absent. */
  readonly fileSystem?: Uint8Array;
  /** Default 0x331C. */
  readonly bcdDevice?: number;
}

const ACTIONS = { clear: 0, 'set-if-absent': 1, set: 2 } as const;
const ALL_ONES = (1n << 64n) - 1n;

const ascii = (text: string): Uint8Array => Uint8Array.from(text, (letter) => letter.charCodeAt(0));
const viewOf = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);

function join(...parts: readonly Uint8Array[]): Uint8Array {
  const out = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}

/** @returns the bytes with their CRC behind them. */
function withCrc(bytes: Uint8Array): Uint8Array {
  const out = join(bytes, new Uint8Array(4));
  viewOf(out).setUint32(bytes.length, csrCrc32(bytes), true);
  return out;
}

function stackArea(program: Uint8Array, constants: Uint8Array): Uint8Array {
  const area = join(ascii('CSRbcfw1'), new Uint8Array(12), program, constants);
  const view = viewOf(area);
  view.setUint32(12, program.length, true);
  view.setUint16(16, constants.length, true);
  view.setUint16(18, 1, true);
  view.setUint32(8, csrCrc32(area.subarray(12)), true);
  return area;
}

function storeArea(records: readonly CsrStoreRecord[]): Uint8Array {
  const numbers = [
    0,
    records.length,
    ...records.flatMap(({ action, key, words = [] }) => [ACTIONS[action], key, words.length, ...words]),
  ];
  return withCrc(Uint8Array.from(numbers.flatMap((number) => [number & 0xff, number >>> 8])));
}

function fileSystemArea(content: Uint8Array): Uint8Array {
  const padded = content.length + (content.length % 2);
  // Magic, size, content, a word that makes the sum 0, size, magic.
  const system = new Uint8Array(8 + padded + 2 + 8);
  const view = viewOf(system);
  const words = system.length / 2;
  system.set(ascii('iFel'), 0);
  view.setUint16(4, words >>> 16, true);
  view.setUint16(6, words & 0xffff, true);
  system.set(content, 8);
  const tail = 8 + padded + 2;
  view.setUint16(tail, words >>> 16, true);
  view.setUint16(tail + 2, words & 0xffff, true);
  system.set(ascii('iFel'), tail + 4);
  let sum = 0;
  for (let at = 0; at < system.length; at += 2) sum ^= view.getUint16(at, true);
  view.setUint16(8 + padded, sum, true);
  return join(ascii('fsr_dfu1'), new Uint8Array(132), system);
}

/** @returns a whole file with all its sums. @throws RangeError when a field does not hold what it is given. */
export function makeCsrDfu(options: CsrDfuOptions): Uint8Array {
  const { description } = options;
  const constants = options.constants ?? new Uint8Array();
  if (description.length > 64 || /[^\x20-\x7e]/.test(description)) throw new RangeError('description');
  if (constants.length > 0xffff) throw new RangeError('constants');
  const mask = options.variant === 'hd' ? 0x2000n : 0x1000n;
  const stack = stackArea(options.program, constants);
  const stackStore = storeArea(options.stackStore ?? []);
  const applicationStore = storeArea(options.applicationStore ?? []);
  const fileSystem = options.fileSystem ? fileSystemArea(options.fileSystem) : new Uint8Array();
  const header = new Uint8Array(CSR_HEADER_BYTES);
  const view = viewOf(header);
  header.set(ascii('CSR-dfu2'), 0);
  view.setUint16(8, 3, true);
  view.setUint16(14, CSR_HEADER_BYTES, true);
  header.set(ascii(description.padEnd(64)), 16);
  view.setBigUint64(104, mask, true);
  view.setBigUint64(112, ALL_ONES, true);
  view.setUint32(120, stack.length, true);
  view.setBigUint64(648, mask, true);
  view.setUint32(660, stackStore.length, true);
  view.setUint32(664, applicationStore.length, true);
  view.setUint32(980, fileSystem.length, true);
  const areas = join(header, stack, stackStore, applicationStore, fileSystem);
  viewOf(areas).setUint32(10, areas.length + 4, true);
  const body = withCrc(areas);
  const suffix = new Uint8Array(12);
  const end = viewOf(suffix);
  end.setUint16(0, options.bcdDevice ?? 0x331c, true);
  end.setUint16(2, 1, true);
  end.setUint16(4, CSR_VENDOR, true);
  end.setUint16(6, 0x0100, true);
  suffix.set(ascii('UFD'), 8);
  suffix[11] = 16;
  return withCrc(join(body, suffix));
}
