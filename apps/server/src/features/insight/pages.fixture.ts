/** For specs of pages: a campaign in its first stage with every kind of end. */
import type { Artifact, Campaign } from '@drydock/contracts';
import type { z } from 'zod';
import type { TestServer } from '../../testing.js';
import { call, query, until } from '../fleet/fleet.fixture.js';
import {
  draftOf,
  ended,
  goodLife,
  makeScene,
  startCampaign,
  touched,
  type ScriptedGateway,
} from '../reports/scripted-gateway.fixture.js';

export interface PagesScene {
  readonly gateway: ScriptedGateway;
  readonly artifact: Artifact;
  readonly campaign: Campaign;
}

export async function get<T extends z.ZodType>(server: TestServer, url: string, schema: T): Promise<z.output<T>> {
  const answer = await call(server, 'GET', url);
  if (answer.status !== 200) throw new Error(`${url}: ${answer.text}`);
  return answer.json(schema);
}

/** Members by state, from the rows themselves. */
export async function counted(server: TestServer, id: string): Promise<Record<string, number>> {
  const rows = await query<{ state: string; n: number }>(
    server,
    'select state, count(*)::int as n from deployments where campaign_id = $1 group by state',
    [id],
  );
  return Object.fromEntries(rows.map((row) => [row.state, row.n]));
}

/** What the failed attempts say of their links. */
export const LINK = { rssiDbm: -70, lowestRssiDbm: -88, bytesPerSecond: 1234.5 };

/** 12 devices: 2 proven, 2 failed, 1 unproven, 1 under way, 2 granted, 4 planned. */
export async function makePagesScene(server: TestServer): Promise<PagesScene> {
  const scene = await makeScene(server, 12);
  const { gateway, artifact } = scene;
  const campaign = await startCampaign(
    server,
    draftOf(artifact, {
      stages: [
        { name: 'first', count: 8, gate: { minKnown: 7, maxFailureShare: 0.5, approval: true } },
        { name: 'rest' },
      ],
      limits: { perGateway: 8 },
      retry: { operator: { maxAttempts: 1, backOffMs: 0 }, link: { maxAttempts: 1, backOffMs: 0 } },
      brake: { limit: 0.5, transportLimit: 0.5 },
    }),
  );
  await until(() => gateway.order?.grants.length === 8);
  const [a, b, c, d, e, f] = gateway.order!.grants;
  await gateway.report(
    ...goodLife(a!, artifact),
    ...goodLife(b!, artifact),
    { ...touched(c!), rssiDbm: -70 },
    ended(c!, 'failed', { code: 'artifact.wrong-hardware', ...LINK }),
    { ...touched(d!), rssiDbm: -70 },
    ended(d!, 'failed', { code: 'artifact.wrong-hardware', ...LINK }),
    touched(e!),
    ended(e!, 'unproven', { reason: 'cannot-be-asked' }),
    { ...touched(f!), rssiDbm: -55 },
  );
  await until(async () => (await counted(server, campaign.id))['transferring'] === 1);
  return { gateway, artifact, campaign };
}
