/**
 * Any history of operators, gateways, devices, servers and clocks keeps the promises, judged after every step by
 * observers that are not the engine. Runs the engine as it is, on a real Postgres whose clock the test moves.
 *
 * `DRYDOCK_SEED` repeats a run, `DRYDOCK_ROUNDS` says how many histories (`npm run soak -- engine`).
 */
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import fc from 'fast-check';
import { EngineWorld } from './engine-model/engine-world.fixture.js';
import { heal } from './engine-model/heal.fixture.js';
import { liveOn } from './engine-model/live-on.fixture.js';
import { SCENES_OF_FAULTS } from './engine-model/scenes-of-faults.fixture.js';
import { SCENES_OF_STAGES } from './engine-model/scenes-of-stages.fixture.js';
import { forgetBackup, stories } from './engine-model/steps.fixture.js';

const SOAK = process.env.DRYDOCK_SOAK === '1';
const SEED = Number(process.env.DRYDOCK_SEED ?? Math.floor(Math.random() * 1_000_000));
const ROUNDS = Number(process.env.DRYDOCK_ROUNDS ?? (SOAK ? 100 : 8));
/** No new history begins after it: the lane's time is bounded whatever the machine is. */
const SHORT_MS = 12_000;
jest.setTimeout(SOAK ? 24 * 3_600_000 : 180_000);

let world: EngineWorld;
beforeAll(async () => {
  world = await EngineWorld.open();
}, 120_000);
afterAll(async () => {
  await world?.close();
});

async function begin(): Promise<void> {
  await world.begin();
  for (const campaign of world.campaigns.slice(0, 2)) await world.act(`/api/v1/campaigns/${campaign}/start`, {});
}

describe('P1-P5, P8-P11: where one rule decides', () => {
  it.each([...SCENES_OF_FAULTS, ...SCENES_OF_STAGES])('$name', async ({ play }) => {
    await begin();
    await play(world);
    await world.check();
  });
});

describe('P1-P5, P8-P11: any history', () => {
  it('keeps the promises after every step, and ends once everybody is back', async () => {
    process.stdout.write(`engine model: seed ${SEED}, at most ${ROUNDS} histories\n`);
    const startedAt = performance.now();
    let played = 0;
    let failed = 0;
    let story: string[] = [];
    const result = await fc.check(
      fc.asyncProperty(stories(SOAK ? 60 : 40), async (steps) => {
        if (!SOAK && failed === 0 && performance.now() - startedAt > SHORT_MS) return;
        const told: string[] = [];
        forgetBackup();
        try {
          await begin();
          await liveOn(world, 2, 'well', 1_000);
          for (const step of steps) await step.run(world, told);
          told.push('people mend what can be mended');
          await heal(world);
          played += 1;
        } catch (error) {
          failed += 1;
          story = told;
          throw error;
        }
      }),
      {
        seed: SEED,
        numRuns: ROUNDS,
        endOnFailure: process.env.DRYDOCK_SHRINK === '0',
        interruptAfterTimeLimit: SOAK ? 23 * 3_600_000 : 150_000,
      },
    );
    process.stdout.write(
      `engine model: ${played} histories, ${Math.round((performance.now() - startedAt) / 1000)} s\n`,
    );
    if (result.failed) {
      throw new Error(
        `DRYDOCK_SEED=${SEED}: ${String(result.errorInstance)}\nThe last story that broke it:\n  ${story.join('\n  ')}\n` +
          fc.defaultReportMessage(result),
      );
    }
    expect(played).toBeGreaterThan(0);
  });
});
