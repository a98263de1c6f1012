/**
 * Runs all tests under Node 24. The runtime comes from the npm registry as a package (no download
 * step of its own) and is kept under `.drydock/`, outside the workspace's own installation.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const VERSION = '24.21.0';
const root = dirname(dirname(fileURLToPath(import.meta.url)));
const home = join(root, '.drydock', 'node24');
const packageName = `node-${process.platform === 'win32' ? 'win' : process.platform}-${process.arch}`;
const binDir = join(home, 'node_modules', packageName, 'bin');
const node = join(binDir, 'node');

if (!existsSync(node)) {
  mkdirSync(home, { recursive: true });
  const cli = process.env.npm_execpath;
  const command = cli ? [process.execPath, cli] : ['npm'];
  const result = spawnSync(
    command[0],
    [
      ...command.slice(1),
      'install',
      '--prefix',
      home,
      '--no-save',
      '--no-package-lock',
      '--workspaces=false',
      `${packageName}@${VERSION}`,
    ],
    { stdio: 'inherit', cwd: home },
  );
  if (result.status !== 0 || !existsSync(node)) {
    console.error(
      `Node ${VERSION} could not be installed from the package ${packageName}; the Node 24 lane cannot run here.`,
    );
    process.exit(1);
  }
}

const version = spawnSync(node, ['--version'], { encoding: 'utf8' }).stdout.trim();
console.log(`Running the tests under Node ${version}`);
const run = spawnSync(node, [join(root, 'tools', 'bootstrap.mjs'), 'jest', ...process.argv.slice(2)], {
  stdio: 'inherit',
  cwd: root,
  env: { ...process.env, PATH: `${binDir}${delimiter}${process.env.PATH ?? ''}`, DRYDOCK_KEEP_INSTALLATION: '1' },
});
process.exit(run.status ?? 1);
