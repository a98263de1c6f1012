/** Every family at one site at once: one gateway, one campaign per model, all under way together. */
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { AgentProcess } from '../agent-process.js';
import { judge, sha256Hex } from '../judge.js';
import { startLaneServer, type LaneServer } from '../lane.js';
import { makeFamilies, openMixedSite } from '../mixed-site.js';
import { Operator, until } from '../operator.js';
import type { SimulatedSite } from '../simulated-site.js';

const IMAGE_BYTES = 8 * 1024;
const QUICK = { startMs: 30_000, downloadMs: 30_000, transferMs: 60_000, activateMs: 30_000, proveMs: 30_000 };
const FAMILIES = makeFamilies(IMAGE_BYTES);

let folder: string;
let server: LaneServer;
let operator: Operator;
let site: SimulatedSite;
let agent: AgentProcess;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'drydock-mixed-'));
  chmodSync(folder, 0o755);
  server = await startLaneServer();
  operator = new Operator(server.baseUrl, server.adminToken);
  site = await openMixedSite(join(folder, 'mixed'), FAMILIES);
  const { id } = await operator.createSite('mixed');
  agent = new AgentProcess({
    stateDir: join(folder, 'agent'),
    siteFile: site.siteFile,
    serverUrl: server.baseUrl,
    enrolToken: await operator.enrolmentToken(id),
  });
  agent.start();
  const seen = await until('every device to be seen', 90_000, async () => {
    const devices = await operator.devices();
    return devices.length >= FAMILIES.length && devices;
  }).catch((error: unknown) => {
    throw new Error(`${String(error)}\n${agent.output().slice(-5000)}`);
  });
  expect(seen.map(({ model }) => model).sort()).toEqual(FAMILIES.map(({ model }) => model).sort());
}, 120_000);

afterAll(async () => {
  await agent?.stop();
  await site?.close();
  await server?.close();
  rmSync(folder, { recursive: true, force: true });
}, 60_000);

describe('a site with a unit of every family', () => {
  it('takes one campaign per model at once; each unit runs what it was sent, and as far as it can says so (P1, P2, P3, P4, P6, P10)', async () => {
    const runsAs = new Map<string, string>();
    const started = await Promise.all(
      FAMILIES.map(async (family) => {
        const { file, runs } = family.make(2);
        const artifact = await operator.upload({
          bytes: file,
          name: `${family.model}-2`,
          model: family.model,
          version: '2.0.0',
          ...(family.runningVersion !== undefined && { runningVersion: family.runningVersion }),
        });
        expect(artifact.sha256).toBe(sha256Hex(file));
        for (const image of artifact.description.images) {
          if (image.sha256 !== undefined) runsAs.set(image.sha256, sha256Hex(runs));
        }
        const draft = await operator.createCampaign({
          name: family.model,
          artifactId: artifact.id,
          selector: { models: [family.model] },
          policy: {
            stages: [{ name: 'all', percent: 100 }],
            timeouts: QUICK,
            acceptUnproven: family.ends === 'unproven',
          },
        });
        return { family, runs, id: draft.id };
      }),
    );
    await Promise.all(started.map(({ id }) => operator.startCampaign(id)));

    const results = await Promise.all(
      started.map(async ({ family, runs, id }) => {
        const unit = site.units.find(({ model }) => model === family.model)!;
        const campaign = await until(`${family.model} to end`, 150_000, async () => {
          const { state } = await operator.campaign(id);
          return ['completed', 'halted', 'aborted'].includes(state) && state;
        }).catch((error: unknown) => String(error));
        const [deployment] = await operator.deployments(id);
        return {
          model: family.model,
          campaign,
          state: deployment?.state,
          why: deployment?.outcomeCode ?? deployment?.outcomeReason ?? null,
          flash: unit.device.flash.runningImageSha256() === sha256Hex(runs),
        };
      }),
    );
    expect(results).toEqual(
      FAMILIES.map(({ model, ends }) => ({
        model,
        campaign: 'completed',
        state: ends,
        why: ends === 'proven' ? null : expect.stringMatching(/^(?:version|image)-not-readable$|^version-unchanged$/),
        flash: true,
      })),
    );
    expect(await judge(await server.databaseUrl(), [site], [join(folder, 'agent')], runsAs)).toEqual([]);
  }, 240_000);
});
