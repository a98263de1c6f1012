/**
 * `npm run bundle -w @drydock/agent [-- --out DIR] [--version X.Y.Z] [--key PEM]`: the agent in one file, the launcher, and
 * native parts for every Linux that the serial library has them for; and the same as one signed archive for campaigns.
 *
 *   DIR/drydock-agent/drydock-agent.mjs   the launcher: what is started
 *   DIR/drydock-agent/agent.mjs           the agent
 *   DIR/drydock-agent/prebuilds/…, noble/ native parts of serialport; noble, which is loaded file by file
 *   DIR/drydock-agent-VERSION.zip         all of that but the launcher, signed (with --key) by the release key
 *
 * Runs on built sources (`npm run build`).
 */
import { createPrivateKey, sign } from 'node:crypto';
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, relative, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { build } from 'esbuild';
import { makeAgentBundle } from '@drydock/dfu-core';

const here = dirname(fileURLToPath(import.meta.url));
const require = createRequire(import.meta.url);
/** What gateways are; other prebuilds of the serial library stay out. */
const PLATFORMS = ['linux-x64', 'linux-arm64'];
const NATIVE_SOCKET = '@abandonware/bluetooth-hci-socket';

const { values } = parseArgs({
  options: {
    out: { type: 'string', default: join(here, 'dist-bundle') },
    version: { type: 'string' },
    key: { type: 'string' },
  },
});
const version = values.version ?? JSON.parse(readFileSync(join(here, 'package.json'), 'utf8')).version;
const folder = join(values.out, 'drydock-agent');
rmSync(folder, { recursive: true, force: true });
mkdirSync(folder, { recursive: true });

/** Packages of CommonJS in a module of ECMAScript: what they expect to be there. */
const BANNER = [
  "import { createRequire as drydockRequire } from 'node:module';",
  "import { dirname as drydockDirname } from 'node:path';",
  "import { fileURLToPath as drydockPath } from 'node:url';",
  'const require = drydockRequire(import.meta.url);',
  'const __filename = drydockPath(import.meta.url);',
  'const __dirname = drydockDirname(__filename);',
].join('\n');

const replaced = {
  name: 'drydock',
  setup(context) {
    // Its prebuilds lie beside the bundle.
    context.onLoad({ filter: /bindings-cpp[\\/]dist[\\/]serialport-bindings\.js$/ }, ({ path }) => {
      const contents = readFileSync(path, 'utf8');
      const changed = contents.replace("(0, path_1.join)(__dirname, '../')", '__dirname');
      if (changed === contents) throw new Error(`${path} is not as it was when this was written`);
      return { contents: changed, loader: 'js' };
    });
    context.onLoad({ filter: /apps[\\/]agent[\\/]dist[\\/]version\.js$/ }, () => ({
      contents: `export const AGENT_VERSION = ${JSON.stringify(version)};`,
      loader: 'js',
    }));
  },
};

const common = {
  bundle: true,
  platform: 'node',
  format: 'esm',
  target: 'node20.19',
  legalComments: 'eof',
  logLevel: 'warning',
  plugins: [replaced],
};
await build({
  ...common,
  entryPoints: [join(here, 'dist/main.js')],
  outfile: join(folder, 'agent.mjs'),
  minify: true,
  banner: { js: BANNER },
  // Loaded by hand from the folder beside it, or absent.
  external: [NATIVE_SOCKET, '@abandonware/noble', 'bufferutil', 'utf-8-validate'],
});
await build({
  ...common,
  entryPoints: [join(here, 'dist/upgrade/launcher.js')],
  outfile: join(folder, 'drydock-agent.mjs'),
  banner: { js: '#!/usr/bin/env node' },
});

const bindings = dirname(require.resolve('@serialport/bindings-cpp/package.json'));
for (const platform of PLATFORMS) {
  cpSync(join(bindings, 'prebuilds', platform), join(folder, 'prebuilds', platform), { recursive: true });
}
copyNoble();
copyNativeSocket();

const files = new Map();
for (const path of filesOf(folder)) {
  const name = relative(folder, path).split(sep).join('/');
  if (name !== 'drydock-agent.mjs') files.set(name, new Uint8Array(readFileSync(path)));
}
const key = values.key === undefined ? undefined : createPrivateKey(readFileSync(values.key));
if (key && key.asymmetricKeyType !== 'ed25519') throw new Error('the release key of the agent is an Ed25519 key');
const archive = makeAgentBundle({
  version,
  platforms: PLATFORMS,
  files,
  ...(key && { sign: (message) => new Uint8Array(sign(null, message, key)) }),
});
const archivePath = join(values.out, `drydock-agent-${version}.zip`);
writeFileSync(archivePath, archive);
cpSync(join(here, '../../deploy/drydock-agent.service'), join(folder, 'drydock-agent.service'));
process.stdout.write(
  `${JSON.stringify({
    version,
    folder,
    archive: archivePath,
    archiveBytes: archive.length,
    agentBytes: statSync(join(folder, 'agent.mjs')).size,
    platforms: PLATFORMS,
    signed: key !== undefined,
    kernelBluetooth: existsSync(join(folder, 'node_modules', NATIVE_SOCKET)),
  })}\n`,
);

/** noble is loaded file by file, so its files lie beside the bundle. */
function copyNoble() {
  let from;
  try {
    from = dirname(require.resolve('@abandonware/noble/package.json'));
  } catch {
    process.stderr.write('noble is not installed: this bundle has no Bluetooth\n');
    return;
  }
  for (const name of ['package.json', 'LICENSE', 'with-bindings.js', 'lib']) {
    cpSync(join(from, name), join(folder, 'noble', name), { recursive: true });
  }
}

/** For kernel adapters (hci0): only where it was built on this machine, and for this machine alone. */
function copyNativeSocket() {
  let from;
  try {
    from = dirname(require.resolve(`${NATIVE_SOCKET}/package.json`));
  } catch {
    return;
  }
  const binary = filesOf(from).find((path) => path.endsWith('bluetooth_hci_socket.node'));
  if (!binary) {
    process.stderr.write(
      `without the native part of ${NATIVE_SOCKET}: kernel adapters (hci0) need it built here first; controllers over H4 do not\n`,
    );
    return;
  }
  for (const name of ['package.json', 'index.js', 'lib', relative(from, binary)]) {
    cpSync(join(from, name), join(folder, 'node_modules', NATIVE_SOCKET, name), { recursive: true });
  }
}

function filesOf(dir) {
  return readdirSync(dir, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath ?? entry.path, entry.name))
    .sort();
}
