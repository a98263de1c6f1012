/**
 * Processor time of the host's part of a transfer: session, driver, link and the library under it, without the simulated
 * unit and radio that share its process.
 *
 * A sampling profile says which share of the time belongs to whom; the process's own processor time, which other work on
 * the machine does not enter, says how much that is. Each sample belongs to the nearest caller that is ours, the
 * library's or the simulator's; collecting garbage is shared out alike, and the event loop's own turning is nobody's: the
 * simulated radio keeps it busy. A write that waits inside the system counts as work, which makes a UART look dearer.
 */
import type { SessionDriver } from '@drydock/agent';
import { Session, type Profiler } from 'node:inspector/promises';

type ReopeningLink = ConstructorParameters<typeof SessionDriver>[0]['link'];

interface HostCpu {
  /** Microseconds of processor time for each packet. */
  readonly usPerPacket: number;
  /** The same of the whole process, simulator included. */
  readonly processUsPerPacket: number;
  /** Host's share of all samples but the idle ones. */
  readonly share: number;
  /** Costliest functions of the host, microseconds for each packet, own time only. */
  readonly top: readonly (readonly [string, number])[];
}

type Owner = 'host' | 'simulator';

const SAMPLE_US = 100;
const TOP = 25;
const RUNS = 5;

function ownerOf(url: string): Owner | undefined {
  if (url.includes('/libs/device-sim/')) return 'simulator';
  if (/\/libs\/dfu-core\/|\/libs\/contracts\/|\/apps\/agent\/|\/node_modules\//.test(url)) return 'host';
  return undefined;
}

/**
 * Wraps a link so that its sends are counted. @returns how many there were so far.
 */
function countSends(link: ReopeningLink): () => number {
  let count = 0;
  const counted = (open: Awaited<ReturnType<ReopeningLink['open']>>): typeof open => {
    const send = open.send.bind(open);
    open.send = (...sent) => {
      count += 1;
      return send(...sent);
    };
    return open;
  };
  const open = link.open.bind(link);
  link.open = async (...asked) => counted(await open(...asked));
  return () => count;
}

/** What is measured of a transfer: from its first packet to the answer to its last. */
export interface Window {
  begin(): void;
  end(): void;
}

/** A transfer over that link, which tells its window. */
export type Work = (window: Window, count: (link: ReopeningLink) => void) => Promise<void>;

/** Tells the costliest functions on stderr when asked to. @returns microseconds for each packet. */
export async function hostCpuUsPerPacket(name: string, work: Work): Promise<number> {
  await measureHostCpu(work); // what is loaded and compiled once is no cost of a packet
  let best = await measureHostCpu(work);
  for (let run = 1; run < RUNS; run += 1) {
    const again = await measureHostCpu(work);
    if (again.usPerPacket < best.usPerPacket) best = again;
  }
  const { usPerPacket, processUsPerPacket, share, top } = best;
  if (process.env['DRYDOCK_BENCH_PROFILE'] === '1') {
    const lines = top.map(([what, us]) => `${us.toFixed(2).padStart(8)} us  ${what}`);
    process.stderr.write(
      `${name}: ${usPerPacket.toFixed(1)} us a packet, ${(share * 100).toFixed(0)} % of ${processUsPerPacket.toFixed(1)} us\n${lines.join('\n')}\n`,
    );
  }
  return Math.round(usPerPacket * 10) / 10;
}

async function measureHostCpu(work: Work): Promise<HostCpu> {
  const session = new Session();
  session.connect();
  await session.post('Profiler.enable');
  await session.post('Profiler.setSamplingInterval', { interval: SAMPLE_US });
  let sends = (): number => 0;
  let [before, after] = [0, 0];
  let began = process.cpuUsage();
  let used = began;
  let stopped: Promise<Profiler.StopReturnType> | undefined;
  await work(
    {
      begin: () => {
        void session.post('Profiler.start');
        before = sends();
        began = process.cpuUsage();
      },
      end: () => {
        if (stopped) return;
        used = process.cpuUsage(began);
        after = sends();
        stopped = session.post('Profiler.stop');
      },
    },
    (link) => {
      sends = countSends(link);
    },
  );
  if (!stopped) throw new Error('the transfer told no end');
  const { profile } = await stopped;
  const packets = after - before;
  session.disconnect();
  const { host, simulator, collecting, busy, functions } = attribute(profile);
  const share = (host + (collecting * host) / (host + simulator)) / busy;
  const hostUs = (used.user + used.system) * share;
  const perSample = hostUs / host / packets;
  const top = [...functions].sort(([, a], [, b]) => b - a).slice(0, TOP);
  return {
    usPerPacket: hostUs / packets,
    processUsPerPacket: (used.user + used.system) / packets,
    share,
    top: top.map(([name, samples]) => [name, samples * perSample] as const),
  };
}

function attribute({ nodes, samples = [] }: Profiler.Profile) {
  const byId = new Map(nodes.map((node) => [node.id, node]));
  const parents = new Map<number, number>();
  for (const node of nodes) for (const child of node.children ?? []) parents.set(child, node.id);
  const owners = new Map<number, Owner | undefined>();
  const findOwner = (id: number): Owner | undefined => {
    if (owners.has(id)) return owners.get(id);
    const node = byId.get(id);
    const parent = parents.get(id);
    const owner = (node && ownerOf(node.callFrame.url)) ?? (parent === undefined ? undefined : findOwner(parent));
    owners.set(id, owner);
    return owner;
  };
  const totals = { host: 0, simulator: 0, collecting: 0, busy: 0 };
  const functions = new Map<string, number>();
  for (const sample of samples) {
    const owner = findOwner(sample);
    const frame = byId.get(sample)?.callFrame;
    if (frame?.functionName !== '(idle)') totals.busy += 1;
    if (frame?.functionName === '(garbage collector)') totals.collecting += 1;
    if (!owner) continue;
    totals[owner] += 1;
    if (owner !== 'host' || !frame) continue;
    const file = frame.url.split('/').slice(-2).join('/');
    const name = `${frame.functionName || '(anonymous)'} ${file}:${frame.lineNumber + 1}`;
    functions.set(name, (functions.get(name) ?? 0) + 1);
  }
  return { ...totals, functions };
}
