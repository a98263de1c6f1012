/**
 * How much of a file goes into one request, and which requests an upload starts with.
 */
import { encodeRequest, HEADER_BYTES } from './codec.js';
import { type Request, Version } from './messages.js';

/** `64 "data"` and `63 "off"`. */
const DATA_AND_OFF_KEYS = 5 + 4;

/** The target wants the whole image header at once. */
export const FIRST_CHUNK_AT_LEAST = 32;

/** @returns the size of the message that carries this request. */
function messageBytes(request: Request): number {
  return encodeRequest(request, Version.V2, 0).length;
}

/** The longest `data` with which the message still is at most `limit` bytes; 0 when there is none. */
function longestData(limit: number, wanted: number, make: (data: Uint8Array) => Request): number {
  let length = Math.min(wanted, limit - messageBytes(make(new Uint8Array())));
  if (length <= 0) return 0;
  // The length of the byte string itself takes 1 to 3 bytes, so the first guess may be 2 bytes too long.
  while (length > 0 && messageBytes(make(new Uint8Array(length))) > limit) length--;
  return length;
}

export interface ChunkPlan {
  readonly totalBytes: number;
  /** Longest message that the target takes. */
  readonly limit: number;
  /** Chunks but the last are multiples of this: what a target would otherwise drop as less than one flash word. */
  readonly alignBytes: number;
  readonly sha?: Uint8Array;
  /** Value of the `image` key; left out when it is not needed. */
  readonly image?: number;
}

type FirstChunk = Extract<Request, { kind: 'upload-first' }>;

/**
 * The request that starts (or resumes) an upload: how much data it takes, and how it is made of them. Leaves `sha` out
 * when it does not fit beside the image header.
 * @returns undefined when not even that fits.
 */
export function firstChunk(plan: ChunkPlan): { length: number; make(data: Uint8Array): FirstChunk } | undefined {
  const { totalBytes, sha, image } = plan;
  for (const withSha of sha ? [sha, undefined] : [undefined]) {
    const make = (data: Uint8Array): FirstChunk => ({
      kind: 'upload-first',
      data,
      totalBytes,
      ...(withSha && { sha: withSha }),
      ...(image !== undefined && { image }),
    });
    const length = aligned(longestData(plan.limit, totalBytes, make), totalBytes, plan.alignBytes);
    if (length >= Math.min(FIRST_CHUNK_AT_LEAST, totalBytes)) return { length, make };
  }
  return undefined;
}

/** @returns how many bytes the request for this offset takes; 0 when no data fits into a message at all. */
export function nextChunkBytes(plan: ChunkPlan, offset: number): number {
  const rest = plan.totalBytes - offset;
  return aligned(longestDataAt(plan.limit, offset, rest), rest, plan.alignBytes);
}

/** The same as `longestData` by arithmetic, for it runs once per chunk: header, map, two keys, two numbers. */
function longestDataAt(limit: number, offset: number, rest: number): number {
  const offsetBytes = offset < 24 ? 1 : offset < 0x100 ? 2 : offset < 0x10000 ? 3 : 5;
  const room = limit - (HEADER_BYTES + 1 + DATA_AND_OFF_KEYS + offsetBytes);
  // The length of a byte string takes one byte below 24, two below 256, three below 65536.
  const longest = Math.max(Math.min(room - 1, 23), Math.min(room - 2, 0xff), Math.min(room - 3, 0xffff));
  return Math.max(0, Math.min(longest, rest));
}

/** The last chunk keeps its odd bytes. */
function aligned(length: number, rest: number, alignBytes: number): number {
  return length >= rest ? rest : length - (length % alignBytes);
}
