/**
 * What the agent costs a gateway: memory when idle, and time from process start to its first online presence.
 *
 * The built agent runs as a process of its own, enrolled, against a broker and a small HTTP server in this process.
 */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { spawnAgent, startScriptedServer, type ScriptedServer } from '@drydock/agent/testing';

const RUNS = 5;
/** Memory is read after this much idling: the start's garbage is gone or will stay. */
const IDLE_MS = 5000;

/** A site as in the field: a handful of serial devices (whose ports are missing here) and no Bluetooth. */
const SITE = `devices:
${Array.from({ length: 8 }, (_, index) => `  - { name: unit-${index}, model: pump, protocol: smp, link: "serial:/dev/drydock-none-${index}?baud=115200" }`).join('\n')}
`;

export async function run(): Promise<Record<string, number>> {
  const server = await startScriptedServer();
  const dir = await mkdtemp(join(tmpdir(), 'drydock-footprint-'));
  const idle: number[] = [];
  const connected: number[] = [];
  try {
    await once(server, dir, 0); // enrols
    for (let count = 0; count < RUNS; count += 1) {
      const figures = await once(server, dir, IDLE_MS);
      idle.push(figures.rssMiB);
      connected.push(figures.connectedMs);
    }
  } finally {
    await server.stop();
    await rm(dir, { recursive: true, force: true });
  }
  return { idleRssMiB: round(median(idle)), startToConnectedMs: Math.round(median(connected)) };
}

async function once(
  server: ScriptedServer,
  stateDir: string,
  idleMs: number,
): Promise<{ rssMiB: number; connectedMs: number }> {
  const seen = server.presences.length;
  const began = performance.now();
  const agent = await spawnAgent({ stateDir, site: SITE, serverUrl: server.url, token: server.enrolToken });
  try {
    await server.until(() => server.presences.slice(seen).some(({ online }) => online));
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
