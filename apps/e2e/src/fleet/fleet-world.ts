/**
 * A fleet in this process: the real agents (grants, journal, uplink) with fake links to fake units, against servers
 * that are processes of their own.
 */
import { startAgentInProcess, type RunningAgent } from '@drydock/agent/testing';
import { makeMcubootImage } from '@drydock/dfu-core';
import { seededRandom } from '@drydock/device-sim';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { stringify } from 'yaml';
import type { JudgedSite } from '../judge.js';
import { Operator, until } from '../operator.js';
import { FakeLink, fakeProtocol, FakeUnit, type FakeImage } from './fake-unit.js';
import { FleetGround, type OutsideGround } from './fleet-ground.js';

export const FLEET_MODEL = 'fleet-board';
const KEY = { kind: 'ed25519', secret: new Uint8Array(32).fill(9) } as const;

export interface FleetOptions {
  readonly gateways: number;
  readonly devicesPerGateway: number;
  readonly seed: number;
  /** Share of the gateways that hang on the road that can be cut. */
  readonly cutShare: number;
  /** Updates that a gateway runs at once. */
  readonly parallel: number;
  readonly outside?: OutsideGround | undefined;
  /** Share of the tries to open a link that fail; 0.01 where it is left out. */
  readonly linkLoss?: number;
  /** What each device runs at first; 1.0.0 where it is left out. */
  readonly firstVersion?: (gateway: number, device: number) => string;
}

export interface Fleet {
  readonly ground: FleetGround;
  readonly operator: Operator;
  readonly site: JudgedSite;
  readonly units: readonly FakeUnit[];
  readonly agents: readonly RunningAgent[];
  readonly stateDirs: readonly string[];
  /** Serial numbers behind the road that can be cut. */
  readonly behindCut: ReadonlySet<string>;
  /** Makes and uploads an image of a version that no other has. @returns the artifact's id. */
  release(version: number): Promise<string>;
  /** The same, for a release that these units take but do not start. */
  badRelease(version: number, isBadFor: (unit: FakeUnit) => boolean): Promise<string>;
  close(): Promise<void>;
}

/** Opens a fleet and waits until the server knows every device. */
export async function openFleet(options: FleetOptions): Promise<Fleet> {
  const random = seededRandom(options.seed);
  const folder = mkdtempSync(join(tmpdir(), 'drydock-fleet-'));
  const undo: (() => Promise<unknown>)[] = [];
  let opened: FleetGround | undefined;
  // Interrupted, this process leaves neither servers nor folders behind.
  const onExit = (): void => {
    opened?.abandon();
    rmSync(folder, { recursive: true, force: true });
  };
  process.once('exit', onExit);
  const close = async () => {
    for (const step of undo.reverse()) await step();
    process.off('exit', onExit);
    rmSync(folder, { recursive: true, force: true });
  };
  try {
    const ground = await FleetGround.open(options.outside);
    opened = ground;
    undo.push(() => ground.close());
    const operator = new Operator(ground.baseUrl, ground.adminToken);
    const images = new Map<string, FakeImage>();
    const units = new Map<string, FakeUnit>();
    const unitOf = (serial: string): FakeUnit => {
      const unit = units.get(serial);
      if (!unit) throw new Error(`no unit ${serial}`);
      return unit;
    };
    const protocols = new Map([['smp', fakeProtocol(unitOf)]]);
    const { id: siteId } = await operator.createSite('fleet');
    const agents: RunningAgent[] = [];
    const stateDirs: string[] = [];
    const behindCut = new Set<string>();
    const cutFrom = Math.round(options.gateways * (1 - options.cutShare));
    for (let at = 0; at < options.gateways; at++) {
      const road = at >= cutFrom ? 1 : 0;
      const name = `gateway-${at}`;
      const serials = Array.from({ length: options.devicesPerGateway }, (_, n) => `g${at}-d${n}`);
      for (const [n, serial] of serials.entries()) {
        const transferMs = 100 + Math.floor(random() * 700);
        units.set(serial, new FakeUnit(serial, images, transferMs, options.firstVersion?.(at, n)));
        if (road === 1) behindCut.add(serial);
      }
      const stateDir = join(folder, name);
      stateDirs.push(stateDir);
      const agent = await startAgentInProcess({
        stateDir,
        serverUrl: ground.gatewayUrl(road),
        token: await operator.enrolmentToken(siteId),
        protocols,
        links: {
          link: (link) => {
            const serial = link.replace(/^serial:\/dev\//, '').replace(/\?.*$/, '');
            return Promise.resolve(new FakeLink(link, unitOf(serial), () => random() < (options.linkLoss ?? 0.01)));
          },
          bluetooth: () => Promise.reject(new Error('no Bluetooth here')),
          close: () => Promise.resolve(),
        },
        site: stringify({
          name,
          identifyEverySeconds: 3600,
          limits: { parallel: options.parallel },
          models: { [FLEET_MODEL]: { protocol: 'smp' } },
          devices: serials.map((serial) => ({ name: serial, model: FLEET_MODEL, link: `serial:/dev/${serial}` })),
        }),
      });
      undo.push(() => agent.stop());
      agents.push(agent);
    }
    await until(
      'every device to be seen',
      180_000,
      async () => (await countDevices(ground.databaseUrl)) >= units.size,
      500,
    );
    const release = async (version: number): Promise<{ id: string; sha256: string }> => {
      const bytes = makeMcubootImage({
        body: new Uint8Array(2_000).fill(version),
        version: { major: 2, minor: version, revision: 0, build: 0 },
        key: KEY,
      });
      const artifact = await operator.upload({ bytes, name: `v${version}.bin`, model: FLEET_MODEL });
      images.set(artifact.sha256, { hash: artifact.runningHashes[0]!, version: `2.${version}.0` });
      return artifact;
    };
    return {
      ground,
      operator,
      units: [...units.values()],
      site: {
        units: [...units.values()].map((unit) => ({ serial: unit.serial, device: unit })),
        wallMs: (atMs) => atMs,
      },
      agents,
      stateDirs,
      behindCut,
      release: async (version) => (await release(version)).id,
      badRelease: async (version, isBadFor) => {
        const { id, sha256 } = await release(version);
        for (const unit of units.values()) if (isBadFor(unit)) unit.refuses.add(sha256);
        return id;
      },
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

async function countDevices(databaseUrl: string): Promise<number> {
  const { default: pg } = await import('pg');
  const client = new pg.Client({ connectionString: databaseUrl });
  client.on('error', () => undefined);
  await client.connect();
  try {
    const { rows } = await client.query<{ n: number }>('select count(*)::int as n from devices');
    return rows[0]!.n;
  } finally {
    await client.end();
  }
}
