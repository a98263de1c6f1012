/** What is kept of the server's answers. A 401 anywhere means that the session ended: the dialog opens in place. */
import { ApiProblemError } from '@drydock/api-client';
import { MutationCache, QueryCache, QueryClient } from '@tanstack/react-query';
import { session } from '../session/session-store.js';

/** A part that failed asks again after so long. */
export const TRY_AGAIN_MS = 8_000;

function noticeEnd(error: unknown): void {
  if (error instanceof ApiProblemError && error.status === 401) session.ended();
}

export const queryClient = new QueryClient({
  queryCache: new QueryCache({ onError: noticeEnd }),
  mutationCache: new MutationCache({ onError: noticeEnd }),
  defaultOptions: {
    queries: {
      // What changes is told by the stream of events; see live/follow-queries.ts.
      staleTime: 15_000,
      gcTime: 5 * 60_000,
      retry: false,
      refetchOnWindowFocus: false,
      refetchInterval: (query) => againAfter(query.state) ?? false,
    },
    mutations: { retry: false },
  },
});

interface Standing {
  readonly status: string;
  readonly error: unknown;
}

function againAfter({ status, error }: Standing): number | undefined {
  return status === 'error' && !isFinal(error) ? TRY_AGAIN_MS : undefined;
}

/** For what no event tells of: asked again while it is on screen in a visible tab. */
export const pollEvery =
  (ms: number) =>
  (query: { readonly state: Standing }): number | false =>
    query.state.status === 'error' ? (againAfter(query.state) ?? false) : ms;

/** The server understood and said no: to ask again changes nothing. */
function isFinal(error: unknown): boolean {
  return error instanceof ApiProblemError && error.status < 500 && error.status !== 429;
}
