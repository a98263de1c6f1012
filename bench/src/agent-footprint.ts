/**
 * What the agent costs a gateway: memory when idle and with eight transfers over Bluetooth under way, and time from
 * process start to its first online presence.
 *
 * What gateways run is measured: the bundle, started by its launcher, as a process of its own, enrolled, against a broker and
 * a small HTTP server in this process. Memory is `VmRSS`, of which some 40 MiB are the pages of the Node binary itself. The whole takes
 * about a minute: five starts with five seconds of idling each, and one campaign.
 */
import { describeArtifact, makeNordicPackage } from '@drydock/dfu-core';
import { createSecureDfuDevice, makeDemoFirmware, serveH4, SimulatedController, WallClock } from '@drydock/device-sim';
import { spawnSync } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { spawnAgent, startScriptedServer, type ScriptedServer } from '@drydock/agent/testing';

const RUNS = 5;
const BUNDLE = fileURLToPath(new URL('../../apps/agent/bundle.mjs', import.meta.url));
/** Nothing here takes so long, on any machine; what does is broken. */
const START_MS = 60_000;
const TRANSFERS_MS = 180_000;
/** Memory is read after this much idling: the start's garbage is gone or will stay. */
const IDLE_MS = 5000;
const UNITS = 8;
const IMAGE_BYTES = 240_000;
const SAMPLE_MS = 200;
const MODEL = 'demo-sensor';

/** A site as in the field: a handful of serial devices (whose ports are missing here) and no Bluetooth. */
const SITE = `devices:
${Array.from({ length: 8 }, (_, index) => `  - { name: unit-${index}, model: pump, protocol: smp, link: "serial:/dev/drydock-none-${index}?baud=115200" }`).join('\n')}
`;

export async function run(): Promise<Record<string, number>> {
  const server = await startScriptedServer();
  const dir = await mkdtemp(join(tmpdir(), 'drydock-footprint-'));
  const main = makeBundle(join(dir, 'bundle'));
  const idle: number[] = [];
  const connected: number[] = [];
  try {
    await once(server, { dir, main }, 0); // enrols
    for (let count = 0; count < RUNS; count += 1) {
      const figures = await once(server, { dir, main }, IDLE_MS);
      idle.push(figures.rssMiB);
      connected.push(figures.connectedMs);
    }
    const eight = await whileTransferring(server, { dir, main });
    return {
      idleRssMiB: round(median(idle)),
      eightTransfersRssMiB: round(eight),
      startToConnectedMs: Math.round(median(connected)),
    };
  } finally {
    await server.stop();
    await rm(dir, { recursive: true, force: true });
  }
}

interface Place {
  /** State folder. */
  readonly dir: string;
  /** What is started. */
  readonly main: string;
}

/** @returns the launcher of a bundle that is made of the built sources. */
function makeBundle(out: string): string {
  const made = spawnSync(process.execPath, [BUNDLE, '--out', out], { encoding: 'utf8', timeout: START_MS });
  if (made.status !== 0) throw new Error(`no bundle: ${made.stderr.slice(-500)}`);
  return join(out, 'drydock-agent', 'drydock-agent.mjs');
}

async function within<T>(ms: number, what: string, work: Promise<T>): Promise<T> {
  let callOff: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    callOff = setTimeout(() => reject(new Error(`waited ${ms} ms for ${what}`)), ms);
  });
  return Promise.race([work, late]).finally(() => clearTimeout(callOff));
}

