/** Takes a multipart upload off the wire: hashed and written while it comes, with limits on everything. */
import { createHash } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { Readable } from 'node:stream';
import busboy from 'busboy';
import type { PendingBlob } from '../../adapters/blob-store/blob-store.port.js';
import { plainFileName } from '../../domain/artifact/upload-rules.js';
import { ProblemError } from '../../http/problem-error.js';

/** Of all fields together; the longest is `requires`. */
const MAX_FIELDS = 16;
const MAX_FIELD_BYTES = 64 * 1024;
/** Boundaries and headers of the parts. */
const MULTIPART_ROOM_BYTES = 1024 * 1024 + MAX_FIELDS * MAX_FIELD_BYTES;

export interface Upload {
  /** Last value of each name. */
  readonly fields: Readonly<Record<string, string>>;
  readonly fileName: string;
  readonly bytes: Buffer;
  readonly sha256: string;
}

export interface UploadLimits {
  readonly maxBytes: number;
  /** Longest silence of the sender. */
  readonly idleMs: number;
}

/**
 * Reads the whole body; the file's bytes go into `pending` and are also kept for whoever reads the format.
 * @throws ProblemError `request.invalid`, `request.too-large`. The caller discards `pending` then.
 */
export async function readUpload(
  request: IncomingMessage,
  pending: PendingBlob,
  limits: UploadLimits,
): Promise<Upload> {
  refuseEarly(request, limits);
  const parser = makeParser(request, limits);
  const fields: Record<string, string> = Object.create(null) as Record<string, string>;
  let file: Promise<FileRead> | undefined;
  let idle: NodeJS.Timeout | undefined;

  try {
    return await new Promise<Upload>((resolve, reject) => {
      const fail = (error: unknown) => reject(error instanceof Error ? error : new Error(String(error)));
      const alive = () => {
        clearTimeout(idle);
        idle = setTimeout(() => fail(invalid(`nothing came for ${limits.idleMs} ms`, 408)), limits.idleMs);
      };
      alive();
      request.on('data', alive);
      request.once('close', () => {
        if (!request.complete) fail(invalid('the upload was cut off', 400));
      });
      request.once('error', () => fail(invalid('the upload was cut off', 400)));
      parser.on('field', (name, value, info) => {
        if (info.valueTruncated || info.nameTruncated) fail(invalid(`field ${name.slice(0, 50)} is too long`));
        else fields[name] = value;
      });
      parser.on('file', (_name, stream, info) => {
        const reading = readFile(stream, pending, limits.maxBytes).then((read) => ({
          ...read,
          fileName: info.filename,
        }));
        reading.catch(fail);
        file = reading;
      });
      parser.on('filesLimit', () => fail(invalid('one file at a time')));
      parser.on('fieldsLimit', () => fail(invalid(`at most ${MAX_FIELDS} fields`)));
      parser.on('partsLimit', () => fail(invalid('too many parts')));
      parser.on('error', (error) =>
        fail(invalid(`the multipart body is broken: ${String((error as Error).message)}`, 400)),
      );
      parser.on('close', () => {
        if (!file) return fail(invalid('there is no file in the request'));
        file.then((read) => resolve({ fields: { ...fields }, ...read, fileName: plainFileName(read.fileName) }), fail);
      });
      request.pipe(parser);
    });
  } catch (error) {
    request.unpipe(parser);
    request.resume();
    parser.destroy();
    // What is still being written must not outlive the refusal: the caller discards next.
    await file?.catch(() => undefined);
    throw error;
  } finally {
    clearTimeout(idle);
  }
}

interface FileRead {
  readonly bytes: Buffer;
  readonly sha256: string;
  readonly fileName: string | undefined;
}

async function readFile(stream: Readable, pending: PendingBlob, maxBytes: number): Promise<Omit<FileRead, 'fileName'>> {
  const hash = createHash('sha256');
  const chunks: Buffer[] = [];
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    hash.update(chunk);
    chunks.push(chunk);
    await pending.write(chunk);
  }
  if ((stream as { truncated?: boolean }).truncated) throw new ProblemError('request.too-large', { limit: maxBytes });
  return { bytes: Buffer.concat(chunks), sha256: hash.digest('hex') };
}

/** What the headers alone tell is refused before a byte is read. */
function refuseEarly(request: IncomingMessage, limits: UploadLimits): void {
  const length = Number(request.headers['content-length'] ?? 0);
  if (length > limits.maxBytes + MULTIPART_ROOM_BYTES)
    throw new ProblemError('request.too-large', { limit: limits.maxBytes });
}

function makeParser(request: IncomingMessage, limits: UploadLimits): busboy.Busboy {
  try {
    return busboy({
      headers: request.headers,
      defParamCharset: 'utf8',
      limits: {
        fieldNameSize: 64,
        fieldSize: MAX_FIELD_BYTES,
        fields: MAX_FIELDS,
        files: 1,
        // busboy calls a file truncated that is exactly as long as its limit.
        fileSize: limits.maxBytes + 1,
        parts: MAX_FIELDS + 2,
        headerPairs: 32,
      },
    });
  } catch (cause) {
    throw new ProblemError('request.invalid', { detail: 'send multipart/form-data with one file' }, undefined, {
      status: 415,
      cause,
    });
  }
}

function invalid(detail: string, status?: number): ProblemError {
  return new ProblemError('request.invalid', { detail }, undefined, status === undefined ? {} : { status });
}

/** Uploads are held in memory while they are read: this many bytes together, and whoever comes later waits. */
export class UploadBudget {
  private used = 0;

  constructor(private readonly limitBytes: number) {}

  /**
   * @param announcedBytes the request's length, or the largest that is allowed.
   * @returns a function that gives the room back.
   * @throws ProblemError `server.overloaded`
   */
  reserve(announcedBytes: number): () => void {
    if (this.used > 0 && this.used + announcedBytes > this.limitBytes) {
      throw new ProblemError('server.overloaded', { retryAfterMs: 5_000 });
    }
    this.used += announcedBytes;
    let held = true;
    return () => {
      if (held) this.used -= announcedBytes;
      held = false;
    };
  }
}
