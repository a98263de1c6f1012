/** Turns whatever went wrong into what, fix, code, request and exit status. */
import { ApiForeignAnswerError, ApiProblemError, ApiUnreachableError } from '@drydock/api-client';
import { isErrorCode } from '@drydock/contracts';
import { CommanderError } from 'commander';
import { EXIT, type ExitStatus } from '../exit-codes.js';
import { CliError } from './cli-error.js';

export function explain(error: unknown): CliError {
  if (error instanceof CliError) return error;
  if (error instanceof ApiProblemError) return ofProblem(error);
  if (error instanceof ApiUnreachableError) return ofSilence(error);
  if (error instanceof ApiForeignAnswerError) {
    return new CliError('server.foreign', EXIT.unexpected, `${capital(error.message)}.`, {
      fix: 'check the address, or a proxy between here and the server: drydock context ls',
      cause: error,
    });
  }
  if (error instanceof CommanderError) return ofUsage(error);
  // An error of the core, which is loaded only where a file is read.
  const { code } = error as { code?: unknown };
  if (error instanceof Error && typeof code === 'string' && isErrorCode(code)) {
    return new CliError(code, EXIT.refused, error.message, { cause: error });
  }
  return new CliError('internal.unexpected', EXIT.unexpected, error instanceof Error ? error.message : String(error), {
    fix: 'run it again with --debug, and report what it says',
    cause: error,
  });
}

function exitOfProblem({ status, code }: ApiProblemError): ExitStatus {
  if (status === 401) return EXIT.signIn;
  if (status === 403) return EXIT.notAllowed;
  if (status === 404) return EXIT.notFound;
  if (status === 409 || status === 412 || status === 428) return EXIT.conflict;
  if (status === 429 || status === 503) return EXIT.unreachable;
  if (status >= 400 && status < 500) return code === 'request.not-found' ? EXIT.notFound : EXIT.refused;
  return EXIT.unexpected;
}

const FIXES: Readonly<Record<string, string>> = {
  'request.unauthenticated': 'drydock login',
  'sign-in.refused': 'check the address and the password, or ask an admin for a new password link',
  'sign-in.again': 'use an API token, which proves itself: drydock login',
  'request.forbidden': 'ask somebody who has that role, or an admin to give it to you',
  'request.stale': 'look at it again, then repeat the command',
  'server.overloaded': 'repeat the command in a moment: it was not carried out',
  'server.unavailable': 'repeat the command in a moment: it was not carried out',
  'request.rate': 'repeat the command in a moment: it was not carried out',
  'campaign.empty': 'look at who would be updated: drydock campaign plan -f FILE',
  'artifact.conflict': 'push it with the metadata that it is stored with: drydock artifact show SHA',
};

function ofProblem(error: ApiProblemError): CliError {
  const { problem } = error;
  const fix = FIXES[error.code];
  const lines = (problem.errors ?? []).map(({ path, message }) => `${path}: ${message}`);
  return new CliError(error.code, exitOfProblem(error), problem.detail, {
    ...(fix !== undefined && { fix }),
    ...(error.requestId !== undefined && { requestId: error.requestId }),
    ...(problem.errors && { lines, problems: problem.errors }),
    cause: error,
  });
}

/** Before a connection stands nothing can have reached the server. */
const NEVER_SENT = new Set([
  'ECONNREFUSED',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'UND_ERR_CONNECT_TIMEOUT',
]);

/** @returns whether a failed try cannot have reached the server. */
export function neverSent(cause: unknown): boolean {
  for (let at = cause, depth = 0; at instanceof Error && depth < 5; at = at.cause, depth++) {
    const { code } = at as { code?: unknown };
    if (typeof code === 'string' && NEVER_SENT.has(code)) return true;
    if (at instanceof AggregateError && at.errors.length > 0 && at.errors.every(neverSent)) return true;
  }
  return false;
}

function ofSilence(error: ApiUnreachableError): CliError {
  const why = reasonOf(error.cause);
  if (error.outcome === 'unchanged') {
    return new CliError(
      'server.unreachable',
      EXIT.unreachable,
      `${error.baseUrl} does not answer (${why}). Nothing has changed.`,
      {
        fix: 'check the address and the network, then repeat the command: drydock context ls',
        cause: error,
      },
    );
  }
  return new CliError(
    'server.silent',
    EXIT.unknown,
    `${error.baseUrl} did not answer (${why}): whether this was done is not known.`,
    { fix: 'repeat the same command: what was done already is not done twice', cause: error },
  );
}

function reasonOf(cause: unknown): string {
  let last = 'no connection';
  for (let at = cause, depth = 0; at instanceof Error && depth < 5; at = at.cause, depth++) {
    if (at.name === 'TimeoutError') return 'no answer in time';
    const { code } = at as { code?: unknown };
    last = typeof code === 'string' ? code : at.message || last;
  }
  return last;
}

function ofUsage(error: CommanderError): CliError {
  const text = error.message.replace(/^error: /, '').trim();
  const [what = text, hint] = text.split('\n');
  const meant = hint === undefined ? undefined : /Did you mean (.*)\?/.exec(hint)?.[1];
  return new CliError(
    `usage.${error.code.replace(/^commander\./, '').replace(/[A-Z]/g, (c) => `-${c.toLowerCase()}`)}`,
    EXIT.usage,
    `${capital(what)}.`,
    {
      fix: meant === undefined ? 'see  drydock help' : `did you mean ${meant}?`,
      cause: error,
    },
  );
}

const capital = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1).replace(/\.$/, '');
