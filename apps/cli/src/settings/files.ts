/** Files of the person alone: folder 0700, file 0600, written whole or not at all. */
import { randomBytes } from 'node:crypto';
import { chmodSync, mkdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { EXIT } from '../exit-codes.js';
import { CliError } from '../errors/cli-error.js';

const MOST_BYTES = 1024 * 1024;

/** @returns undefined where there is no file. @throws CliError `settings.unreadable` */
export function readPrivate(path: string): string | undefined {
  try {
    if (statSync(path).size > MOST_BYTES) throw new Error(`larger than ${MOST_BYTES} bytes`);
    return readFileSync(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw new CliError('settings.unreadable', EXIT.refused, `${path} cannot be read: ${(error as Error).message}.`, {
      cause: error,
    });
  }
}

/** @throws CliError `settings.open` where others may read what must stay secret. */
export function readSecret(path: string): string | undefined {
  const text = readPrivate(path);
  if (text === undefined || process.platform === 'win32') return text;
  const mode = statSync(path).mode & 0o077;
  if (mode === 0) return text;
  throw new CliError('settings.open', EXIT.refused, `Others may read ${path}, and it holds a token.`, {
    fix: `chmod 600 ${path}`,
  });
}

/** @throws CliError `settings.unwritable` */
export function writePrivate(path: string, text: string): void {
  const draft = `${path}.${randomBytes(6).toString('hex')}`;
  try {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    writeFileSync(draft, text, { mode: 0o600 });
    chmodSync(draft, 0o600);
    renameSync(draft, path);
  } catch (error) {
    rmSync(draft, { force: true });
    throw new CliError('settings.unwritable', EXIT.refused, `${path} cannot be written: ${(error as Error).message}.`, {
      cause: error,
    });
  }
}
