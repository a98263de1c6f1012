/** `GET /api/v1/events`: server-sent events as an endless list that comes back by itself after a break. */
import { LiveEvent } from '@drydock/contracts';
import { EventSourceParserStream } from 'eventsource-parser/stream';
import { errorOf } from './api-errors.js';

const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 10_000;
/** The server speaks every 15 s; after three silences the connection is dead, whatever the socket thinks. */
const SILENCE_MS = 45_000;

export interface WatchOptions {
  readonly baseUrl: string;
  readonly token?: () => string | undefined;
  readonly fetch?: typeof fetch;
  readonly signal: AbortSignal;
  /** `live` at each (new) connection, `away` when it broke. What was missed is to be read anew. */
  readonly onState?: (state: 'live' | 'away') => void;
}

/**
 * Ends when `signal` aborts.
 *
 * @throws ApiProblemError when the server refuses (signed out, for one): to try again would not help.
 */
export async function* watchEvents(options: WatchOptions): AsyncGenerator<LiveEvent> {
  let lastId: string | undefined;
  let waitMs = FIRST_WAIT_MS;
  while (!options.signal.aborted) {
    try {
      const silence = new AbortController();
      const response = await connect(options, lastId, AbortSignal.any([options.signal, silence.signal]));
      if (!response.ok || !response.body) {
        const error = await errorOf(response, options.baseUrl);
        if (response.status < 500 && response.status !== 429) throw new RefusedError(error);
        throw error;
      }
      options.onState?.('live');
      waitMs = FIRST_WAIT_MS;
      for await (const message of messagesOf(response.body, silence)) {
        if (message.id !== undefined) lastId = message.id;
        const event = LiveEvent.safeParse(jsonOf(message.data));
        // A newer server says things that this client does not know yet.
        if (event.success) yield event.data;
      }
    } catch (error) {
      if (error instanceof RefusedError) throw error.refusal;
      if (options.signal.aborted) return;
    }
    options.onState?.('away');
    await pause(waitMs * (0.5 + Math.random()), options.signal);
    waitMs = Math.min(waitMs * 2, LONGEST_WAIT_MS);
  }
}

/** Tells a refusal from a break inside this file. */
class RefusedError extends Error {
  constructor(readonly refusal: Error) {
    super(refusal.message);
  }
}

function connect(options: WatchOptions, lastId: string | undefined, signal: AbortSignal): Promise<Response> {
  const token = options.token?.();
  return (options.fetch ?? fetch)(`${options.baseUrl}/api/v1/events`, {
    headers: {
      accept: 'text/event-stream',
      ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
      ...(lastId === undefined ? {} : { 'last-event-id': lastId }),
    },
    signal,
  });
}

async function* messagesOf(
  body: ReadableStream<Uint8Array>,
  silence: AbortController,
): AsyncGenerator<{ id?: string | undefined; data: string }> {
  let timer = setTimeout(() => silence.abort(), SILENCE_MS);
  const heard = new TransformStream<Uint8Array, Uint8Array>({
    transform(chunk, controller) {
      clearTimeout(timer);
      timer = setTimeout(() => silence.abort(), SILENCE_MS);
      controller.enqueue(chunk);
    },
  });
  const reader = body
    .pipeThrough(heard)
    .pipeThrough(new TextDecoderStream() as unknown as TransformStream<Uint8Array, string>)
    .pipeThrough(new EventSourceParserStream())
    .getReader();
  try {
    for (let next = await reader.read(); !next.done; next = await reader.read()) yield next.value;
  } finally {
    clearTimeout(timer);
    await reader.cancel().catch(() => undefined);
  }
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const end = () => {
      clearTimeout(timer);
      signal.removeEventListener('abort', end);
      resolve();
    };
    const timer = setTimeout(end, ms);
    signal.addEventListener('abort', end);
    if (signal.aborted) end();
  });
}
