/** What can go wrong between a client and the server's API. Branch on the class and on `code`, never on text. */
import { Problem } from '@drydock/contracts';

/** The server answered with problem details (RFC 9457). */
export class ApiProblemError extends Error {
  override readonly name = 'ApiProblemError';
  /** Stable; see docs/codes.md. */
  readonly code: string;
  readonly status: number;

  constructor(
    readonly problem: Problem,
    /** From `Retry-After`, when the server names a time. */
    readonly retryAfterMs?: number,
  ) {
    super(problem.detail);
    this.code = problem.code;
    this.status = problem.status;
  }

  /** The id under which the server's log knows the request. */
  get requestId(): string | undefined {
    return this.problem.instance?.replace(/^urn:drydock:request:/, '');
  }
}

/** No answer came. */
export class ApiUnreachableError extends Error {
  override readonly name = 'ApiUnreachableError';

  /**
   * @param outcome `unchanged`: a request that only reads, so nothing can have changed; `unknown`: the server may have
   * done it before the connection broke. The same request with the same key may be sent again without harm.
   * @param idempotencyKey of the request, to repeat it.
   */
  constructor(
    readonly baseUrl: string,
    readonly outcome: 'unchanged' | 'unknown',
    readonly idempotencyKey: string | undefined,
    cause: unknown,
  ) {
    super(`${baseUrl} does not answer`, { cause });
  }
}

/** An answer that is none of the API's: a proxy's page, or another program on the port. */
export class ApiForeignAnswerError extends Error {
  override readonly name = 'ApiForeignAnswerError';

  constructor(
    readonly baseUrl: string,
    readonly status: number,
  ) {
    super(`what answers at ${baseUrl} (status ${status}) is no Drydock server`);
  }
}

/** The error of an answer that is no success. Never throws for what the body holds. */
export async function errorOf(response: Response, baseUrl: string): Promise<ApiProblemError | ApiForeignAnswerError> {
  const body: unknown = await response.json().catch(() => undefined);
  const parsed = Problem.safeParse(body);
  if (!parsed.success) return new ApiForeignAnswerError(baseUrl, response.status);
  const seconds = Number(response.headers.get('retry-after') ?? NaN);
  return new ApiProblemError(parsed.data, Number.isFinite(seconds) && seconds >= 0 ? seconds * 1000 : undefined);
}
