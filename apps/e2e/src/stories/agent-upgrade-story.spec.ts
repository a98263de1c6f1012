/** The agents themselves are upgraded by campaigns: bundles, launcher, server, broker and a board on a real port. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { execFileSync } from 'node:child_process';
import { generateKeyPairSync, sign, type KeyObject } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import pg from 'pg';
import { AGENT_MODEL, makeAgentBundle, openAgentBundle } from '@drydock/dfu-core';
import { RefusedByServer, until } from '../operator.js';
import { openWorld, type World } from '../world.js';

const QUICK = { startMs: 30_000, downloadMs: 30_000, transferMs: 60_000, activateMs: 60_000, proveMs: 60_000 };
const BUNDLER = fileURLToPath(new URL('../../../agent/bundle.mjs', import.meta.url));

const folder = mkdtempSync(join(tmpdir(), 'drydock-bundles-'));
const { publicKey, privateKey } = generateKeyPairSync('ed25519');
const stranger = generateKeyPairSync('ed25519').privateKey;
let world: World;

/** The bundle of a version, signed; the folder that a person would install. */
function bundle(version: string): { file: Uint8Array; installed: string } {
  const out = join(folder, version);
  const key = join(folder, 'release.pem');
  writeFileSync(key, privateKey.export({ type: 'pkcs8', format: 'pem' }));
  execFileSync(process.execPath, [BUNDLER, '--out', out, '--version', version, '--key', key], { stdio: 'pipe' });
  return {
    file: new Uint8Array(readFileSync(join(out, `drydock-agent-${version}.zip`))),
    installed: join(out, 'drydock-agent', 'drydock-agent.mjs'),
  };
}

/** The same bundle under another version, with its main file changed, signed by whoever. */
function forge(file: Uint8Array, version: string, key: KeyObject, change: (main: string) => string): Uint8Array {
  const opened = openAgentBundle(file);
  const files = new Map(
    opened.manifest.files.map((each) => {
      const bytes = opened.read(each);
      return [each.name, each.name === 'agent.mjs' ? Buffer.from(change(Buffer.from(bytes).toString())) : bytes];
    }),
  );
  return makeAgentBundle({
    version,
    platforms: opened.manifest.platforms,
    files,
    sign: (message) => new Uint8Array(sign(null, message, key)),
  });
}

let next: Uint8Array;

beforeAll(async () => {
  const { installed } = bundle('0.1.0');
  next = bundle('0.2.0').file;
  world = await openWorld({
    imageBytes: 16 * 1024,
    sites: [{ name: 'north', sensors: [], boards: [{}] }],
    agent: { script: installed, supervised: true },
    prepare: async (operator) => {
      const pem = publicKey.export({ type: 'spki', format: 'pem' }).toString();
      await operator.call('POST', '/api/v1/models', {
        name: AGENT_MODEL,
        requiresSignature: true,
        releaseKeys: [pem],
      });
    },
  });
}, 180_000);

afterAll(async () => {
  await world?.close();
  rmSync(folder, { recursive: true, force: true });
}, 60_000);

interface SeenDevice {
  readonly model: string | null;
  readonly runningVersion: string | null;
}
const self = async (): Promise<SeenDevice | undefined> =>
  ((await world.operator.devices()) as unknown as SeenDevice[]).find(({ model }) => model === AGENT_MODEL);
const runs = (version: string) =>
  until(`version ${version} to be seen`, 60_000, async () => (await self())?.runningVersion === version);
const launcherState = (): unknown =>
  JSON.parse(readFileSync(join(world.agents[0]!.options.stateDir, 'versions', 'launcher.json'), 'utf8'));

/** What the envelope of the gateway's newest order says of an upgrade. */
async function namedUpgrade(): Promise<{ sizeBytes: number } | undefined> {
  const client = new pg.Client({ connectionString: await world.server.databaseUrl() });
  await client.connect();
  try {
    const { rows } = await client.query<{ jws: string }>('select jws from orders where jws is not null');
    const payload = Buffer.from(rows[0]?.jws.split('.')[1] ?? '', 'base64url').toString();
    return payload === '' ? undefined : (JSON.parse(payload) as { upgrade?: { sizeBytes: number } }).upgrade;
  } finally {
    await client.end();
  }
}

