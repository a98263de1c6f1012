/** Logs go to stderr as JSON lines; what is secret never gets into one. */
import { pino, type Logger as PinoLogger } from 'pino';

export type Logger = Pick<PinoLogger, 'debug' | 'info' | 'warn' | 'error'>;

const SECRETS = ['token', 'password', 'authorization', 'key', 'privateJwk', 'd', 'envelope', 'certificate'];

/**
 * @param level a pino level; `silent` for none.
 * @param also takes each line (with its newline), beside stderr.
 */
export function createLogger(level: string, also?: (line: string) => void): Logger & { level: string } {
  return pino(
    {
      level,
      base: null,
      timestamp: () => `,"time":"${new Date().toISOString()}"`,
      redact: { paths: SECRETS.flatMap((name) => [name, `*.${name}`, `*.*.${name}`]), censor: '[secret]' },
    },
    {
      write: (line: string) => {
        process.stderr.write(line);
        also?.(line);
      },
    },
  );
}

export const SILENT: Logger = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
};

/** Says the first of a row of equal lines, then the 2nd, 4th, 8th …: a gateway that is offline for a year fills no disk. */
export class RepeatedLine {
  #text = '';
  #count = 0;

  say(text: string, write: (line: string, times: number) => void): void {
    this.#count = text === this.#text ? this.#count + 1 : 1;
    this.#text = text;
    if ((this.#count & (this.#count - 1)) === 0) write(text, this.#count);
  }

  reset(): void {
    this.#text = '';
    this.#count = 0;
  }
}
