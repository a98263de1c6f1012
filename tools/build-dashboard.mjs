/** Builds the dashboard where its sources changed since; then packs the files, and holds them to their budget. */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { brotliCompressSync, constants } from 'node:zlib';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const dashboard = join(root, 'apps/dashboard');
const site = join(dashboard, 'dist/site');
const stampFile = join(dashboard, 'dist/built-from');
/** JavaScript that a first visit loads, compressed. */
const FIRST_LOAD_CEILING = 300_000;

function filesUnder(folder) {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) =>
    entry.isDirectory() ? filesUnder(join(folder, entry.name)) : [join(folder, entry.name)],
  );
}

/** Of everything that the built files are made from. */
function fingerprint() {
  const hash = createHash('sha256');
  const folders = ['apps/dashboard/src', 'apps/dashboard/public', 'libs/contracts/src', 'libs/api-client/src'];
  const files = ['apps/dashboard/index.html', 'apps/dashboard/vite.config.mjs', 'apps/dashboard/package.json'];
  files.push('package-lock.json', 'tools/build-dashboard.mjs');
  for (const file of [
    ...folders.flatMap((folder) => filesUnder(join(root, folder))),
    ...files.map((f) => join(root, f)),
  ]) {
    if (file.endsWith('.spec.ts')) continue;
    hash.update(file.slice(root.length)).update(readFileSync(file));
  }
  return hash.digest('hex');
}

const wanted = fingerprint();
if (existsSync(join(site, 'index.html')) && existsSync(stampFile) && readFileSync(stampFile, 'utf8') === wanted) {
  process.exit(0);
}

const vite = join(dirname(createRequire(join(dashboard, 'package.json')).resolve('vite/package.json')), 'bin/vite.js');
const built = spawnSync(process.execPath, [vite, 'build', '--logLevel', 'warn'], { cwd: dashboard, stdio: 'inherit' });
if (built.status !== 0) process.exit(built.status ?? 1);

const sizes = new Map();
for (const file of filesUnder(join(site, 'assets'))) {
  const packed = brotliCompressSync(readFileSync(file), { params: { [constants.BROTLI_PARAM_QUALITY]: 10 } });
  writeFileSync(`${file}.br`, packed);
  sizes.set(file.slice(site.length + 1), { packed: packed.length, plain: statSync(file).size });
}

// What the page names itself (its script, and what that imports at once) is the first load.
const page = readFileSync(join(site, 'index.html'), 'utf8');
const first = [...sizes].filter(([name]) => name.endsWith('.js') && page.includes(`/${name}`));
const kB = (bytes) => `${Math.round(bytes / 100) / 10} kB`;
const firstLoad = first.reduce((sum, [, size]) => sum + size.packed, 0);
const later =
  [...sizes].filter(([name]) => name.endsWith('.js')).reduce((sum, [, size]) => sum + size.packed, 0) - firstLoad;
console.log(`dashboard: first load ${kB(firstLoad)} of compressed JavaScript, ${kB(later)} on demand`);
if (firstLoad > FIRST_LOAD_CEILING) {
  console.error(`dashboard: more than ${kB(FIRST_LOAD_CEILING)}. Split something off with a dynamic import.`);
  process.exit(1);
}
writeFileSync(stampFile, wanted);
