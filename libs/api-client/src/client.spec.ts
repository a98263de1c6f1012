import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, expect, it } from '@jest/globals';
import { ApiForeignAnswerError, ApiProblemError, ApiUnreachableError } from './api-errors.js';
import { answerOf, itemsOf, makeApiClient } from './client.js';
import { watchEvents } from './events.js';

type Handler = (request: IncomingMessage, response: ServerResponse) => void;

let server: Server | undefined;

/** A server that answers with the handlers in turn, the last one for ever. */
async function serve(...handlers: Handler[]): Promise<{ baseUrl: string; requests: IncomingMessage[] }> {
  const requests: IncomingMessage[] = [];
  server = createServer((request, response) => {
    requests.push(request);
    handlers[Math.min(requests.length, handlers.length) - 1]!(request, response);
  });
  await new Promise<void>((resolve) => server!.listen(0, '127.0.0.1', resolve));
  return { baseUrl: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, requests };
}

afterEach(async () => {
  server?.closeAllConnections();
  await new Promise((resolve) => (server ? server.close(resolve) : resolve(undefined)));
  server = undefined;
});

const json =
  (status: number, body: unknown, headers: Record<string, string> = {}): Handler =>
  (_, response) =>
    response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body));
const problem = (status: number, code: string, headers: Record<string, string> = {}): Handler =>
  json(
    status,
    {
      type: `urn:drydock:error:${code}`,
      title: code,
      status,
      detail: 'in plain words',
      instance: 'urn:drydock:request:7f3a',
      code,
      params: {},
    },
    headers,
  );
const breakOff: Handler = (request) => request.socket.destroy();
const ID = '0b5d5a4c-1f5e-4a3e-9f5a-0c2a1f6b7d8e';

it('signs in with the token, and gives the body', async () => {
  const { baseUrl, requests } = await serve(json(200, { serverTimeMs: 5 }));
  const client = makeApiClient({ baseUrl, token: () => 'dd_secret' });
  expect(await answerOf(client.GET('/api/v1/overview'))).toEqual({ serverTimeMs: 5 });
  expect(requests[0]!.headers.authorization).toBe('Bearer dd_secret');
  expect(requests[0]!.headers['idempotency-key']).toBeUndefined();
});

it('throws a problem with its code, its request, and the time to wait', async () => {
  const { baseUrl } = await serve(problem(409, 'request.conflict', { 'retry-after': '7' }));
  const error: unknown = await answerOf(
    makeApiClient({ baseUrl }).GET('/api/v1/campaigns/{id}', { params: { path: { id: ID } } }),
  ).catch((caught: unknown) => caught);
  expect(error).toBeInstanceOf(ApiProblemError);
  expect(error).toMatchObject({ code: 'request.conflict', status: 409, requestId: '7f3a', retryAfterMs: 7000 });
});

it('says when what answers is no Drydock server', async () => {
  const { baseUrl } = await serve((_, response) => response.writeHead(404).end('<h1>It works!</h1>'));
  await expect(answerOf(makeApiClient({ baseUrl }).GET('/api/v1/me'))).rejects.toBeInstanceOf(ApiForeignAnswerError);
});

it('repeats a change under the same key when the connection broke or the server was busy', async () => {
  const { baseUrl, requests } = await serve(
    breakOff,
    problem(503, 'server.overloaded', { 'retry-after': '0' }),
    json(200, {}),
  );
  const waits: unknown[] = [];
  const client = makeApiClient({ baseUrl, onWait: (facts) => waits.push(facts) });
  await answerOf(
    client.POST('/api/v1/campaigns/{id}/pause', { params: { path: { id: ID } }, body: { reason: 'a look' } }),
  );
  const keys = requests.map((request) => request.headers['idempotency-key']);
  expect(keys[0]).toMatch(/^[0-9a-f-]{36}$/);
  expect(new Set(keys).size).toBe(1);
  expect(keys).toHaveLength(3);
  expect(waits).toEqual([{ waitMs: 250 }, { waitMs: 500, status: 503 }]);
});

it('does not repeat what has no key', async () => {
  const { baseUrl, requests } = await serve(breakOff, json(200, {}));
  const error: unknown = await answerOf(
    makeApiClient({ baseUrl }).PATCH('/api/v1/people/{id}', {
      params: { path: { id: ID }, header: { 'If-Match': '"1"' } },
      body: { name: 'x' },
    }),
  ).catch((caught: unknown) => caught);
  expect(error).toBeInstanceOf(ApiUnreachableError);
  expect(error).toMatchObject({ outcome: 'unknown', idempotencyKey: undefined });
  expect(requests).toHaveLength(1);
});

it('gives up in time, and says whether anything can have changed', async () => {
  const { baseUrl, requests } = await serve(breakOff);
  const client = makeApiClient({ baseUrl, repeatForMs: 0 });
  const read: unknown = await answerOf(client.GET('/api/v1/me')).catch((caught: unknown) => caught);
  expect(read).toMatchObject({ name: 'ApiUnreachableError', outcome: 'unchanged' });
  const change: unknown = await answerOf(
    client.POST('/api/v1/campaigns/{id}/pause', { params: { path: { id: ID } }, body: { reason: 'a look' } }),
  ).catch((caught: unknown) => caught);
  expect(change).toMatchObject({ outcome: 'unknown', idempotencyKey: expect.stringMatching(/^[0-9a-f-]{36}$/) });
  expect(requests).toHaveLength(2);
});

it('reads all pages', async () => {
  const { baseUrl, requests } = await serve(json(200, { items: [1, 2], next: 'c' }), json(200, { items: [3] }));
  const client = makeApiClient({ baseUrl });
  const items: unknown[] = [];
  for await (const item of itemsOf((after) =>
    answerOf(client.GET('/api/v1/gateways', { params: { query: after === undefined ? {} : { after } } })),
  ))
    items.push(item);
  expect(items).toEqual([1, 2, 3]);
  expect(requests.map((request) => request.url)).toEqual(['/api/v1/gateways', '/api/v1/gateways?after=c']);
});

const eventOf = (id: number): string =>
  `id: ${id}\nevent: decision\ndata: ${JSON.stringify({ type: 'decision', campaignId: ID, kind: 'grants.given', params: { count: id } })}\n\n`;
const stream =
  (text: string, then: 'break' | 'hold'): Handler =>
  (request, response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    response.write(text, () => {
      if (then === 'break') request.socket.destroySoon();
    });
  };

it('watches events over breaks, from the last one seen, and leaves out what it does not know', async () => {
  const { baseUrl, requests } = await serve(
    stream(`: still here\n\n${eventOf(1)}id: 2\nevent: x\ndata: {"type":"of tomorrow"}\n\n`, 'break'),
    problem(503, 'server.overloaded'),
    stream(eventOf(3), 'hold'),
  );
  const stop = new AbortController();
  const states: string[] = [];
  const seen: unknown[] = [];
  for await (const event of watchEvents({ baseUrl, signal: stop.signal, onState: (state) => states.push(state) })) {
    if (event.type === 'decision') seen.push(event.params['count']);
    if (seen.length === 2) stop.abort();
  }
  expect(seen).toEqual([1, 3]);
  expect(states).toEqual(['live', 'away', 'away', 'live']);
  expect(requests.map((request) => request.headers['last-event-id'])).toEqual([undefined, '2', '2']);
});

it('stops watching when the server refuses', async () => {
  const { baseUrl } = await serve(problem(401, 'request.unauthenticated'));
  const watching = watchEvents({ baseUrl, signal: new AbortController().signal });
  await expect(watching.next()).rejects.toMatchObject({ code: 'request.unauthenticated' });
});
