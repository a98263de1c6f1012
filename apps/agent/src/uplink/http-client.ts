/** Small HTTP client over Node's own module: JSON requests with limits, and a stream for artifacts. */
import type { IncomingMessage } from 'node:http';
import { Problem } from '@drydock/contracts';
import { DrydockError } from '@drydock/dfu-core';
import type { z } from 'zod';

const MAX_JSON_BYTES = 1024 * 1024;

/** The server answered with something else than success. */
export class HttpStatusError extends DrydockError {
  constructor(
    readonly status: number,
    readonly retryAfterMs: number | undefined,
    detail: string,
    /** Code of the problem document, where the answer had one. */
    readonly problemCode?: string,
  ) {
    super('server.unavailable', { detail });
  }
}

export interface HttpRequest {
  readonly method: 'GET' | 'POST';
  readonly url: URL;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: unknown;
  /** Longest silence on the connection. */
  readonly timeoutMs: number;
  readonly signal?: AbortSignal;
}

/** Plain HTTP is for the machine itself only: elsewhere somebody could read the tokens. */
export function requireSafeUrl(text: string, field: string, allowPlaintext: boolean): URL {
  let url: URL;
  try {
    url = new URL(text);
  } catch {
    throw new DrydockError('settings.invalid', { field, detail: `${text} is no address` });
  }
  const secure = ['https:', 'mqtts:', 'wss:'].includes(url.protocol);
  if (!secure && !['http:', 'mqtt:', 'ws:'].includes(url.protocol)) {
    throw new DrydockError('settings.invalid', { field, detail: `${url.protocol} is not spoken here` });
  }
  if (!secure && !allowPlaintext && !isLoopback(url.hostname)) {
    throw new DrydockError('settings.invalid', {
      field,
      detail: `${url.protocol}// is only for this machine; use TLS, or say --allow-plaintext`,
    });
  }
  return url;
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '[::1]' || /^127(?:\.\d{1,3}){3}$/.test(host);
}

/** Sends a request and resolves with the answer's head; the caller reads or destroys the stream. */
export async function httpOpen(request: HttpRequest): Promise<IncomingMessage> {
  const { request: send } = request.url.protocol === 'https:' ? await import('node:https') : await import('node:http');
  const body = request.body === undefined ? undefined : Buffer.from(JSON.stringify(request.body));
  return new Promise((resolve, reject) => {
    const outgoing = send(
      request.url,
      {
        method: request.method,
        headers: {
          ...request.headers,
          ...(body && { 'content-type': 'application/json', 'content-length': String(body.length) }),
        },
        timeout: request.timeoutMs,
        ...(request.signal && { signal: request.signal }),
      },
      resolve,
    );
    outgoing.on('timeout', () => outgoing.destroy(new Error(`no answer within ${request.timeoutMs} ms`)));
    outgoing.on('error', (error) =>
      reject(new DrydockError('server.unavailable', { detail: error.message || String(error) }, { cause: error })),
    );
    outgoing.end(body);
  });
}

/** @throws HttpStatusError, DrydockError `server.unavailable` */
export async function httpJson<T extends z.ZodType>(request: HttpRequest, schema: T): Promise<z.output<T>> {
  const response = await httpOpen(request);
  const text = (await readBody(response, MAX_JSON_BYTES)).toString('utf8');
  const status = response.statusCode ?? 0;
  if (status < 200 || status > 299) throw statusError(response, text);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new DrydockError('server.unavailable', { detail: `${request.url.pathname} did not answer with JSON` });
  }
  const parsed = schema.safeParse(value);
  if (!parsed.success) {
    const fields = parsed.error.issues.map((issue) => issue.path.join('.')).slice(0, 5);
    throw new DrydockError('server.unavailable', {
      detail: `${request.url.pathname} answered in a form that is not known: ${fields.join(', ')}`,
    });
  }
  return parsed.data;
}

export function statusError(response: IncomingMessage, body: string): HttpStatusError {
  const status = response.statusCode ?? 0;
  const after = Number(response.headers['retry-after']);
  let problem: { title?: string; detail?: string; code?: string } = {};
  try {
    const parsed = Problem.safeParse(JSON.parse(body));
    if (parsed.success) problem = parsed.data as typeof problem;
  } catch {
    // Not every answer is a problem document: a proxy's page is not.
  }
  return new HttpStatusError(
    status,
    Number.isFinite(after) && after >= 0 ? Math.min(after, 3600) * 1000 : undefined,
    `HTTP ${status}${problem.detail ? `: ${problem.detail.slice(0, 300)}` : ''}`,
    problem.code,
  );
}

export async function readBody(response: IncomingMessage, limitBytes: number): Promise<Buffer> {
  const parts: Buffer[] = [];
  let bytes = 0;
  try {
    for await (const part of response) {
      bytes += (part as Buffer).length;
      if (bytes > limitBytes) throw new Error(`more than ${limitBytes} bytes`);
      parts.push(part as Buffer);
    }
  } catch (error) {
    response.destroy();
    throw new DrydockError('server.unavailable', { detail: (error as Error).message }, { cause: error });
  }
  return Buffer.concat(parts);
}
