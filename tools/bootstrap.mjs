/**
 * The one entry behind every `npm run` command. Uses nothing but Node: installs what is missing,
 * builds, then runs the command. See README.md for the commands.
 */
import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const [command = 'help', ...args] = process.argv.slice(2);
const [major, minor] = process.versions.node.split('.').map(Number);
if (major < 20 || (major === 20 && minor < 19)) {
  console.error(`Drydock needs Node 20.19 or newer; this is ${process.versions.node}.`);
  process.exit(2);
}
process.chdir(root);

/** Environment of everything that is started: Nx stays local and asks nothing. */
const env = {
  ...process.env,
  NX_NO_CLOUD: 'true',
  NX_DAEMON: 'false',
  NX_TUI: 'false',
  FORCE_COLOR: process.stdout.isTTY ? '1' : '0',
};

/** Runs a program to its end; ends this process with its status if it fails. */
function run(program, programArgs, { allowFailure = false } = {}) {
  const result = spawnSync(program, programArgs, { stdio: 'inherit', cwd: root, env });
  if (result.error) {
    console.error(`${program} could not be started: ${result.error.message}`);
    process.exit(1);
  }
  const status = result.status ?? 1;
  if (status !== 0 && !allowFailure) process.exit(status);
  return status;
}

/** A program of Node, beside others. @returns its status when it has ended. */
function startNode(file, fileArgs = []) {
  const child = spawn(process.execPath, [file, ...fileArgs], { stdio: 'inherit', cwd: root, env });
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (code) => resolve(code ?? 1));
  });
}

const node = (file, fileArgs = [], options = {}) => run(process.execPath, [file, ...fileArgs], options);
const tool = (file) => join(root, 'node_modules', file);

function npm(npmArgs) {
  const cli = process.env.npm_execpath;
  if (cli && /\.[cm]?js$/.test(cli)) return run(process.execPath, [cli, ...npmArgs]);
  return run(process.platform === 'win32' ? 'npm.cmd' : 'npm', npmArgs);
}

/** `npm ci` when there is no installation, or when the lockfile has changed since. */
function install() {
  const lock = readFileSync('package-lock.json');
  const wanted = createHash('sha256').update(lock).digest('hex');
  if (process.env.DRYDOCK_KEEP_INSTALLATION === '1') return;
  const stampFile = 'node_modules/.drydock-installed';
  if (existsSync(stampFile) && readFileSync(stampFile, 'utf8') === wanted) return;
  const marker = 'node_modules/.package-lock.json';
  const byHand = existsSync(marker) && statSync(marker).mtimeMs >= statSync('package-lock.json').mtimeMs;
  if (!byHand) {
    console.error('Installing what is missing (npm ci) …');
    npm(['ci', '--include=dev', '--include=optional', '--no-fund', '--no-audit']);
  }
  writeFileSync(stampFile, wanted);
}

/** Libraries and programs; beside them the dashboard, which is made from sources alone. */
async function build() {
  const statuses = await Promise.all([
    startNode(tool('typescript/bin/tsc'), ['-b', 'tsconfig.build.json']),
    startNode('tools/build-dashboard.mjs'),
  ]);
  const failed = statuses.find((status) => status !== 0);
  if (failed !== undefined) process.exit(failed);
  return 0;
}

/** Format, lint with boundaries, types, cycles, of what is built. Runs all, then fails if one failed. */
function check() {
  const steps = [
    [
      'format',
      () => node(tool('prettier/bin/prettier.cjs'), ['--check', '--log-level', 'warn', '.'], { allowFailure: true }),
    ],
    ['types', () => node(tool('typescript/bin/tsc'), ['-b', 'tsconfig.json'], { allowFailure: true })],
    [
      'lint and boundaries',
      () =>
        node(tool('nx/dist/bin/nx.js'), ['run-many', '-t', 'lint', '--parallel=2', '--output-style=static'], {
          allowFailure: true,
        }),
    ],
    [
      'cycles',
      () =>
        node(
          tool('dependency-cruiser/bin/dependency-cruise.mjs'),
          ['libs', 'apps', 'tools', 'bench', '--config', '.dependency-cruiser.cjs', '--output-type', 'err'],
          {
            allowFailure: true,
          },
        ),
    ],
    ['generated docs', () => node('tools/dist/generate-docs.js', ['--check'], { allowFailure: true })],
  ];
  const failed = [];
  for (const [name, step] of steps) {
    const started = Date.now();
    const status = step();
    console.error(`check: ${name} ${status === 0 ? 'ok' : 'FAILED'} (${Math.round((Date.now() - started) / 1000)} s)`);
    if (status !== 0) failed.push(name);
  }
  if (failed.length > 0) {
    console.error(`check failed: ${failed.join(', ')}`);
    return 1;
  }
  return 0;
}