async function campaign(file: Uint8Array, version: string): Promise<string> {
  const artifact = await world.operator.upload({ bytes: file, name: `${version}.zip`, model: AGENT_MODEL, version });
  const draft = await world.operator.createCampaign({
    name: `agent-${version}-${artifact.sha256.slice(0, 8)}`,
    artifactId: artifact.id,
    policy: { stages: [{ name: 'all', percent: 100 }], timeouts: QUICK },
  });
  await world.operator.startCampaign(draft.id);
  return draft.id;
}

async function ended(id: string): Promise<{ state: string; code: string | null; params: unknown }> {
  return until('the deployment to end', 120_000, async () => {
    const [one] = await world.operator.deployments(id);
    if (!one || !['proven', 'failed', 'unproven', 'reverted', 'lost'].includes(one.state)) return undefined;
    return { state: one.state, code: one.outcomeCode, params: one.outcomeParams };
  }).catch((error: unknown) => {
    throw new Error(`${String(error)}\n${world.words()}`);
  });
}

describe('a campaign for agents', () => {
  it('pauses with a number, then proves the new version once it is connected, acknowledged and has its links', async () => {
    await runs('0.1.0');
    const id = await campaign(next, '0.2.0');
    const answer = await world.operator.pauseCampaign(id, 'not during the audit');
    await until('nothing may start any more', answer.noneAfter - Date.now() + 30_000, async () => {
      const { exposure } = await world.operator.campaign(id);
      return exposure?.mayStillStart === 0;
    });
    const [paused] = await world.operator.deployments(id);
    if (answer.mayStillStart === 0) expect(paused!.state).toBe('planned');
    await world.operator.resumeCampaign(id, 'the audit is over');
    // An agent too old to read the body would still learn of it: the envelope names it in a form that never changes.
    await until('the order to name the upgrade', 60_000, async () => (await namedUpgrade())?.sizeBytes === next.length);
    expect(await ended(id)).toEqual({ state: 'proven', code: null, params: null });
    await runs('0.2.0');
    expect(launcherState()).toMatchObject({ good: { version: '0.2.0' }, trial: null, fellBack: null });
  }, 240_000);

  it('falls back from a version that does not come up, says why, and still has its journal', async () => {
    const bad = forge(next, '0.3.0', privateKey, (main) =>
      main
        .replaceAll('"0.2.0"', '"0.3.0"')
        .replace(
          '\nimport { dirname',
          "\nif (process.argv[2] === 'run') throw new Error('broken release');\nimport { dirname",
        ),
    );
    const id = await campaign(bad, '0.3.0');
    expect(await ended(id)).toMatchObject({
      state: 'failed',
      code: 'target.reverted',
      params: { detail: expect.stringContaining('3 times') },
    });
    await runs('0.2.0');
    expect(launcherState()).toMatchObject({ good: { version: '0.2.0' }, trial: null, fellBack: { version: '0.3.0' } });
    // The same life of the gateway: nothing of its journal was lost or doubted on the way.
    expect(world.agents[0]!.output()).not.toContain('the journal was damaged');
  }, 240_000);

  it('takes no bundle that the release key did not sign, whoever uploads it', async () => {
    const forged = forge(next, '0.4.0', stranger, (main) => main.replaceAll('"0.2.0"', '"0.4.0"'));
    await expect(campaign(forged, '0.4.0')).rejects.toBeInstanceOf(RefusedByServer);
    // A server that forgot its keys, or was taken over: the gateway has its own.
    const model = (await world.operator.call('GET', `/api/v1/models/${AGENT_MODEL}`)) as { revision: number };
    await world.operator.call(
      'PATCH',
      `/api/v1/models/${AGENT_MODEL}`,
      { requiresSignature: false, releaseKeys: [] },
      { 'if-match': `"${model.revision}"` },
    );
    const id = await campaign(forged, '0.4.0');
    expect(await ended(id)).toMatchObject({ state: 'failed', code: 'gateway.no-release-key' });
    expect((await self())?.runningVersion).toBe('0.2.0');
  }, 240_000);
});
