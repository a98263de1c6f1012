/**
 * Bytes that are read by ranges: a file on disk, a stretch of it, or memory. What is large is never held as a whole.
 */
export interface ByteSource {
  /** In bytes. */
  readonly length: number;
  /**
   * @returns exactly those bytes, which must lie inside; possibly a view: not to be changed.
   * @throws DrydockError of the owner when they cannot be had (any more).
   */
  read(offset: number, length: number): Uint8Array;
}

const BLOCK_BYTES = 32 * 1024;

/** Memory as a source; a source stays what it is. */
export function sourceOf(bytes: Uint8Array | ByteSource): ByteSource {
  if (!(bytes instanceof Uint8Array)) return bytes;
  return { length: bytes.length, read: (offset, length) => bytes.subarray(offset, offset + length) };
}

/** A stretch of a source. @throws RangeError when it does not lie inside. */
export function rangeOf(source: ByteSource, offset: number, length: number): ByteSource {
  if (offset < 0 || length < 0 || offset + length > source.length) {
    throw new RangeError(`bytes ${offset} to ${offset + length} of ${source.length}`);
  }
  return { length, read: (at, count) => source.read(offset + at, count) };
}

/** The bytes from `from` to before `to`, block by block. */
export function* blocksOf(source: ByteSource, from = 0, to = source.length): Generator<Uint8Array> {
  for (let at = from; at < to; at += BLOCK_BYTES) yield source.read(at, Math.min(BLOCK_BYTES, to - at));
}

/** All of it, for those who need it in one piece. */
export function wholeOf(source: ByteSource): Uint8Array {
  return source.read(0, source.length);
}
