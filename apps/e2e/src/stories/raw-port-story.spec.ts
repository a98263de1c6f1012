/**
 * A vendor's own tool updates a BC127 behind a gateway: the tool on one machine, the module on a pseudo-terminal of another,
 * the server between them.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import type { Campaign, Deployment } from '@drydock/contracts';
import { createCsrBc127Device, RealScheduler, serveSerial, type CsrBc127Device } from '@drydock/device-sim';
import { csrPayloads, makeCsrDfu } from '@drydock/dfu-core';
import { stringify } from 'yaml';
import { AgentProcess } from '../agent-process.js';
import { startLaneServer, type LaneServer } from '../lane.js';
import { Operator, until } from '../operator.js';
import { TcpRelay } from '../tcp-relay.js';
import { establishBcsp, updateAsVendorTool } from '../vendor-tool.js';

const AGENT = fileURLToPath(new URL('../../../agent/bin/drydock-agent.mjs', import.meta.url));
const MODEL = 'bc127';
const PROGRAM_BYTES = 6000;

const melody = (version: string, seed: number): Uint8Array =>
  makeCsrDfu({ description: `Melody Audio V${version}`, program: new Uint8Array(PROGRAM_BYTES).fill(seed) });
const OLD = melody('7.1 1526925062', 1);
const NEW = melody('7.3 1544637564', 2);

let folder: string;
let server: LaneServer;
let operator: Operator;
let agent: AgentProcess;
let uplink: TcpRelay;
let module: CsrBc127Device;
let artifactId: string;
let deviceId: string;
const closing: (() => Promise<unknown> | void)[] = [];
const tools: ChildProcess[] = [];

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'drydock-raw-port-'));
  chmodSync(folder, 0o755);
  server = await startLaneServer();
  operator = new Operator(server.baseUrl, server.adminToken);
  const { hostname, port } = new URL(server.baseUrl);
  uplink = await TcpRelay.open(() => ({ host: hostname, port: Number(port) }));
  const scheduler = new RealScheduler();
  module = createCsrBc127Device({
    scheduler,
    application: csrPayloads(OLD).get('image:0')!,
    syncMs: 100,
    firstStartMs: 100,
  });
  const shut = createCsrBc127Device({
    scheduler,
    address: '20FABBEAB999',
    application: csrPayloads(OLD).get('image:0')!,
  });
  const ports = [module, shut].map((device) => serveSerial(device.serial, { pacing: 'unpaced' }));
  const siteFile = join(folder, 'site.yaml');
  const link = (at: number): string => `serial:${ports[at]!.path}?variant=standard`;
  writeFileSync(
    siteFile,
    stringify({
      name: 'hall',
      identifyEverySeconds: 10,
      models: { [MODEL]: { protocol: 'csr-dfu' } },
      devices: [
        { name: 'open', model: MODEL, link: link(0), rawPort: true },
        { name: 'shut', model: MODEL, link: link(1) },
      ],
    }),
  );
  const { id } = await operator.createSite('hall');
  agent = new AgentProcess({
    stateDir: join(folder, 'agent'),
    siteFile,
    serverUrl: `http://127.0.0.1:${uplink.port}`,
    enrolToken: await operator.enrolmentToken(id),
    logLevel: 'info',
  });
  agent.start();
  closing.push(
    () => agent.stop(),
    () => uplink.close(),
    ...ports.map((each) => () => each.close()),
    () => scheduler.close(),
    () => server.close(),
  );
  await until('both modules to be seen', 90_000, async () => (await operator.devices()).length >= 2).catch(
    (error: unknown) => {
      throw new Error(`${String(error)}\n${agent.output().slice(-5000)}`);
    },
  );
  deviceId = (await operator.devices()).find(({ identity }) => identity.value === '20fabbeab845')!.id;
  artifactId = (
    await operator.upload({
      bytes: NEW,
      name: 'melody-7.3.dfu',
      model: MODEL,
      version: '7.3',
      runningVersion: '7.3+1544637564',
    })
  ).id;
}, 180_000);

afterEach(() => {
  for (const tool of tools.splice(0)) tool.kill('SIGKILL');
});

afterAll(async () => {
  for (const close of closing) await close();
  rmSync(folder, { recursive: true, force: true });
}, 60_000);

async function start(name: string, device = deviceId): Promise<{ campaign: Campaign; deployment: Deployment }> {
  const draft = await operator.createCampaign({
    name,
    artifactId,
    selector: { devices: [device] },
    policy: { vendorTool: { minutes: 3 } },
  });
  await operator.startCampaign(draft.id);
  const [deployment] = await operator.deployments(draft.id);
  return { campaign: draft, deployment: deployment! };
}

/** The command of the person with the tool, as a process. @returns its loopback port, once the module is ready. */
function joinPort(deployment: string): { port: Promise<number>; ended: Promise<{ status: number; json: string }> } {
  const child = spawn(
    process.execPath,
    [AGENT, 'join-port', '--server', server.baseUrl, '--deployment', deployment, '--listen', '127.0.0.1:0', '--json'],
    { env: { PATH: process.env.PATH, DRYDOCK_TOKEN: server.adminToken }, stdio: ['ignore', 'pipe', 'pipe'] },
  );
  tools.push(child);
  let said = '';
  let json = '';
  child.stdout.on('data', (chunk: Buffer) => (json += chunk.toString('utf8')));
  const ended = new Promise<{ status: number; json: string }>((resolve) =>
    child.once('close', (status) => resolve({ status: status ?? -1, json: json.trim() })),
  );
  const port = new Promise<number>((resolve, reject) => {
    child.stderr.on('data', (chunk: Buffer) => {
      said += chunk.toString('utf8');
      const match = /its port is at 127\.0\.0\.1 (\d+)/.exec(said);
      if (match) resolve(Number(match[1]));
    });
    void ended.then(({ status }) => reject(new Error(`join-port ended with ${status}: ${said}${json}`)));
  });
  port.catch(() => undefined);
  return { port, ended };
}

