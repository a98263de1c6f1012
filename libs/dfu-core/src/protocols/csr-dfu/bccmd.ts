/**
 * BCCMD, the management commands of BlueCore chips, as they go over BCSP channel 2: words of 16 bits, little-endian.
 *
 *     type, length in words, number, variable, status, then at least four words of payload
 *
 * Source: BlueZ 5.55, tools/csr_bcsp.c, tools/csr_hci.c, tools/csr.h.
 */
import { ByteReader } from '../../bytes/byte-reader.js';
import { ByteWriter } from '../../bytes/byte-writer.js';
import { MalformedFrameError } from '../../errors.js';

export const BccmdVariable = {
  BuildId: 0x2819,
  ChipVersion: 0x281a,
  ChipRevision: 0x281b,
  LoaderBuildId: 0x2838,
  ColdReset: 0x4001,
  WarmReset: 0x4002,
} as const;

export const BccmdType = { Get: 0, Response: 1, Set: 2 } as const;

const HEADER_WORDS = 5;
const MIN_WORDS = 9;

export interface BccmdMessage {
  readonly type: number;
  /** Comes back in the response. */
  readonly sequence: number;
  readonly variable: number;
  /** 0 in requests; in responses 0 is success. */
  readonly status: number;
  readonly words: readonly number[];
}

export function encodeBccmd({ type, sequence, variable, status, words }: BccmdMessage): Uint8Array {
  const length = Math.max(MIN_WORDS, HEADER_WORDS + words.length);
  const writer = new ByteWriter().u16le(type).u16le(length).u16le(sequence).u16le(variable).u16le(status);
  for (let index = 0; index < length - HEADER_WORDS; index++) writer.u16le(words[index] ?? 0);
  return writer.finish();
}

/** @throws MalformedFrameError when the bytes are no BCCMD message. */
export function decodeBccmd(bytes: Uint8Array): BccmdMessage {
  const reader = new ByteReader(bytes, 'BCCMD');
  const type = reader.u16le();
  const length = reader.u16le();
  const sequence = reader.u16le();
  const variable = reader.u16le();
  const status = reader.u16le();
  if (length < MIN_WORDS) throw new MalformedFrameError(`BCCMD: ${length} words`);
  const words = Array.from({ length: length - HEADER_WORDS }, () => reader.u16le());
  reader.expectEnd();
  return { type, sequence, variable, status, words };
}
