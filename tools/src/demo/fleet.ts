/**
 * The demo's fleet: three sites with an agent process and four simulated units each. One unit fails on
 * purpose, some are slow. What runs on each unit is remembered between starts, as real units would.
 */
import { AgentProcess, openSimulatedSite, releaseKeyOf } from '@drydock/e2e';
import { makeBoardPackage, makeSensorPackage } from '@drydock/e2e';
import type { DemoPackage, Operator, ReleaseKeyPair, SimulatedSite, UnitOptions } from '@drydock/e2e';
import { createHash, createPrivateKey, createPublicKey, generateKeyPairSync } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

export const SITES = ['oslo', 'porto', 'turin'] as const;
const UNITS_PER_SITE = { sensors: 2, boards: 2 };
/** Refuses the init packet for ever: result 5 is "invalid object". */
export const FAILING_UNIT = 'porto-S2';
const SLOW_UNITS: Readonly<Record<string, number>> = { 'oslo-B2': 4, 'turin-S1': 3 };
const SENSOR_BYTES = 48 * 1024;
const BOARD_BYTES = 64 * 1024;

interface RememberedState {
  /** Round that each unit runs; 1 from the factory. */
  readonly rounds: Record<string, number>;
  readonly nextRound: number;
}

export interface DemoFleet {
  readonly packages: readonly DemoPackage[];
  /** The next round's, for a campaign of one's own: places of the files. */
  readonly yours: readonly string[];
  readonly sites: readonly SimulatedSite[];
  readonly unitCount: number;
  /** What runs now runs at the next start. Also done by `close`. */
  remember(): void;
  close(): Promise<void>;
}

function keyIn(folder: string, name: string): ReleaseKeyPair {
  const file = join(folder, `${name}.key.pem`);
  if (!existsSync(file)) {
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    writeFileSync(file, privateKey.export({ type: 'pkcs8', format: 'pem' }), { mode: 0o600 });
  }
  const privateKey = createPrivateKey(readFileSync(file));
  return releaseKeyOf(privateKey, createPublicKey(privateKey).export({ type: 'spki', format: 'pem' }).toString());
}

/** @param folder kept between starts: agents' state, keys, what runs where. */
export async function openDemoFleet(folder: string, operator: Operator): Promise<DemoFleet> {
  mkdirSync(folder, { recursive: true });
  const stateFile = join(folder, 'fleet.json');
  const state: RememberedState = existsSync(stateFile)
    ? (JSON.parse(readFileSync(stateFile, 'utf8')) as RememberedState)
    : { rounds: {}, nextRound: 2 };
  const sensorKey = keyIn(folder, 'sensor');
  const boardKey = keyIn(folder, 'board');
  const round = state.nextRound;
  // Unix sockets allow about 100 characters of path.
  const sockets = mkdtempSync(join(tmpdir(), 'drydock-demo-'));

  const sensor = (serial: string): UnitOptions => {
    const runs = state.rounds[serial] ?? 1;
    return {
      runs: { image: makeSensorPackage(runs, sensorKey, SENSOR_BYTES).image, fwVersion: runs },
      ...(SLOW_UNITS[serial] === undefined ? {} : { slow: SLOW_UNITS[serial] }),
      ...(serial === FAILING_UNIT ? { faults: { refuse: { request: 'init', code: 0x05 } } } : {}),
    };
  };
  const board = (serial: string): UnitOptions => ({
    runs: { image: makeBoardPackage(state.rounds[serial] ?? 1, boardKey, BOARD_BYTES).image },
    ...(SLOW_UNITS[serial] === undefined ? {} : { slow: SLOW_UNITS[serial] }),
  });
  const numbers = (count: number) => Array.from({ length: count }, (_, index) => index + 1);

  const sites: SimulatedSite[] = [];
  const agents: AgentProcess[] = [];
  for (const name of SITES) {
    const site = await openSimulatedSite({
      name,
      folder: join(sockets, name),
      sensors: numbers(UNITS_PER_SITE.sensors).map((n) => sensor(`${name}-S${n}`)),
      boards: numbers(UNITS_PER_SITE.boards).map((n) => board(`${name}-B${n}`)),
      sensorKeyPem: sensorKey.publicPem,
      boardKeyPem: boardKey.publicPem,
    });
    sites.push(site);
    const stateDir = join(folder, name);
    const enrolToken = existsSync(stateDir) ? undefined : await operator.enrolmentToken(await siteId(operator, name));
    const agent = new AgentProcess({
      stateDir,
      siteFile: site.siteFile,
      serverUrl: operator.baseUrl,
      onUnexpectedEnd: (output) => console.error(`The agent of ${name} ended: ${output.slice(-1000)}`),
      ...(enrolToken === undefined ? {} : { enrolToken }),
    });
    agent.start();
    agents.push(agent);
  }

  const packagesOf = (number: number): DemoPackage[] => [
    makeSensorPackage(number, sensorKey, SENSOR_BYTES),
    makeBoardPackage(number, boardKey, BOARD_BYTES),
  ];
  const packages = packagesOf(round);
  const yours = packagesOf(round + 1);
  const roundOf = new Map([...packages.map(rounded(round)), ...yours.map(rounded(round + 1))]);
  const remember = (): void => {
    const rounds: Record<string, number> = {};
    for (const unit of sites.flatMap((site) => site.units)) {
      const running = unit.device.flash.runningImageSha256();
      rounds[unit.serial] = roundOf.get(running ?? '') ?? state.rounds[unit.serial] ?? 1;
    }
    writeFileSync(stateFile, JSON.stringify({ rounds, nextRound: round + 2 } satisfies RememberedState));
  };
  return {
    packages,
    yours: yours.map((each) => {
      const file = join(folder, 'yours', each.fileName);
      mkdirSync(dirname(file), { recursive: true });
      writeFileSync(file, each.file);
      return file;
    }),
    sites,
    unitCount: sites.reduce((count, site) => count + site.units.length, 0),
    remember,
    close: async () => {
      await Promise.all(agents.map((agent) => agent.stop()));
      remember();
      for (const site of sites) await site.close();
      rmSync(sockets, { recursive: true, force: true });
    },
  };
}

const rounded =
  (round: number) =>
  (each: DemoPackage): [string, number] => [createHash('sha256').update(each.image).digest('hex'), round];

async function siteId(operator: Operator, name: string): Promise<string> {
  const page = (await operator.call('GET', '/api/v1/sites?limit=500')) as { items: { id: string; name: string }[] };
  return page.items.find((site) => site.name === name)?.id ?? (await operator.createSite(name)).id;
}
