/** An expected refusal on its way to a client; the problem filter translates it once (RFC 9457). */
import { ERROR_CODES, errorSentence, type ErrorCode, type ErrorParams, type ProblemPlace } from '@drydock/contracts';

const STATUS: Partial<Record<ErrorCode, number>> = {
  'request.unauthenticated': 401,
  'request.forbidden': 403,
  'request.csrf': 403,
  'sign-in.refused': 401,
  'sign-in.unknown-person': 403,
  'sign-in.again': 403,
  'sign-in.off': 409,
  'sign-in.provider': 502,
  'request.not-found': 404,
  'request.conflict': 409,
  'artifact.conflict': 409,
  'campaign.state': 409,
  'request.stale': 412,
  'request.too-large': 413,
  'request.rate': 429,
  'server.overloaded': 503,
  'server.unavailable': 503,
  'server.blob-missing': 503,
  'internal.invariant': 500,
};

export class ProblemError extends Error {
  readonly status: number;
  constructor(
    readonly code: ErrorCode,
    readonly params: ErrorParams = {},
    readonly errors?: ProblemPlace[],
    options: { cause?: unknown; status?: number } = {},
  ) {
    super(errorSentence(code, params), options);
    this.name = 'ProblemError';
    this.status = options.status ?? STATUS[code] ?? (ERROR_CODES[code].blame === 'server' ? 500 : 422);
  }
}
