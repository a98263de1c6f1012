/** Everything of a story in one place: server, sites of simulated devices, agents, and how they end. */
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { AgentProcess, type AgentProcessOptions } from './agent-process.js';
import { isScaled, startLaneServer, type LaneServer } from './lane.js';
import { Operator, until } from './operator.js';
import { makeBoardPackage, makeReleaseKey, makeSensorPackage, type ReleaseKeyPair } from './packages.js';
import { openSimulatedSite, type SimulatedSite, type SimulatedUnit, type UnitOptions } from './simulated-site.js';
import { TcpRelay } from './tcp-relay.js';

/** Characters of an agent's last words that a failed story shows. */
const WORDS = process.env.DRYDOCK_E2E_AGENT_LOG ? 60_000 : 3000;

export interface WorldOptions {
  readonly sites: readonly {
    readonly name: string;
    readonly sensors: readonly Partial<UnitOptions>[];
    readonly boards: readonly Partial<UnitOptions>[];
  }[];
  readonly paced?: boolean;
  readonly imageBytes?: number;
  readonly supervisionMs?: number;
  /** Before any gateway enrols. */
  readonly prepare?: (operator: Operator) => Promise<void>;
  /** More of how agents are started. */
  readonly agent?: Pick<AgentProcessOptions, 'script' | 'supervised'>;
}

export interface World {
  readonly server: LaneServer;
  readonly operator: Operator;
  readonly sites: readonly SimulatedSite[];
  readonly agents: readonly AgentProcess[];
  /** Between agents and broker; undefined in the scaled lane, where certificates name the broker. */
  readonly relay: TcpRelay | undefined;
  readonly sensorKey: ReleaseKeyPair;
  readonly boardKey: ReleaseKeyPair;
  unit(serial: string): SimulatedUnit;
  siteOf(serial: string): SimulatedSite;
  /** What everybody said last, for the message of a failed story. */
  words(): string;
  close(): Promise<void>;
}

/** Opens a world and waits until the server knows every device. */
export async function openWorld(options: WorldOptions): Promise<World> {
  const folder = mkdtempSync(join(tmpdir(), 'drydock-world-'));
  chmodSync(folder, 0o755);
  const undo: (() => Promise<unknown>)[] = [];
  const close = async () => {
    for (const step of undo.reverse()) await step();
    rmSync(folder, { recursive: true, force: true });
  };
  try {
    let brokerPort = 0;
    const relay = isScaled ? undefined : await TcpRelay.open(() => ({ host: '127.0.0.1', port: brokerPort }));
    if (relay) undo.push(() => relay.close());
    const server = await startLaneServer(relay ? { DRYDOCK_PUBLIC_MQTT_URL: `mqtt://127.0.0.1:${relay.port}` } : {});
    undo.push(() => server.close());
    brokerPort = server.brokerPort;
    const operator = new Operator(server.baseUrl, server.adminToken);
    await options.prepare?.(operator);
    const sensorKey = makeReleaseKey();
    const boardKey = makeReleaseKey();
    // The bootloaders check signatures, so what leaves the factory is signed as well.
    const imageBytes = options.imageBytes ?? 24 * 1024;
    const sensorRuns = { image: makeSensorPackage(1, sensorKey, imageBytes).image, fwVersion: 1 };
    const boardRuns = { image: makeBoardPackage(1, boardKey, imageBytes).image };
    const sites: SimulatedSite[] = [];
    const agents: AgentProcess[] = [];
    for (const { name, sensors, boards } of options.sites) {
      const site = await openSimulatedSite({
        name,
        folder: join(folder, name),
        sensors: sensors.map((unit) => ({ runs: sensorRuns, ...unit })),
        boards: boards.map((unit) => ({ runs: boardRuns, ...unit })),
        sensorKeyPem: sensorKey.publicPem,
        boardKeyPem: boardKey.publicPem,
        ...(options.paced === undefined ? {} : { paced: options.paced }),
        ...(options.supervisionMs === undefined ? {} : { supervisionMs: options.supervisionMs }),
      });
      undo.push(() => site.close());
      sites.push(site);
      const { id } = await operator.createSite(name);
      const agent = new AgentProcess({
        stateDir: join(folder, name, 'agent'),
        siteFile: site.siteFile,
        serverUrl: server.baseUrl,
        enrolToken: await operator.enrolmentToken(id),
        ...options.agent,
        ...(process.env.DRYDOCK_E2E_AGENT_LOG ? { logLevel: process.env.DRYDOCK_E2E_AGENT_LOG } : {}),
      });
      undo.push(() => agent.stop());
      agent.start();
      agents.push(agent);
    }
    const units = sites.flatMap((site) => site.units);
    const world: World = {
      server,
      operator,
      sites,
      agents,
      relay,
      sensorKey,
      boardKey,
      unit: (serial) => {
        const unit = units.find((each) => each.serial === serial);
        if (!unit) throw new Error(`no unit ${serial}`);
        return unit;
      },
      siteOf: (serial) => {
        const site = sites.find((each) => each.units.some((unit) => unit.serial === serial));
        if (!site) throw new Error(`no unit ${serial}`);
        return site;
      },
      words: () =>
        [
          `server: ${server.output().slice(-3000)}`,
          ...agents.map((agent) => `agent: ${agent.output().slice(-WORDS)}`),
        ].join('\n'),
      close,
    };
    try {
      await until('every device to be seen', 60_000, async () => (await operator.devices()).length >= units.length);
    } catch (error) {
      throw new Error(`${String(error)}\n${world.words()}`);
    }
    return world;
  } catch (error) {
    await close();
    throw error;
  }
}