async function endOf(campaign: Campaign): Promise<Deployment> {
  return until('the deployment to end', 150_000, async () => {
    const [deployment] = await operator.deployments(campaign.id);
    return ['proven', 'unproven', 'failed', 'cancelled'].includes(deployment!.state) && deployment!;
  }).catch((error: unknown) => {
    throw new Error(`${String(error)}\n${agent.output().slice(-6000)}\n${server.output().slice(-3000)}`);
  });
}

/** What the audit trail says of a deployment, in order. */
async function audited(deployment: string): Promise<{ action: string; params: Record<string, unknown> }[]> {
  const page = (await operator.call('GET', '/api/v1/audit?limit=200')) as {
    items: { action: string; target: { id: string } | null; params: Record<string, unknown> }[];
  };
  return page.items.filter(({ target }) => target?.id === deployment).reverse();
}

describe("a module behind a gateway, and its vendor's tool somewhere else", () => {
  it('gives nothing of the module while the uplink is cut, brings it back, and says what ran (P1, P3)', async () => {
    const { campaign, deployment } = await start('cut');
    const tool = joinPort(deployment.id);
    const socket = await establishBcsp(await tool.port);
    expect(module.unit.personality).toBe('dfu-mode');
    // Both other campaigns and the gateway's own looks leave the module alone.
    await expect(start('second')).resolves.toBeDefined();
    uplink.refuse(true);
    expect(await tool.ended).toMatchObject({ status: 1, json: expect.stringContaining('"by":"agent"') });
    socket.destroy();
    await until('Melody to run again', 90_000, () => Promise.resolve(module.unit.personality === 'melody'));
    uplink.refuse(false);
    expect(await endOf(campaign)).toMatchObject({ state: 'failed', outcomeCode: 'gateway.raw-port' });
    expect((await audited(deployment.id)).map(({ action }) => action)).toEqual([
      'raw-port.awaited',
      'raw-port.opened',
      'raw-port.closed',
    ]);
  }, 240_000);

  it('is updated by it: held by one grant, audited, and proven by nothing but what Melody says afterwards', async () => {
    const [second] = ((await operator.call('GET', '/api/v1/campaigns?limit=50')) as { items: Campaign[] }).items.filter(
      ({ name }) => name === 'second',
    );
    const [deployment] = await operator.deployments(second!.id);
    const tool = joinPort(deployment!.id);
    const port = await tool.port;
    const sent = await updateAsVendorTool(port, NEW);
    const over = await tool.ended;
    expect([over.status, over.json]).toEqual([0, expect.stringContaining('"by":"tool"')]);
    const told = JSON.parse(over.json) as { toDevice: number; toTool: number };
    expect(told.toDevice).toBe(sent.toDevice);
    expect(await endOf(second!)).toMatchObject({ state: 'proven' });
    expect(module.flash.runningImageSha256()).toBe(sent.imageSha256);
    const closed = (await audited(deployment!.id)).find(({ action }) => action === 'raw-port.closed');
    expect(closed?.params).toMatchObject({ by: 'tool', toDevice: sent.toDevice });
  }, 240_000);

  it('is not given where the site file of the gateway does not open its port', async () => {
    const other = (await operator.devices()).find(({ id }) => id !== deviceId)!;
    const { campaign, deployment } = await start('shut', other.id);
    expect(await endOf(campaign)).toMatchObject({ state: 'failed', outcomeCode: 'gateway.raw-port' });
    expect(await joinPort(deployment.id).ended).toMatchObject({ status: 2 });
  }, 120_000);
});
