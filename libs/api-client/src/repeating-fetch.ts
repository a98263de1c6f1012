/**
 * `fetch` that repeats what may be repeated: reads, and changes that carry an `Idempotency-Key`, when no answer came or
 * the server said that it is overloaded or away. Bounded in time.
 */
import { ApiUnreachableError } from './api-errors.js';

const FIRST_WAIT_MS = 250;
const LONGEST_WAIT_MS = 5_000;
/** Statuses that say "not now": the request was not carried out. */
const NOT_NOW: ReadonlySet<number> = new Set([429, 503]);

export interface RepeatOptions {
  readonly baseUrl: string;
  readonly fetch: typeof fetch;
  /** Longest time for one request with all its repetitions; 0: one try. */
  readonly repeatForMs: number;
  /** Each try is given up after this time. */
  readonly tryTimeoutMs: number;
  /** Told before each wait. */
  readonly onWait?: (facts: { readonly waitMs: number; readonly status?: number }) => void;
}

/** A request may be sent twice when the second does no more than the first. */
function mayRepeat(request: Request): boolean {
  return request.method === 'GET' || request.method === 'HEAD' || request.headers.has('idempotency-key');
}

/** @throws ApiUnreachableError when no answer came in time. */
export function repeatingFetch(options: RepeatOptions): (request: Request) => Promise<Response> {
  // Called by itself: a browser's fetch refuses to be a method of anything but its window.
  const { fetch: send } = options;
  return async (request) => {
    const until = Date.now() + options.repeatForMs;
    for (let waitMs = FIRST_WAIT_MS; ; waitMs = Math.min(waitMs * 2, LONGEST_WAIT_MS)) {
      let answer: Response | undefined;
      let failure: unknown;
      try {
        answer = await send(request.clone(), {
          signal: AbortSignal.any([request.signal, AbortSignal.timeout(options.tryTimeoutMs)]),
        });
        if (!NOT_NOW.has(answer.status)) return answer;
      } catch (error) {
        if (request.signal.aborted) throw error;
        failure = error;
      }
      const asked = Number(answer?.headers.get('retry-after') ?? NaN) * 1000;
      const pause = Number.isFinite(asked) ? Math.max(asked, waitMs) : waitMs;
      if (!mayRepeat(request) || Date.now() + pause > until) {
        if (answer) return answer;
        throw new ApiUnreachableError(
          options.baseUrl,
          request.method === 'GET' || request.method === 'HEAD' ? 'unchanged' : 'unknown',
          request.headers.get('idempotency-key') ?? undefined,
          failure,
        );
      }
      await answer?.body?.cancel();
      options.onWait?.({ waitMs: pause, ...(answer ? { status: answer.status } : {}) });
      await wait(pause, request.signal);
    }
  };
}

function wait(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const stop = () => {
      clearTimeout(timer);
      reject(signal.reason as Error);
    };
    const timer = setTimeout(() => {
      signal.removeEventListener('abort', stop);
      resolve();
    }, ms);
    if (signal.aborted) stop();
    else signal.addEventListener('abort', stop, { once: true });
  });
}
