/** Who may open which end of a raw port, and when the server ends it. */
import { once } from 'node:events';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import {
  Artifact,
  PauseAnswer,
  rawPortAgentPath,
  rawPortToolPath,
  type Grant,
  type RawPortWord,
} from '@drydock/contracts';
import { makeCsrDfu } from '@drydock/dfu-core';
import { WebSocket } from 'ws';
import { startTestServer, type TestServer } from '../../testing.js';
import { call, freshName, makeSite, query, until } from '../fleet/fleet.fixture.js';
import {
  act,
  downloading,
  draftOf,
  makeCampaign,
  ScriptedGateway,
  startCampaign,
  touched,
} from '../reports/scripted-gateway.fixture.js';

jest.setTimeout(60_000);
let server: TestServer;
const sockets: WebSocket[] = [];
beforeAll(async () => {
  server = await startTestServer();
}, 60_000);
afterAll(async () => {
  for (const socket of sockets) socket.terminate();
  await server?.stop();
});

interface End {
  readonly socket: WebSocket;
  readonly words: RawPortWord[];
  readonly bytes: Buffer[];
}

/** @returns the open end, or the status and code with which it was refused. */
async function open(path: string, token: string | undefined): Promise<End | { status: number; code: string }> {
  const socket = new WebSocket(`${server.baseUrl.replace('http', 'ws')}/${path}`, {
    headers: token === undefined ? {} : { authorization: `Bearer ${token}` },
  });
  sockets.push(socket);
  const end: End = { socket, words: [], bytes: [] };
  socket.on('message', (data: Buffer, isBinary: boolean) => {
    if (isBinary) end.bytes.push(data);
    else end.words.push(JSON.parse(data.toString('utf8')) as RawPortWord);
  });
  return new Promise((resolve, reject) => {
    socket.once('open', () => resolve(end));
    socket.once('error', reject);
    socket.once('unexpected-response', (_, response) => {
      let body = '';
      response.on('data', (piece: Buffer) => (body += piece.toString('utf8')));
      response.on('end', () =>
        resolve({ status: response.statusCode ?? 0, code: (JSON.parse(body) as { code: string }).code }),
      );
    });
  });
}

async function mustOpen(path: string, token: string): Promise<End> {
  const end = await open(path, token);
  if (!('socket' in end)) throw new Error(`refused: ${end.status} ${end.code}`);
  return end;
}

interface Scene {
  readonly gateway: ScriptedGateway;
  readonly artifact: Artifact;
  readonly device: string;
  readonly model: string;
}

let build = 0;
/** A gateway whose site file opens a port, a BC127 behind it, and a file for it. */
async function makeScene(protocols = ['csr-dfu', 'raw-port']): Promise<Scene> {
  const gateway = await ScriptedGateway.start(server, await makeSite(server));
  await gateway.gateway.presence({ protocols, held: { reign: 0, revision: 0 } });
  const model = freshName('bc127');
  const serial = freshName('sn');
  const sighting = gateway.sighting(serial, model, { image: 0, version: '7.1+1526925062' });
  await gateway.gateway.inventory([{ ...sighting, protocol: 'csr-dfu' }]);
  const [row] = await query<{ id: string }>(server, 'select id from devices where identity_value = $1', [serial]);
  const form = new FormData();
  form.append('model', model);
  form.append('runningVersion', '7.3+1544637564');
  const program = new Uint8Array(100).fill(++build);
  const file = makeCsrDfu({ description: 'Melody Audio V7.3 1544637564', program });
  form.append('file', new Blob([Buffer.from(file)]), 'melody.dfu');
  const artifact = (await call(server, 'POST', '/api/v1/artifacts', { form })).json(Artifact);
  return { gateway, artifact, device: row!.id, model };
}

const draft = ({ artifact, device }: Scene, policy: Record<string, unknown> = {}): Record<string, unknown> => ({
  ...draftOf(artifact, {}, { devices: [device] }),
  policy: { vendorTool: { minutes: 5 }, ...policy },
});

