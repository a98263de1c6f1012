/** A version that must be reached over another one, and is taken back again: over HTTP, MQTT and real links. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { judge, sha256Hex } from '../judge.js';
import { until } from '../operator.js';
import { makeBoardPackage, type DemoPackage } from '../packages.js';
import { BOARD_MODEL } from '../simulated-site.js';
import { openWorld, type World } from '../world.js';

const IMAGE_BYTES = 16 * 1024;
const QUICK = { startMs: 20_000, downloadMs: 20_000, transferMs: 60_000, activateMs: 20_000, proveMs: 20_000 };

let world: World;

beforeAll(async () => {
  world = await openWorld({
    imageBytes: IMAGE_BYTES,
    supervisionMs: 1000,
    sites: [{ name: 'north', sensors: [], boards: [{}, {}] }],
  });
}, 120_000);

afterAll(async () => {
  await world?.close();
}, 60_000);

const upload = (made: DemoPackage, follows?: readonly string[]) =>
  world.operator.upload({
    bytes: made.file,
    name: made.fileName,
    model: made.model,
    version: made.version,
    runningVersion: made.version,
    ...(follows && { follows }),
  });

async function completed(id: string): Promise<void> {
  const campaign = await until('the campaign to end', 120_000, async () => {
    const now = await world.operator.campaign(id);
    return ['completed', 'halted', 'aborted'].includes(now.state) ? now : undefined;
  }).catch((error: unknown) => {
    throw new Error(`${String(error)}\n${world.words()}`);
  });
  const left = (await world.operator.deployments(id)).filter((one) => one.state !== 'proven');
  expect(left.map((one) => [one.device.name, one.state, one.outcomeCode, one.outcomeReason])).toEqual([]);
  expect({ state: campaign.state, proven: campaign.sums.proven }).toEqual({ state: 'completed', proven: 2 });
}

const runningHashes = () =>
  world.sites
    .flatMap((site) => site.units)
    .filter((unit) => unit.model === BOARD_MODEL)
    .map((unit) => unit.device.flash.runningImageSha256());

describe('an operator', () => {
  it('updates over the version that the new one requires, and takes it back in one call (P1, P3)', async () => {
    const [first, stone, target] = [1, 2, 3].map((round) => makeBoardPackage(round, world.boardKey, IMAGE_BYTES));
    const former = await upload(first!);
    await upload(stone!);
    const artifact = await upload(target!, [stone!.version]);

    const draft = await world.operator.createCampaign({
      name: 'over-a-stone',
      artifactId: artifact.id,
      policy: { stages: [{ name: 'all', percent: 100 }], timeouts: QUICK },
    });
    await world.operator.startCampaign(draft.id);
    await completed(draft.id);
    expect(runningHashes()).toEqual([sha256Hex(target!.image), sha256Hex(target!.image)]);
    // Each unit was started into the stone and into the target: two attempts, one trial.
    const deployments = await world.operator.deployments(draft.id);
    expect(deployments.map((one) => one.attempt)).toEqual([2, 2]);

    const back = await world.operator.rollBackCampaign(draft.id, 'it drains the battery');
    expect({ artifact: back.artifact.id, rollsBack: back.rollsBack }).toEqual({
      artifact: former.id,
      rollsBack: draft.id,
    });
    await world.operator.startCampaign(back.id);
    await completed(back.id);
    expect(runningHashes()).toEqual([sha256Hex(first!.image), sha256Hex(first!.image)]);
    expect(await judge(await world.server.databaseUrl(), world.sites)).toEqual([]);
  }, 300_000);
});
