import { afterEach, describe, expect, it } from '@jest/globals';
import { mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import { connect, createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  createSmpDevice,
  makeDemoFirmware,
  RealScheduler,
  serveSerial,
  makeFactoryImage,
  type SerialService,
  type SmpDevice,
} from '@drydock/device-sim';
import { makeMcubootImage } from '@drydock/dfu-core';
import { AGENT_VERSION } from './version.js';
import { startAgentInProcess, type RunningAgent } from './testing.js';
import { ScriptedServer } from './testing/scripted-server.js';

const cleanups: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function tempDir(): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'drydock-agent-'));
  cleanups.push(() => rm(dir, { recursive: true, force: true }));
  return dir;
}

async function server(): Promise<ScriptedServer> {
  const started = await ScriptedServer.start();
  cleanups.push(() => started.stop());
  return started;
}

async function agent(at: ScriptedServer, stateDir: string, site?: string): Promise<RunningAgent> {
  const started = await startAgentInProcess({
    stateDir,
    serverUrl: at.url,
    token: at.enrolToken,
    ...(site !== undefined && { site }),
  });
  let stopped: Promise<void> | undefined;
  const stop = started.stop;
  const once = { ...started, stop: () => (stopped ??= stop()) };
  cleanups.push(() => once.stop());
  return once;
}

function unit(): { device: SmpDevice; service: SerialService; link: string } {
  const device = createSmpDevice({
    scheduler: new RealScheduler(),
    image: makeFactoryImage({
      body: makeDemoFirmware({ model: 'demo-board', version: '1.0.0', sizeBytes: 8192 }),
      version: '1.0.0',
    }),
    rebootMs: 50,
    resetDelayMs: 20,
    swapMs: 20,
    baud: 1_000_000,
  });
  const service = serveSerial(device.serial!, { pacing: 'unpaced' });
  cleanups.push(() => service.close());
  return { device, service, link: `serial:${service.path}?baud=1000000&framing=console&identity=node-name` };
}

const newImage = (): Uint8Array =>
  makeMcubootImage({
    body: makeDemoFirmware({ model: 'demo-board', version: '2.0.0', sizeBytes: 8192 }),
    version: { major: 2, minor: 0, revision: 0, build: 0 },
  });

describe('agent', () => {
  it('enrols, shows presence, tells its inventory, updates a device and proves it', async () => {
    const at = await server();
    const { device, link } = unit();
    const artifact = { ...at.addArtifact(newImage()), format: 'mcuboot' };
    const dir = await tempDir();
    const running = await agent(
      at,
      dir,
      `devices:\n  - { name: pump, model: demo-board, protocol: smp, link: "${link}" }\n`,
    );

    await at.until(() => at.presences.some(({ online }) => online) && at.inventories.length > 0);
    expect(at.presences[0]).toMatchObject({
      online: true,
      agentVersion: AGENT_VERSION,
      connection: 1,
      epoch: running.epoch,
      journalEntries: expect.any(Number),
    });
    const { clockOffsetMs, journalBytes } = at.presences[0]!;
    expect(Math.abs(Date.now() - clockOffsetMs! - at.nowMs)).toBeLessThan(30_000);
    expect(journalBytes).toBeGreaterThan(100);
    expect(journalBytes).toBeLessThanOrEqual((await stat(join(dir, 'journal'))).size);
    const [seen] = at.inventories[0]!.devices;
    expect(seen).toMatchObject({
      identity: { kind: 'serial-number', value: 'SIM-0001' },
      model: 'demo-board',
      mode: 'application',
    });
    expect((await stat(join(dir, 'state.json'))).mode & 0o777).toBe(0o600);

    await at.order({ grants: [at.grant({ links: [link], artifact, identity: seen!.identity })] });
    await at.until(() => at.reports('ended').length > 0);
    expect(at.reports('ended')[0]).toMatchObject({
      outcome: 'proven',
      touched: true,
      needsRescue: false,
      bytesPerSecond: expect.any(Number),
    });
    expect(at.reports('ended')[0]).not.toHaveProperty('rssiDbm');
    expect(at.kinds()).toEqual([
      'epoch-started',
      'downloading',
      'touched',
      'complete',
      'activating',
      'proving',
      'ended',
    ]);
    expect(at.reports('touched')[0]).toMatchObject({ identity: seen!.identity, before: [{ version: '1.0.0' }] });
    expect(device.touches.filter(({ what }) => what === 'activated')).toHaveLength(1);
    await at.until(() => at.presences.at(-1)!.held.revision === 1);
    // The device is looked at again after its update, and told with the number of the end before it.
    await at.until(() =>
      at.inventories.some(({ devices }) => devices[0]?.running[0]?.version?.startsWith('2.0.0') === true),
    );
    expect(at.inventories.at(-1)!.devices[0]!.readAfterSeq).toBe(7);
  }, 30_000);

  it('finds its server again under another address, and stays enrolled', async () => {
    const at = await server();
    const dir = await tempDir();
    const first = await agent(at, dir);
    await at.until(() => at.presences.some(({ online }) => online));
    await first.stop();
    const relay = createServer((inward) => {
      const outward = connect(Number(new URL(at.url).port), '127.0.0.1');
      for (const [one, other] of [[inward, outward] as const, [outward, inward] as const]) {
        one.on('error', () => other.destroy());
        one.pipe(other);
      }
    });
    await new Promise<void>((resolve) => relay.listen(0, '127.0.0.1', resolve));
    cleanups.push(() => new Promise((resolve) => relay.close(resolve)));
    const { port } = relay.address() as AddressInfo;
    const second = await startAgentInProcess({ stateDir: dir, serverUrl: `http://127.0.0.1:${port}` });
    cleanups.push(() => second.stop());
    await at.until(() => at.presences.some(({ online, epoch }) => online && epoch === second.epoch));
    const state = JSON.parse(await readFile(join(dir, 'state.json'), 'utf8')) as { enrolment: { serverUrl: string } };
    expect(state.enrolment.serverUrl).toBe(`http://127.0.0.1:${port}/`);
  }, 30_000);

  it('keeps its version equal to that of its package', async () => {
    const facts = JSON.parse(await readFile(new URL('../package.json', import.meta.url), 'utf8')) as {
      version: string;
    };
    expect(AGENT_VERSION).toBe(facts.version);
  });
});
