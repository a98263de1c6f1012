/**
 * `npm run soak -- NAME [--rounds N] [--seed N]`: the long forms of the random tests.
 * `chaos`: the crash run (default 20 rounds). `wire`: the exploration of the wire rules. `nordic`: Secure DFU on units
 * that are cut off at object borders and at random (in virtual time; 1000 rounds are a few minutes).
 */
import { runChaos } from '@drydock/e2e';
import { spawnSync } from 'node:child_process';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { soakNordic } from './soak/nordic.js';

const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..');
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { rounds: { type: 'string', default: '20' }, seed: { type: 'string' } },
});
const seed = Number(values.seed ?? Math.floor(Math.random() * 1_000_000));
const rounds = Number(values.rounds);

switch (positionals[0]) {
  case 'chaos': {
    console.log(`crash run: ${rounds} rounds, seed ${seed}`);
    const broken = await runChaos({ rounds, seed, say: (line) => console.log(line) });
    console.log(JSON.stringify({ soak: 'chaos', rounds, seed, broken: broken.length }));
    process.exit(broken.length === 0 ? 0 : 1);
    break;
  }
  case 'wire': {
    const run = spawnSync(
      process.execPath,
      [join(root, 'tools', 'run-jest.mjs'), 'apps/server/src/domain/wire-model'],
      {
        stdio: 'inherit',
        cwd: root,
        env: { ...process.env, DRYDOCK_SOAK: '1', DRYDOCK_SEED: String(seed) },
      },
    );
    process.exit(run.status ?? 1);
    break;
  }
  case 'nordic': {
    console.log(`nordic: ${rounds} devices, seed ${seed}`);
    const broken = soakNordic({ rounds, seed, say: (line) => console.log(line) });
    console.log(JSON.stringify({ soak: 'nordic', rounds, seed, broken: broken.length }));
    process.exit(broken.length === 0 ? 0 : 1);
    break;
  }
  default:
    console.error('Usage: npm run soak -- chaos|wire|nordic [--rounds N] [--seed N]');
    process.exit(2);
}