/** The check as a process beside this one; what it writes comes in one piece at its end. */
function checkBeside() {
  const child = spawn(process.execPath, [fileURLToPath(import.meta.url), 'check'], {
    cwd: root,
    env: { ...env, DRYDOCK_KEEP_INSTALLATION: '1' },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const said = [];
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => said.push(chunk));
  return new Promise((resolve) => {
    child.once('error', (error) => said.push(`check could not be started: ${error.message}\n`));
    child.once('close', (code) => {
      process.stderr.write(Buffer.concat(said.map((part) => Buffer.from(part))));
      resolve(code ?? 1);
    });
  });
}

/** Jest, with its counts added to the file named by DRYDOCK_TEST_COUNTS (used by .ci/run). */
async function jest(jestArgs) {
  const outDir = join(tmpdir(), `drydock-jest-${process.pid}`);
  mkdirSync(outDir, { recursive: true });
  const outFile = join(outDir, 'result.json');
  const status = await startNode('tools/run-jest.mjs', ['--json', `--outputFile=${outFile}`, ...jestArgs]);
  let passed = 0;
  let failed = status === 0 ? 0 : 1;
  try {
    const result = JSON.parse(readFileSync(outFile, 'utf8'));
    passed = result.numPassedTests;
    failed = Math.max(result.numFailedTests + result.numRuntimeErrorTestSuites, failed);
  } catch {
    console.error('Jest left no result.');
  }
  rmSync(outDir, { recursive: true, force: true });
  report(passed, failed);
  return status;
}

function report(passed, failed) {
  console.log(`tests: ${passed} passed, ${failed} failed`);
  if (process.env.DRYDOCK_TEST_COUNTS) {
    writeFileSync(process.env.DRYDOCK_TEST_COUNTS, `${passed} ${failed}\n`, { flag: 'a' });
  }
}

async function maintenance(what) {
  install();
  await build();
  return node('apps/server/dist/maintenance/main.js', [what, ...args], { allowFailure: true });
}

const commands = {
  start: async () => {
    install();
    await build();
    return node('tools/dist/start.js', args, { allowFailure: true });
  },
  // Beside a server that runs, or without one: node apps/server/dist/maintenance/main.js --help
  backup: () => maintenance('backup'),
  restore: () => maintenance('restore'),
  'rotate-order-key': () => maintenance('rotate-order-key'),
  demo: async () => {
    install();
    await build();
    return node('tools/dist/demo.js', args, { allowFailure: true });
  },
  bench: async () => {
    install();
    await build();
    return node('bench/dist/main.js', args, { allowFailure: true });
  },
  simulate: async () => {
    install();
    await build();
    return node('tools/dist/simulate.js', args, { allowFailure: true });
  },
  soak: async () => {
    install();
    await build();
    return node('tools/dist/soak.js', args, { allowFailure: true });
  },
  check: async () => {
    install();
    await build();
    return check();
  },
  test: async () => {
    install();
    // The stories start servers and agents as processes of their own, and the check compares documents, from what was built.
    await build();
    const checking = checkBeside();
    const tested = await jest(args);
    const checked = await checking;
    report(checked === 0 ? 1 : 0, checked === 0 ? 0 : 1);
    return checked || tested;
  },
  'test:scaled': async () => {
    install();
    await build();
    return node('tools/dist/test-scaled.js', args, { allowFailure: true });
  },
  'test:node24': async () => {
    install();
    await build();
    return node('tools/test-node24.mjs', args, { allowFailure: true });
  },
  jest: async () => {
    install();
    // The stories start servers and agents as processes of their own, from what was built.
    await build();
    return jest(args);
  },
  build: async () => {
    install();
    return build();
  },
};

const chosen = commands[command];
if (!chosen) {
  console.error(`Commands: ${Object.keys(commands).join(', ')}`);
  process.exit(2);
}
process.exitCode = await chosen();
