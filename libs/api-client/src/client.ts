/**
 * The API of a Drydock server, typed by its own OpenAPI document. For the dashboard, the command line, and other tools.
 */
import createClient, { type Client } from 'openapi-fetch';
import type { paths } from './api-types.js';
import { errorOf } from './api-errors.js';
import { repeatingFetch } from './repeating-fetch.js';

export interface ApiClientOptions {
  /** `https://drydock.example.com`; empty in a page that the server itself serves. */
  readonly baseUrl: string;
  /** A personal API token; left out where a session cookie signs in. Asked for at each request. */
  readonly token?: () => string | undefined;
  /** Sent with each request that changes something: a session's token against forged requests. */
  readonly changeHeaders?: () => Readonly<Record<string, string>>;
  readonly fetch?: typeof fetch;
  /** Default 30 s. 0: one try. */
  readonly repeatForMs?: number;
  /** Default 30 s. */
  readonly tryTimeoutMs?: number;
  readonly onWait?: (facts: { readonly waitMs: number; readonly status?: number }) => void;
}

export type ApiClient = Client<paths>;

/**
 * Calls look like `client.GET('/api/v1/campaigns/{id}', { params: { path: { id } } })`; see {@link answerOf}. A POST gets
 * an `Idempotency-Key` unless it has one.
 */
export function makeApiClient(options: ApiClientOptions): ApiClient {
  const client = createClient<paths>({
    baseUrl: options.baseUrl,
    fetch: repeatingFetch({
      baseUrl: options.baseUrl,
      fetch: options.fetch ?? fetch,
      repeatForMs: options.repeatForMs ?? 30_000,
      tryTimeoutMs: options.tryTimeoutMs ?? 30_000,
      ...(options.onWait ? { onWait: options.onWait } : {}),
    }),
  });
  client.use({
    onRequest: ({ request }) => {
      const token = options.token?.();
      if (token !== undefined) request.headers.set('authorization', `Bearer ${token}`);
      if (request.method === 'GET') return request;
      for (const [name, value] of Object.entries(options.changeHeaders?.() ?? {})) request.headers.set(name, value);
      if (request.method === 'POST' && !request.headers.has('idempotency-key')) {
        request.headers.set('idempotency-key', crypto.randomUUID());
      }
      return request;
    },
    onResponse: async ({ response }) => {
      if (!response.ok) throw await errorOf(response, options.baseUrl);
      return response;
    },
  });
  return client;
}

/**
 * The body of an answer: `await answerOf(client.GET('/api/v1/me'))`.
 *
 * @throws ApiProblemError | ApiUnreachableError | ApiForeignAnswerError
 */
export async function answerOf<T>(call: Promise<{ data?: T; response: Response }>): Promise<T> {
  return (await call).data as T;
}

/** Every item of a list that is paged by keyset, fetched as they are read. */
export async function* itemsOf<T>(
  fetchPage: (after: string | undefined) => Promise<{ readonly items: readonly T[]; readonly next?: string }>,
): AsyncGenerator<T> {
  let after: string | undefined;
  do {
    const page = await fetchPage(after);
    yield* page.items;
    after = page.next;
  } while (after !== undefined);
}
