/** Artifact bytes, content-addressed by SHA-256 (lower-case hex). Folder by default, S3 by configuration. */
import type { Readable } from 'node:stream';

export const BLOB_STORE = Symbol('BlobStore');

/** An upload under way: written while it is hashed; nothing is visible until `commit`. */
export interface PendingBlob {
  write(chunk: Buffer): Promise<void>;
  /** Makes the bytes visible under their hash, atomically; the same hash twice is one blob. */
  commit(sha256: string): Promise<void>;
  discard(): Promise<void>;
}

export interface BlobStore {
  begin(): Promise<PendingBlob>;
  /** Whole blob; only for files below the parse limit. */
  readAll(sha256: string): Promise<Buffer | undefined>;
  /** @param range inclusive byte positions. Undefined when the blob is missing. */
  open(
    sha256: string,
    range?: { start: number; end: number },
  ): Promise<{ stream: Readable; sizeBytes: number } | undefined>;
  has(sha256: string): Promise<boolean>;
  remove(sha256: string): Promise<void>;
  /** Rejects when the store cannot be used now; for /health. */
  check(): Promise<void>;
  /** Only stores that serve bytes themselves (S3): a link that works for so many seconds. */
  presign?(sha256: string, withinSeconds: number): Promise<string>;
}
