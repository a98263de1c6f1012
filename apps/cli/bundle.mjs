/**
 * `npm run bundle -w @drydock/cli [-- --out DIR] [--version X.Y.Z]`: the command line in one file, DIR/drydock.mjs, that needs
 * Node alone. Runs on built sources (`npm run build`).
 */
import { chmodSync, mkdirSync, readFileSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { build } from 'esbuild';

const here = dirname(fileURLToPath(import.meta.url));
const { values } = parseArgs({
  options: { out: { type: 'string', default: join(here, 'dist-bundle') }, version: { type: 'string' } },
});
const version = values.version ?? JSON.parse(readFileSync(join(here, 'package.json'), 'utf8')).version;
const outfile = join(values.out, 'drydock.mjs');
mkdirSync(values.out, { recursive: true });
await build({
  bundle: true,
  platform: 'node',
  format: 'esm',
  target: 'node20.19',
  minify: true,
  legalComments: 'eof',
  logLevel: 'warning',
  entryPoints: [join(here, 'dist/main.js')],
  outfile,
  // Packages of CommonJS in a module of ECMAScript: what they expect to be there.
  banner: {
    js: [
      '#!/usr/bin/env node',
      "import { createRequire as drydockRequire } from 'node:module';",
      'const require = drydockRequire(import.meta.url);',
    ].join('\n'),
  },
  plugins: [
    {
      name: 'drydock',
      setup(context) {
        context.onLoad({ filter: /apps[\\/]cli[\\/]dist[\\/]version\.js$/ }, () => ({
          contents: `export const CLI_VERSION = ${JSON.stringify(version)};`,
          loader: 'js',
        }));
      },
    },
  ],
});
chmodSync(outfile, 0o755);
process.stdout.write(`${JSON.stringify({ version, file: outfile, bytes: statSync(outfile).size })}\n`);
