/** The generated client, as this page uses it: the session's cookie signs in, its token guards what changes something. */
import { ApiProblemError, ApiUnreachableError, makeApiClient } from '@drydock/api-client';
import { CSRF_HEADER } from '@drydock/contracts';
import { session } from '../session/session-store.js';

const changeHeaders = (): Record<string, string> => {
  const token = session.current()?.csrfToken;
  return token === undefined ? {} : { [CSRF_HEADER]: token };
};

/** For reading: one try. What failed says so at its place, and is tried again from there. */
export const reading = makeApiClient({ baseUrl: '', repeatForMs: 0, tryTimeoutMs: 15_000 });

/** For changing: repeated for 30 s with one idempotency key, so that it happens once or not at all. */
export const changing = makeApiClient({ baseUrl: '', changeHeaders, repeatForMs: 30_000 });

/** The sentence of an error, as a part of a page shows it. */
export function errorSentence(error: unknown): string {
  if (error instanceof ApiProblemError) return error.message;
  if (error instanceof ApiUnreachableError) return 'The server did not answer.';
  return error instanceof Error ? error.message : String(error);
}

/** "503, request 7f3a": what helps whoever reads the log. Empty where no answer came. */
export function errorTrace(error: unknown): string {
  if (!(error instanceof ApiProblemError)) return '';
  const id = error.requestId;
  return id === undefined ? String(error.status) : `${error.status}, request ${id.slice(0, 8)}`;
}

export const isStatus = (error: unknown, status: number): boolean =>
  error instanceof ApiProblemError && error.status === status;
