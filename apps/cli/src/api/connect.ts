/** The server of this run: the generated client, told how long to try, what to say meanwhile, and under which keys. */
import { answerOf, makeApiClient, type ApiClient } from '@drydock/api-client';
import { ApiUnreachableError } from '@drydock/api-client';
import { neverSent } from '../errors/explain.js';
import { cleanDeep } from '../output/clean.js';
import { lengthOfTime } from '../output/format.js';
import type { Output } from '../output/output.js';
import { type PendingKeys } from './pending-keys.js';

export interface Api {
  readonly client: ApiClient;
  readonly baseUrl: string;
  readonly token: () => string;
  /** The body of an answer; texts are made harmless for a terminal. @throws as `answerOf` */
  ask<T>(call: Promise<{ data?: T; response: Response }>): Promise<T>;
}

export interface ConnectOptions {
  readonly baseUrl: string;
  readonly token: string | undefined;
  /** For one request with all its repetitions. */
  readonly timeoutMs: number;
  readonly out: Output;
  readonly keys: PendingKeys;
}

const FIRST_SAID_MS = 3_000;

export function connect({ baseUrl, token, timeoutMs, out, keys }: ConnectOptions): Api {
  let mayHaveArrived = false;
  let waitedMs = 0;
  const client = makeApiClient({
    baseUrl,
    token: () => token,
    repeatForMs: timeoutMs,
    tryTimeoutMs: timeoutMs,
    fetch: async (input, init) => {
      const startedAt = performance.now();
      const request = input as Request;
      try {
        const response = await fetch(input, init);
        out.debug(
          `${request.method} ${request.url}: ${response.status} in ${Math.round(performance.now() - startedAt)} ms`,
        );
        mayHaveArrived = true;
        return response;
      } catch (error) {
        out.debug(`${request.method} ${request.url}: ${String(error)} ${String((error as Error).cause ?? '')}`);
        if (!neverSent(error)) mayHaveArrived = true;
        throw error;
      }
    },
    onWait: ({ waitMs, status }) => {
      waitedMs += waitMs;
      if (waitedMs < FIRST_SAID_MS) return;
      out.say(
        `The server ${status === undefined ? 'does not answer' : 'is busy'}; trying again in ${lengthOfTime(waitMs)}.`,
      );
    },
  });
  client.use({
    onRequest: async ({ request }) => {
      mayHaveArrived = false;
      waitedMs = 0;
      const fresh = request.headers.get('idempotency-key');
      if (fresh === null || token === undefined) return request;
      const key = keys.begin({ token, url: request.url, body: await request.clone().text() }, fresh);
      request.headers.set('idempotency-key', key);
      return request;
    },
    onResponse: ({ request, response }) => {
      const key = request.headers.get('idempotency-key');
      if (key !== null) keys.answered(key);
      if (response.headers.get('idempotency-replayed') === 'true') {
        out.say('This had been done by the try before; here is its answer.');
      }
      return response;
    },
  });
  return {
    client,
    baseUrl,
    token: () => token ?? '',
    ask: async (call) => {
      try {
        const data = await answerOf(call);
        return out.json ? data : cleanDeep(data);
      } catch (error) {
        if (error instanceof ApiUnreachableError && error.outcome === 'unknown' && !mayHaveArrived) {
          throw new ApiUnreachableError(error.baseUrl, 'unchanged', error.idempotencyKey, error.cause);
        }
        throw error;
      }
    },
  };
}
