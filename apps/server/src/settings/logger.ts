/** One log for the whole server: JSON lines on standard error, secrets taken out. */
import { Writable } from 'node:stream';
import type { LoggerService } from '@nestjs/common';
import { pino, type Logger } from 'pino';

/** Injection token of the pino logger. */
export const LOGGER = Symbol('Logger');

/** Names under which a secret could travel; nested up to two levels, as in request and error objects. */
const SECRET_NAMES = [
  'authorization',
  'cookie',
  'password',
  'token',
  'secret',
  'adminToken',
  'tokenHash',
  'd',
  'privateJwk',
  'databaseUrl',
  'redisUrl',
  'mqttUrl',
  's3SecretAccessKey',
  's3AccessKeyId',
  'metricsToken',
  'connectionString',
  // of database errors: what was written stands in it
  'parameters',
];

const SECRET_TEXT =
  /dd(?:enrol)?_[A-Za-z0-9_-]{43}|eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+|(?<=:\/\/[^\s:@/]*:)[^\s@/]+(?=@)/g;

/** Takes API tokens, signed tokens and passwords of URLs out of a text. */
export function redactText(text: string): string {
  return text.replace(SECRET_TEXT, '[redacted]');
}

export function makeLogger(level: string, to: NodeJS.WritableStream = process.stderr): Logger {
  // Names catch what is logged as a field; the text is the net for what hides in a sentence or a stack.
  const net = new Writable({
    write: (chunk: Buffer, _encoding, done) => {
      to.write(redactText(chunk.toString('utf8')));
      done();
    },
  });
  return pino(
    {
      level,
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      redact: {
        paths: [...SECRET_NAMES.flatMap((name) => [name, `*.${name}`, `*.*.${name}`]), '*.driverError.detail'],
        censor: '[redacted]',
      },
    },
    net,
  );
}

/** Nest's own messages in the same log; its start-up chatter is for debugging. */
export function nestLogger(logger: Logger): LoggerService {
  const words = (message: unknown) => (message instanceof Error ? message.message : String(message));
  return {
    log: (message: unknown, context?: unknown) => logger.debug({ context }, words(message)),
    warn: (message: unknown, context?: unknown) => logger.warn({ context }, words(message)),
    error: (message: unknown, ...rest: unknown[]) =>
      logger.error({ context: rest.at(-1), stack: rest[0] }, words(message)),
    debug: (message: unknown, context?: unknown) => logger.debug({ context }, words(message)),
    verbose: (message: unknown, context?: unknown) => logger.trace({ context }, words(message)),
  };
}
