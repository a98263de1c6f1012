/** A refusal as a person and a script get to see it. */
import type { ExitStatus } from '../exit-codes.js';

export interface CliErrorMore {
  /** What to do, with the command to paste where there is one. */
  readonly fix?: string;
  /** Under which the server's log knows the request. */
  readonly requestId?: string;
  /** What is wrong in detail: lines as they are shown, and the same for scripts. */
  readonly lines?: readonly string[];
  readonly problems?: readonly object[];
  readonly cause?: unknown;
}

export class CliError extends Error {
  override readonly name = 'CliError';
  readonly more: Omit<CliErrorMore, 'cause'>;

  /** @param code stable: one of docs/codes.md, or one of the command line's own (docs/cli.md). */
  constructor(
    readonly code: string,
    readonly exit: ExitStatus,
    message: string,
    { cause, ...more }: CliErrorMore = {},
  ) {
    super(message, { cause });
    this.more = more;
  }
}
