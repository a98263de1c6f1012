/**
 * `npm run soak -- NAME [--rounds N] [--seed N]`: the long forms of the random tests.
 * `chaos`: the crash run (default 20 rounds). `wire`: the exploration of the wire rules; its rounds are histories.
 * `nordic`: Secure DFU on units that are cut off at object borders and at random (in virtual time; 1000 rounds are a few minutes).
 * `smp`: SMP sessions cut at every 1 % of the image, over a pseudo-terminal, over Bluetooth and in virtual time.
 * `engine`: histories of the campaign engine on a real database in virtual time. `fleet`: 2 000 devices on 50 gateways
 * under two servers, outside broker and database, all of which are killed. `partition`: 30 % of the gateways are cut
 * off, then a pause. `agent`: the torture run of the agent; each round is a dozen devices and a storm of its own (about two
 * minutes). The two before it need the binaries of the scaled lane. `dashboard`: all of 100 000 rows, and a page under live
 * events for a minute.
 */
import { runChaos, runFleet, runPartition } from '@drydock/e2e';
import { spawnSync } from 'node:child_process';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { startOutsideServices } from './outside-services.js';
import { torture } from './soak/agent/torture.js';
import { soakNordic } from './soak/nordic.js';

const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..');
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    rounds: { type: 'string', default: '20' },
    seed: { type: 'string' },
    gateways: { type: 'string', default: '50' },
  },
});
const seed = Number(values.seed ?? Math.floor(Math.random() * 1_000_000));
const rounds = Number(values.rounds);

/** Long forms of specs. */
const SPECS = {
  wire: ['apps/server/src/domain/wire-model'],
  engine: ['apps/server/src/features/dispatch/engine-model.spec.ts'],
  smp: ['apps/agent/src/links/smp-resume', 'libs/device-sim/src/targets/smp'],
  dashboard: ['apps/e2e/src/stories/dashboard-hands-story'],
} as const;

switch (positionals[0]) {
  case 'chaos': {
    console.log(`crash run: ${rounds} rounds, seed ${seed}`);
    const broken = await runChaos({ rounds, seed, say: (line) => console.log(line) });
    console.log(JSON.stringify({ soak: 'chaos', rounds, seed, broken: broken.length }));
    process.exit(broken.length === 0 ? 0 : 1);
    break;
  }
  case 'fleet':
  case 'partition': {
    const services = await startOutsideServices(join(root, 'deploy', 'mosquitto', 'acl'));
    // Interrupted or not, nothing is left behind; the servers end with their database.
    for (const signal of ['SIGINT', 'SIGTERM'] as const) {
      process.once(signal, () => void services.stop().finally(() => process.exit(1)));
    }
    console.log(`${positionals[0]} run: ${rounds} rounds, seed ${seed}`);
    const run = positionals[0] === 'fleet' ? runFleet : runPartition;
    const broken = await run({
      rounds,
      seed,
      gateways: Number(values.gateways),
      devicesPerGateway: 40,
      outside: services,
      say: (line) => console.log(line),
    }).catch((error: unknown) => [error instanceof Error ? error.message : String(error)]);
    await services.stop();
    for (const sentence of broken.slice(0, 50)) console.error(sentence);
    console.log(JSON.stringify({ soak: positionals[0], rounds, seed, broken: broken.length }));
    process.exit(broken.length === 0 ? 0 : 1);
    break;
  }
  case 'dashboard':
  case 'engine':
  case 'smp':
  case 'wire': {
    const run = spawnSync(process.execPath, [join(root, 'tools', 'run-jest.mjs'), ...SPECS[positionals[0]]], {
      stdio: 'inherit',
      cwd: root,
      env: {
        ...process.env,
        DRYDOCK_SOAK: '1',
        DRYDOCK_SEED: String(seed),
        ...(process.argv.includes('--rounds') && { DRYDOCK_ROUNDS: String(rounds) }),
      },
    });
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
  case 'agent': {
    const wanted = process.argv.includes('--rounds') ? rounds : 3;
    console.log(`torture of the agent: ${wanted} rounds, seed ${seed}`);
    let broken = 0;
    for (let round = 0; round < wanted; round += 1) {
      const result = await torture({
        seed: seed + round,
        imageBytes: 24 * 1024,
        stormMs: 60_000,
        troubleEveryMs: 500,
        calmMs: 400_000,
        say: (line) => console.log(line),
      });
      for (const { unit, history, final } of result.members) {
        console.log(`  ${unit.family.model}: ${final} after ${history.join(', ')}`);
      }
      for (const what of result.broken) console.error(`seed ${seed + round}: ${what}`);
      broken += result.broken.length;
    }
    console.log(JSON.stringify({ soak: 'agent', rounds: wanted, seed, broken }));
    process.exit(broken === 0 ? 0 : 1);
    break;
  }
  default:
    console.error(
      'Usage: npm run soak -- agent|chaos|dashboard|wire|engine|fleet|partition|nordic|smp [--rounds N] [--seed N]',
    );
    process.exit(2);
}
