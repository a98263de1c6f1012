/**
 * The error tree of the DFU core. Branch on `code` or type, never on text.
 * Every error has a code of `contracts`, flat parameters, and a recovery.
 */
import { ERROR_CODES, errorSentence, type ErrorCode, type ErrorParams, type Recovery } from '@drydock/contracts';

export class DrydockError extends Error {
  readonly recovery: Recovery;
  constructor(
    readonly code: ErrorCode,
    readonly params: ErrorParams = {},
    options: { cause?: unknown } = {},
  ) {
    super(errorSentence(code, params), options);
    this.name = new.target.name;
    this.recovery = ERROR_CODES[code].recovery;
  }
}

/** Bytes from a link are no message at all. Born in a codec; the session resumes or gives up. */
export class MalformedFrameError extends DrydockError {
  constructor(detail: string, options: { cause?: unknown } = {}) {
    super('target.malformed-answer', { detail }, options);
  }
}

/** The link failed. Born in the driver. */
export class LinkError extends DrydockError {}

/** The target answered, and the answer is no. `request` and `result` are the vendor's numbers or names. */
export class TargetRefusedError extends DrydockError {
  constructor(
    readonly request: string | number,
    readonly result: string | number,
    detail: string,
    code: ErrorCode = 'target.refused',
  ) {
    super(code, { request, result, detail });
  }
}

/** A file cannot be used: format, digest, signature, fit. Never retried. */
export class ArtifactError extends DrydockError {}

/** Our own bug. */
export class InvariantError extends DrydockError {
  constructor(detail: string) {
    super('internal.invariant', { detail });
  }
}

const SECURITY_REFUSALS: ReadonlySet<string> = new Set(['link.auth-required', 'link.bond-lost', 'link.security-level']);

/** The device wants more of the link before it lets itself be read or written: a bond, or a better one. */
export function isSecurityRefusal(error: unknown): boolean {
  return error instanceof DrydockError && SECURITY_REFUSALS.has(error.code);
}