/** An attempt that the gateway holds, and the campaign that it is of. */
async function granted(): Promise<{ scene: Scene; grant: Grant; campaign: string; agentToken: string }> {
  const scene = await makeScene();
  const campaign = await startCampaign(server, draft(scene));
  const grant = await scene.gateway.grantOf({ id: scene.device, serial: '' });
  await scene.gateway.report(downloading(grant));
  return { scene, grant, campaign: campaign.id, agentToken: await scene.gateway.gateway.token() };
}

async function personWith(roles: readonly string[]): Promise<{ id: string; token: string }> {
  const person = await call(server, 'POST', '/api/v1/people', { body: { name: freshName('person'), roles } });
  const { id } = JSON.parse(person.text) as { id: string };
  const made = await call(server, 'POST', `/api/v1/people/${id}/tokens`, { body: { name: 'laptop' } });
  if (made.status !== 201) throw new Error(`${person.text} ${made.text}`);
  return { id, token: (JSON.parse(made.text) as { token: string }).token };
}

async function audited(
  deployment: string,
): Promise<{ action: string; params: Record<string, unknown>; actor: string }[]> {
  return query(
    server,
    `select action, params, actor_name as actor from audit where target_id = $1 and action like 'raw-port.%' order by at, action`,
    [deployment],
  );
}

describe('the campaign of a raw port', () => {
  it('is an admin’s, names one device, and takes only files that a tool is for', async () => {
    const scene = await makeScene();
    const operator = await personWith(['operator']);
    const asOperator = await call(server, 'POST', '/api/v1/campaigns', { body: draft(scene), token: operator.token });
    expect([asOperator.status, asOperator.code]).toEqual([403, 'request.forbidden']);
    const many = await call(server, 'POST', '/api/v1/campaigns', {
      body: { ...draft(scene), selector: { models: [scene.model] } },
    });
    expect([many.status, many.text]).toEqual([422, expect.stringContaining('A raw port belongs to one device')]);
    // An operator does not start what an admin drafted either.
    const made = await makeCampaign(server, draft(scene));
    const started = await call(server, 'POST', `/api/v1/campaigns/${made.id}/start`, {
      body: {},
      token: operator.token,
    });
    expect(started.code).toBe('request.forbidden');
  });

  it('waits, and says why, where the gateway opens no port', async () => {
    const scene = await makeScene(['csr-dfu']);
    const campaign = await startCampaign(server, draft(scene));
    await until(async () => {
      const why = await call(server, 'GET', `/api/v1/campaigns/${campaign.id}/devices/${scene.device}/why`);
      return why.text.includes('gateway.no-protocol') && why.text.includes('raw-port');
    });
  });

  it('grants with a must, so that no older agent takes it for an update', async () => {
    const { grant } = await granted();
    expect(grant.rawPort).toEqual({ limitMs: 300_000 });
  });
});

