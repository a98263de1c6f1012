/** The order key is changed under a site that works: the agent follows its root, and devices are updated as before. */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { until } from '../operator.js';
import { makeSensorPackage } from '../packages.js';
import { openWorld, type World } from '../world.js';

const IMAGE_BYTES = 16 * 1024;
const MAINTENANCE = fileURLToPath(new URL('../../../server/dist/maintenance/main.js', import.meta.url));

let world: World;
beforeAll(async () => {
  world = await openWorld({ imageBytes: IMAGE_BYTES, sites: [{ name: 'north', sensors: [{}], boards: [] }] });
}, 120_000);
afterAll(async () => {
  await world?.close();
}, 60_000);

async function command(...args: string[]): Promise<string> {
  const done = spawnSync(process.execPath, [MAINTENANCE, ...args], {
    encoding: 'utf8',
    timeout: 60_000,
    env: {
      PATH: process.env.PATH,
      DRYDOCK_DATA_DIR: world.server.dataDir,
      DATABASE_URL: await world.server.databaseUrl(),
    },
  });
  if (done.status !== 0) throw new Error(`${done.stdout}${done.stderr}`);
  return done.stdout;
}

/** What the agent has pinned. */
function rootOfAgent(): { version: number; orderKeys: unknown[] } {
  const path = join(world.agents[0]!.options.stateDir, 'state.json');
  const { enrolment } = JSON.parse(readFileSync(path, 'utf8')) as {
    enrolment: { root: { version: number; orderKeys: unknown[] } };
  };
  return enrolment.root;
}

async function update(version: number): Promise<void> {
  const made = makeSensorPackage(version, world.sensorKey, IMAGE_BYTES);
  const artifact = await world.operator.upload({
    bytes: made.file,
    name: made.fileName,
    model: made.model,
    version: made.version,
    runningVersion: made.version,
  });
  const draft = await world.operator.createCampaign({
    name: `order-key-${version}`,
    artifactId: artifact.id,
    selector: { models: [made.model] },
    policy: { stages: [{ name: 'all', percent: 100, gate: { minKnown: 1 } }] },
  });
  await world.operator.startCampaign(draft.id);
  const ended = await until('the campaign to end', 90_000, async () => {
    const campaign = await world.operator.campaign(draft.id);
    return ['completed', 'halted', 'aborted'].includes(campaign.state) ? campaign : undefined;
  }).catch((error: unknown) => {
    throw new Error(`${String(error)}\n${world.words()}`);
  });
  expect([ended.state, ended.sums.proven]).toEqual(['completed', 1]);
}

describe('a new order key', () => {
  it('reaches the agent with the first order that is signed by it, and the site goes on', async () => {
    const rootKey = join(world.server.dataDir, 'keys', 'root.key.json');
    expect(rootOfAgent()).toMatchObject({ version: 1 });
    expect(await command('rotate-order-key', '--root-key', rootKey, '--overlap-hours', '24')).toContain(
      'New order key',
    );
    await world.server.crash();
    await world.server.restart();
    await update(2);
    expect(rootOfAgent().version).toBe(2);
    expect(rootOfAgent().orderKeys).toHaveLength(2);
    // A key that was stolen is dropped without an overlap; what was signed ahead is overtaken.
    await command('rotate-order-key', '--root-key', rootKey, '--overlap-hours', '0');
    await world.server.crash();
    await world.server.restart();
    await until('the agent to drop the stolen key', 150_000, () =>
      Promise.resolve(rootOfAgent().version === 4 && rootOfAgent().orderKeys.length === 1),
    );
  }, 360_000);
});
