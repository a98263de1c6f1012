/**
 * `POST /api/v1/artifacts` as a stream: the file is read while it is sent, and never held whole. For Node; a browser does not
 * stream requests.
 */
import type { components } from './api-types.js';
import { ApiUnreachableError, errorOf } from './api-errors.js';

type Artifact = components['schemas']['Artifact'];

export interface UploadOptions {
  readonly baseUrl: string;
  readonly token?: () => string | undefined;
  readonly fetch?: typeof fetch;
  /** Given up when it is aborted. */
  readonly signal?: AbortSignal;
  readonly file: {
    readonly name: string;
    readonly sizeBytes: number;
    /** Called again for each try. */
    readonly open: () => AsyncIterable<Uint8Array>;
  };
  /** `model`, and what the file does not tell; `requires` is JSON. */
  readonly fields: Readonly<Record<string, string>>;
  /** Bytes of the file that the connection has taken. */
  readonly onProgress?: (sentBytes: number) => void;
  /** Default 3. The same file with the same fields is stored once, so a repeat does no harm. */
  readonly tries?: number;
}

export interface Uploaded {
  readonly artifact: Artifact;
  /** False: the server had it already, with the same fields. */
  readonly isNew: boolean;
}

const FIRST_WAIT_MS = 500;
const NOT_NOW: ReadonlySet<number> = new Set([429, 503]);

/** @throws ApiProblemError | ApiUnreachableError | ApiForeignAnswerError, and what `open` throws */
export async function uploadArtifact(options: UploadOptions): Promise<Uploaded> {
  // Beyond its first piece the body is asked for once there is a connection: before that nothing can have arrived.
  const begun = { body: false };
  for (let attempt = 1; ; attempt++) {
    const last = attempt >= (options.tries ?? 3);
    const answer = await send(options, begun).catch((error: unknown) => {
      if (options.signal?.aborted || error instanceof FileReadError) throw error;
      if (last) throw new ApiUnreachableError(options.baseUrl, begun.body ? 'unknown' : 'unchanged', undefined, error);
      return undefined;
    });
    if (answer?.ok) return { artifact: (await answer.json()) as Artifact, isNew: answer.status === 201 };
    if (answer && (last || !NOT_NOW.has(answer.status))) throw await errorOf(answer, options.baseUrl);
    await answer?.body?.cancel();
    await new Promise((resolve) => setTimeout(resolve, FIRST_WAIT_MS * 2 ** (attempt - 1)));
  }
}

/** The file itself could not be read: to send again would not help. */
class FileReadError extends Error {}

async function send(options: UploadOptions, begun: { body: boolean }): Promise<Response> {
  const boundary = `drydock-${crypto.randomUUID()}`;
  const text = new TextEncoder();
  const head = text.encode(
    [
      ...Object.entries(options.fields).map(
        ([name, value]) => `--${boundary}\r\ncontent-disposition: form-data; name="${name}"\r\n\r\n${value}\r\n`,
      ),
      `--${boundary}\r\ncontent-disposition: form-data; name="file"; filename="${headerText(options.file.name)}"\r\n`,
      'content-type: application/octet-stream\r\n\r\n',
    ].join(''),
  );
  const tail = text.encode(`\r\n--${boundary}--\r\n`);
  let unreadable: unknown;
  const body = ReadableStream.from(
    (async function* () {
      yield head;
      begun.body = true;
      let sent = 0;
      try {
        for await (const chunk of options.file.open()) {
          yield chunk;
          sent += chunk.length;
          options.onProgress?.(sent);
        }
        if (sent !== options.file.sizeBytes) throw new Error(`${options.file.name} changed while it was sent`);
      } catch (error) {
        unreadable = error;
        throw error;
      }
      yield tail;
    })(),
  );
  const token = options.token?.();
  const init = {
    method: 'POST',
    headers: {
      'content-type': `multipart/form-data; boundary=${boundary}`,
      'content-length': String(head.length + options.file.sizeBytes + tail.length),
      ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
    },
    body,
    // The Fetch Standard wants it said that the answer comes after the request.
    duplex: 'half' as const,
    ...(options.signal && { signal: options.signal }),
  };
  try {
    return await (options.fetch ?? fetch)(`${options.baseUrl}/api/v1/artifacts`, init);
  } catch (error) {
    if (unreadable !== undefined) throw new FileReadError(String(unreadable), { cause: unreadable });
    throw error;
  }
}

/** As browsers write it (HTML Living Standard, multipart form data): line ends and quotes escaped. */
const headerText = (name: string): string => name.replace(/\r/g, '%0D').replace(/\n/g, '%0A').replace(/"/g, '%22');
