/** What an operator does on the first day, over HTTP, MQTT and real links. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { judge, sha256Hex } from '../judge.js';
import { RefusedByServer, until } from '../operator.js';
import { makeBoardPackage, makeSensorPackage } from '../packages.js';
import { BOARD_MODEL, SENSOR_MODEL } from '../simulated-site.js';
import { openWorld, type World } from '../world.js';

const IMAGE_BYTES = 16 * 1024;
const QUICK = { startMs: 20_000, downloadMs: 20_000, transferMs: 60_000, activateMs: 20_000, proveMs: 20_000 };

let world: World;

beforeAll(async () => {
  world = await openWorld({
    imageBytes: IMAGE_BYTES,
    supervisionMs: 1000,
    sites: [
      { name: 'north', sensors: [{}, {}], boards: [{}] },
      { name: 'south', sensors: [{}], boards: [{}, {}] },
    ],
  });
}, 120_000);

afterAll(async () => {
  await world?.close();
}, 60_000);

const ended = async (id: string) => {
  const campaign = await world.operator.campaign(id);
  return ['completed', 'halted', 'aborted'].includes(campaign.state) ? campaign : undefined;
};

describe('an operator', () => {
  it('uploads, starts a campaign with a canary, and every device is proven (P1, P2, P3, P4, P6, P10)', async () => {
    const made = [makeSensorPackage(2, world.sensorKey, IMAGE_BYTES), makeBoardPackage(2, world.boardKey, IMAGE_BYTES)];
    for (const each of made) {
      const artifact = await world.operator.upload({
        bytes: each.file,
        name: each.fileName,
        model: each.model,
        version: each.version,
        runningVersion: each.version,
      });
      expect(artifact.sha256).toBe(sha256Hex(each.file));
      const draft = await world.operator.createCampaign({
        name: `first-${each.model}`,
        artifactId: artifact.id,
        selector: { models: [each.model] },
        policy: {
          stages: [
            { name: 'canary', percent: 34, gate: { minKnown: 1 } },
            { name: 'rest', percent: 66, gate: { minKnown: 1 } },
          ],
          timeouts: QUICK,
        },
      });
      expect(draft.state).toBe('draft');
      await world.operator.startCampaign(draft.id);
      const campaign = await until(`${each.model} to end`, 90_000, () => ended(draft.id)).catch((error: unknown) => {
        throw new Error(`${String(error)}\n${world.words()}`);
      });
      const left = (await world.operator.deployments(draft.id)).filter((one) => one.state !== 'proven');
      expect(
        left.map((one) => [one.device.name, one.state, one.outcomeCode, one.outcomeReason, one.outcomeParams]),
      ).toEqual([]);
      expect({ state: campaign.state, proven: campaign.sums.proven, total: campaign.sums.total }).toEqual({
        state: 'completed',
        proven: 3,
        total: 3,
      });
      for (const unit of world.sites.flatMap((site) => site.units).filter((unit) => unit.model === each.model)) {
        expect(unit.device.flash.runningImageSha256()).toBe(sha256Hex(each.image));
      }
    }
    expect(await judge(await world.server.databaseUrl(), world.sites)).toEqual([]);
  }, 240_000);

  it('pauses with a number that holds, by the devices own logs (P2)', async () => {
    const made = makeSensorPackage(3, world.sensorKey, IMAGE_BYTES);
    const artifact = await world.operator.upload({
      bytes: made.file,
      name: made.fileName,
      model: made.model,
      version: made.version,
      runningVersion: made.version,
    });
    const draft = await world.operator.createCampaign({
      name: 'paused',
      artifactId: artifact.id,
      policy: { stages: [{ name: 'all', percent: 100 }], timeouts: QUICK },
    });
    await world.operator.startCampaign(draft.id);
    const answer = await world.operator.pauseCampaign(draft.id, 'the release notes are wrong');
    const answeredAt = Date.now();
    expect(answer.state).toBe('paused');
    const touchedAfter = () =>
      world.sites.flatMap((site) =>
        site.units
          .filter((unit) => unit.model === SENSOR_MODEL)
          .flatMap((unit) => unit.device.touches.filter((touch) => touch.what === 'touched'))
          .map((touch) => site.wallMs(touch.atMs))
          .filter((at) => at > answeredAt),
      );
    await until('nothing may start any more', answer.noneAfter - Date.now() + 10_000, async () => {
      const { exposure } = await world.operator.campaign(draft.id);
      return exposure?.mayStillStart === 0;
    });
    expect(touchedAfter().length).toBeLessThanOrEqual(answer.mayStillStart);
    expect(touchedAfter().filter((at) => at > answer.noneAfter)).toEqual([]);

    await world.operator.resumeCampaign(draft.id, 'the notes are right now');
    const campaign = await until('the campaign to end', 90_000, () => ended(draft.id));
    expect(campaign.sums.proven).toBe(3);
    expect(await judge(await world.server.databaseUrl(), world.sites)).toEqual([]);
  }, 240_000);

  it('is told why a device is not updated, with one reason each (P9)', async () => {
    const made = makeBoardPackage(3, world.boardKey, IMAGE_BYTES);
    const artifact = await world.operator.upload({
      bytes: made.file,
      name: made.fileName,
      model: made.model,
      version: made.version,
    });
    const draft = await world.operator.createCampaign({
      name: 'asked',
      artifactId: artifact.id,
      policy: { timeouts: QUICK },
    });
    const devices = await world.operator.devices();
    const board = devices.find((device) => device.model === BOARD_MODEL);
    await world.operator.startCampaign(draft.id);
    const answer = (await world.operator.call('GET', `/api/v1/devices/${board?.id}/why`)) as {
      deployments: { campaign: { name: string }; reason: { code: string; sentence: string } }[];
    };
    expect(answer.deployments[0]?.campaign.name).toBe('asked');
    expect(answer.deployments[0]?.reason.code).toMatch(/^[a-z]+\.[a-z-]+$/);
    await until('the campaign to end', 90_000, () => ended(draft.id));
  }, 120_000);

  it('loses nothing when the queue is wiped and the broker has forgotten everything (P5)', async () => {
    const made = makeSensorPackage(4, world.sensorKey, IMAGE_BYTES);
    const artifact = await world.operator.upload({
      bytes: made.file,
      name: made.fileName,
      model: made.model,
      version: made.version,
      runningVersion: made.version,
    });
    const draft = await world.operator.createCampaign({
      name: 'wiped',
      artifactId: artifact.id,
      policy: { stages: [{ name: 'all', percent: 100 }], timeouts: QUICK },
    });
    await world.operator.startCampaign(draft.id);
    await world.server.wipeQueue();
    // The embedded broker keeps its retained orders in memory only: they go with the process.
    await world.server.crash();
    await world.server.restart();
    await world.server.wipeQueue();
    const campaign = await until('the campaign to end', 120_000, () => ended(draft.id)).catch((error: unknown) => {
      throw new Error(`${String(error)}\n${world.words()}`);
    });
    expect(campaign.sums.proven).toBe(3);
    expect(await judge(await world.server.databaseUrl(), world.sites)).toEqual([]);
  }, 240_000);

  it('is refused a broken file, and nothing is stored (P6)', async () => {
    const made = makeSensorPackage(5, world.sensorKey, IMAGE_BYTES);
    const broken = made.file.slice(0, made.file.length - 200);
    const before = (await world.operator.call('GET', '/api/v1/artifacts?limit=500')) as { items: unknown[] };
    await expect(
      world.operator.upload({ bytes: broken, name: made.fileName, model: made.model, version: '5.0.0' }),
    ).rejects.toBeInstanceOf(RefusedByServer);
    const after = (await world.operator.call('GET', '/api/v1/artifacts?limit=500')) as { items: unknown[] };
    expect(after.items.length).toBe(before.items.length);
  });
});