describe('the ends of a raw port', () => {
  it('are refused to everybody but an admin and the gateway that holds the attempt', async () => {
    const { grant, agentToken } = await granted();
    const tool = rawPortToolPath(grant.deployment);
    expect(await open(tool, undefined)).toEqual({ status: 401, code: 'request.unauthenticated' });
    expect(await open(tool, 'dd_nonsense')).toEqual({ status: 401, code: 'request.unauthenticated' });
    expect(await open(tool, agentToken)).toEqual({ status: 401, code: 'request.unauthenticated' });
    const { token } = await personWith(['operator', 'approver']);
    expect(await open(tool, token)).toEqual({ status: 403, code: 'request.forbidden' });
    const nobody = rawPortToolPath('00000000-0000-4000-8000-000000000000');
    expect(await open(nobody, server.adminToken)).toEqual({ status: 404, code: 'request.not-found' });
    expect(await open('api/v1/other', server.adminToken)).toEqual({ status: 404, code: 'request.not-found' });

    const agent = rawPortAgentPath(grant);
    expect(await open(agent, undefined)).toEqual({ status: 401, code: 'request.unauthenticated' });
    expect(await open(agent, server.adminToken)).toEqual({ status: 401, code: 'request.unauthenticated' });
    // Its own gateway, while no tool waits.
    expect(await open(agent, agentToken)).toEqual({ status: 404, code: 'request.not-found' });
    const stranger = await ScriptedGateway.start(server, await makeSite(server));
    await mustOpen(tool, server.adminToken);
    expect(await open(agent, await stranger.gateway.token())).toEqual({ status: 404, code: 'request.not-found' });
    const other = rawPortAgentPath({ ...grant, attempt: grant.attempt + 1 });
    expect(await open(other, agentToken)).toEqual({ status: 409, code: 'request.conflict' });
    expect(await open(tool, server.adminToken)).toEqual({ status: 409, code: 'request.conflict' });
  });

  it('meet, carry bytes, are audited, and take no second agent', async () => {
    const { grant, scene, agentToken } = await granted();
    const tool = await mustOpen(rawPortToolPath(grant.deployment), server.adminToken);
    const agent = await mustOpen(rawPortAgentPath(grant), agentToken);
    expect(await open(rawPortAgentPath(grant), agentToken)).toMatchObject({ status: 404 });
    await until(() => tool.words.some(({ say }) => say === 'joined'));
    expect(tool.words.find(({ say }) => say === 'joined')).toMatchObject({
      gateway: scene.gateway.gateway.enrolment.gateway.name,
      withinMs: 300_000,
    });
    await scene.gateway.report(touched(grant));
    tool.socket.send(Buffer.from([0, 255, 192]));
    agent.socket.send(Buffer.from('yes'));
    await until(() => agent.bytes.length > 0 && tool.bytes.length > 0);
    expect([Buffer.concat(agent.bytes), Buffer.concat(tool.bytes)]).toEqual([
      Buffer.from([0, 255, 192]),
      Buffer.from('yes'),
    ]);
    const closed = once(agent.socket, 'close');
    tool.socket.close();
    await closed;
    expect(agent.words.at(-1)).toEqual({ say: 'ended', by: 'tool', toDevice: 3, toTool: 3 });
    await until(async () => (await audited(grant.deployment)).length === 3);
    const trail = await audited(grant.deployment);
    expect(trail.map(({ action }) => action).sort()).toEqual([
      'raw-port.awaited',
      'raw-port.closed',
      'raw-port.opened',
    ]);
    expect(trail.find(({ action }) => action === 'raw-port.closed')?.params).toMatchObject({
      by: 'tool',
      toDevice: 3,
      toTool: 3,
      attempt: 1,
      device: scene.device,
      gateway: scene.gateway.id,
    });
    // Touched and over: the same attempt is not opened again.
    expect(await open(rawPortToolPath(grant.deployment), server.adminToken)).toMatchObject({ status: 409 });
  });

  it('are ended by the server when the attempt is cancelled, or the person loses the right', async () => {
    const first = await granted();
    const tool = await mustOpen(rawPortToolPath(first.grant.deployment), server.adminToken);
    await mustOpen(rawPortAgentPath(first.grant), first.agentToken);
    await first.scene.gateway.report(touched(first.grant));
    const closed = once(tool.socket, 'close');
    await act(server, first.campaign, 'pause', PauseAnswer, { reason: 'stop', mode: 'safe-point' }).catch(
      () => undefined,
    );
    await query(server, `update deployments set cancel_mode = 'safe-point' where id = $1`, [first.grant.deployment]);
    await closed;
    expect(tool.words.at(-1)).toMatchObject({ say: 'ended', by: 'withdrawn' });

    const second = await granted();
    const admin = await personWith(['admin']);
    const theirs = await mustOpen(rawPortToolPath(second.grant.deployment), admin.token);
    const agent = await mustOpen(rawPortAgentPath(second.grant), second.agentToken);
    const agentClosed = once(agent.socket, 'close');
    await query(server, 'update people set disabled_at = now() where id = $1', [admin.id]);
    await agentClosed;
    expect(theirs.words.at(-1)).toMatchObject({ say: 'ended', by: 'withdrawn' });
  });
});