/** Eight sensors of one campaign on one adapter. @returns the most memory seen while all eight were under way. */
async function whileTransferring(server: ScriptedServer, { dir, main }: Place): Promise<number> {
  const scheduler = new WallClock();
  const controller = new SimulatedController({ scheduler, paced: true, air: 'shared' });
  const devices = Array.from({ length: UNITS }, (_, index) =>
    createSecureDfuDevice({
      scheduler,
      serialNumber: `BENCH-${index}`,
      model: MODEL,
      application: makeDemoFirmware({ model: MODEL, version: '1.0.0', sizeBytes: 16_384 }),
      jumpLink: 'graceful',
    }),
  );
  for (const device of devices) controller.host(device.ble);
  const h4 = await serveH4(controller, { kind: 'unix', path: join(dir, 'hci.sock') });
  const links = devices.map(({ ble }) => {
    const { address = '', addressType = 'random' } = ble.advertisement() ?? {};
    return `ble:${address.toUpperCase()}?type=${addressType}`;
  });
  const application = makeDemoFirmware({ model: MODEL, version: '2.0.0', sizeBytes: IMAGE_BYTES, seed: 2 });
  const file = makeNordicPackage({ application, hwVersion: 52, fwVersion: 2, sdReq: [0x0101] });
  const artifact = { ...server.addArtifact(file), format: describeArtifact(file).format };
  const agent = await spawnAgent({
    main,
    stateDir: dir,
    // JSON is YAML too.
    site: JSON.stringify({
      bluetooth: { adapter: h4.adapter, scanSeconds: 2, everySeconds: 300 },
      models: { [MODEL]: { protocol: 'secure-dfu' } },
      devices: links.map((link, index) => ({ name: `unit-${index}`, model: MODEL, link })),
    }),
    serverUrl: server.url,
  });
  let mostMiB = 0;
  try {
    const identityOf = (link: string) =>
      server.inventories.flatMap(({ devices: seen }) => seen).find((seen) => seen.links[0]?.link === link)?.identity;
    await within(
      TRANSFERS_MS,
      'eight devices to be seen',
      server.until(() => links.every((link) => identityOf(link) !== undefined)),
    );
    await server.order({
      grants: links.map((link) =>
        server.grant({
          links: [link],
          artifact,
          model: MODEL as never,
          protocol: 'secure-dfu',
          identity: identityOf(link)!,
          expect: { versionProves: true, version: '2.0.0' },
        }),
      ),
    });
    const ended = () => server.reports('ended').length;
    const endMs = performance.now() + TRANSFERS_MS;
    while (ended() < UNITS) {
      if (performance.now() > endMs) throw new Error(`only ${ended()} of ${UNITS} transfers ended in time`);
      await new Promise((resolve) => setTimeout(resolve, SAMPLE_MS));
      if (server.reports('touched').length === UNITS && ended() === 0) {
        mostMiB = Math.max(mostMiB, await residentMiB(agent.process.pid!));
      }
    }
    const bad = server.reports('ended').filter((report) => report['outcome'] !== 'proven');
    if (bad.length > 0) throw new Error(`not all were proven: ${JSON.stringify(bad[0])}`);
    return mostMiB;
  } finally {
    agent.process.kill('SIGTERM');
    await agent.exited;
    await h4.close();
  }
}

async function once(
  server: ScriptedServer,
  { dir: stateDir, main }: Place,
  idleMs: number,
): Promise<{ rssMiB: number; connectedMs: number }> {
  const seen = server.presences.length;
  const began = performance.now();
  const agent = await spawnAgent({ main, stateDir, site: SITE, serverUrl: server.url, token: server.enrolToken });
  try {
    await within(
      START_MS,
      'the agent to connect',
      server.until(() => server.presences.slice(seen).some(({ online }) => online)),
    );
    const connectedMs = performance.now() - began;
    await new Promise((resolve) => setTimeout(resolve, idleMs));
    return { rssMiB: await residentMiB(agent.process.pid!), connectedMs };
  } finally {
    agent.process.kill('SIGTERM');
    await agent.exited;
  }
}

/** Resident memory as the kernel counts it (`VmRSS` of proc(5)). */
async function residentMiB(pid: number): Promise<number> {
  const kib = /^VmRSS:\s+(\d+) kB$/m.exec(await readFile(`/proc/${pid}/status`, 'utf8'))?.[1];
  if (kib === undefined) throw new Error('no VmRSS');
  return Number(kib) / 1024;
}

const median = (values: readonly number[]): number => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)]!;
const round = (value: number): number => Math.round(value * 10) / 10;
