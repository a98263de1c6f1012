import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { randomBytes, randomUUID } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Grant, OrdersBody, type Cancellation, type Epoch, type Report } from '@drydock/contracts';
import { LinkError, makeMcubootImage, type Protocol } from '@drydock/dfu-core';
import fc from 'fast-check';
import { Journal } from '../journal/journal.js';
import { attemptKey, refOf } from '../journal/records.js';
import { Lanes } from '../links/lanes.js';
import { linkLane } from '../links/parse-link.js';
import { SILENT } from '../logger.js';
import { EMPTY_SITE, type Site } from '../site/site-file.js';
import { ScriptedLink, scriptedProtocol, sha256Hex, type ScriptedTimes, type ScriptedUnit } from '../testing/scripted-link.js';
import { turns, VirtualClock } from '../testing/virtual-clock.js';
import { TrustedTime } from '../uplink/trusted-time.js';
import { parseReleaseKey } from './release-keys.js';
import { Deployments } from './deployments.js';

const IMAGE = makeMcubootImage({ body: new Uint8Array(64), version: { major: 2, minor: 0, revision: 0, build: 0 } });
const SHA256 = sha256Hex(IMAGE);
const KEY = `-----BEGIN PUBLIC KEY-----
MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=
-----END PUBLIC KEY-----
`;

let root: string;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'drydock-deployments-'));
});
afterAll(() => rm(root, { recursive: true, force: true }));

/** One gateway with its disk, its devices and the true time of the server; the agent on it can be restarted. */
class World {
  readonly dir = join(root, randomUUID());
  readonly clock = new VirtualClock();
  readonly links = new Map<string, ScriptedLink>();
  readonly allReports: Report[] = [];
  journal!: Journal;
  deployments!: Deployments;
  time!: TrustedTime;
  revision = 0;
  site: Site = EMPTY_SITE;
  hasArtifact = true;
  /** Links whose unit takes nothing and says nothing. */
  readonly dead = new Set<string>();
  lanes!: Lanes;
  readonly unit: ScriptedUnit = { mode: 'application' };
  #writing = 0;

  constructor(readonly times: ScriptedTimes = { identifyMs: 100, transferMs: 5000, proveMs: 500 }) {}

  /** The server's true clock. It runs with the machine's, from another origin. */
  get serverMs(): number {
    return this.clock.bootMs() + 500_000_000;
  }

  async boot(): Promise<void> {
    this.journal = await Journal.open({ dir: this.dir, epoch: randomBytes(16).toString('hex') });
    this.time = new TrustedTime(this.clock);
    this.lanes = new Lanes();
    const { journal } = this;
    const append: Journal['append'] = async (...entries) => {
      this.#writing += 1;
      try {
        const written = await journal.append(...entries);
        for (const record of written) if (record.t === 'report') this.allReports.push(record.report);
        return written;
      } finally {
        this.#writing -= 1;
      }
    };
    const protocols: ReadonlyMap<string, Protocol> = new Map([['smp', scriptedProtocol(this.times, this.unit)]]);
    this.deployments = new Deployments({
      clock: this.clock,
      log: SILENT,
      time: this.time,
      journal: {
        append,
        attempt: (ref) => journal.attempt(ref),
        covers: (epoch) => journal.covers(epoch),
        lastWord: (ref) => journal.lastWord(ref),
        openAttempts: () => journal.openAttempts(),
        epoch: journal.epoch,
        found: journal.found,
        get reign() {
          return journal.reign;
        },
        get trouble() {
          return journal.trouble;
        },
      },
      cache: {
        read: () => Promise.resolve(IMAGE),
        discard: () => Promise.resolve(),
        hold: () => () => undefined,
        has: () => Promise.resolve(this.hasArtifact),
        obtain: (_, __, signal) =>
          this.hasArtifact
            ? Promise.resolve('')
            : new Promise((___, reject) => signal?.addEventListener('abort', () => reject(new Error('aborted')))),
      },
      links: { link: (name) => Promise.resolve(this.linkOf(name)) },
      protocols,
      site: this.site,
      lanes: this.lanes,
      releaseKeys: (model) => this.site.releaseKeys.get(model) ?? [],
      reported: () => undefined,
      held: () => undefined,
      progress: () => undefined,
      ended: () => undefined,
    });
    await this.deployments.recover();
    await this.settle();
  }

  linkOf(name: string): ScriptedLink {
    let link = this.links.get(name);
    if (!link) {
      link = new ScriptedLink(name.split('?')[0]!.slice('serial:'.length), () => this.serverMs, this.clock);
      link.onWrite = (text) => this.answer(name, text);
      this.links.set(name, link);
    }
    return link;
  }

  /** The unit answers to a touch, unless it is without power. */
  answer(name: string, text: string): void {
    if (text === 'touch' && !this.dead.has(name)) this.linkOf(name).say('ok');
  }

  /** The process is killed: nothing of it goes on, what is on disk stays. */
  async kill(): Promise<void> {
    for (const link of this.links.values()) link.refusal = undefined;
    const stopped = this.deployments.stop(0);
    await this.clock.advance(0, () => this.settle());
    await stopped;
    // What a session makes of its lost link is not written down any more.
    await this.journal.close();
    for (const link of this.links.values()) link.lose();
    await this.settle();
  }

  tellTime(): void {
    this.time.answer(this.time.ask(), this.serverMs);
    this.deployments.pump();
  }

  async settle(): Promise<void> {
    do await turns(12);
    while (this.#writing > 0);
  }

  async advance(ms: number): Promise<void> {
    await this.clock.advance(ms, () => this.settle());
    await this.settle();
  }

  grant(device: number, more: Partial<Grant> = {}): Grant {
    return Grant.parse({
      deployment: randomUUID(),
      reign: 0,
      attempt: 1,
      mode: 'update',
      device: `00000000-0000-4000-8000-${String(device).padStart(12, '0')}`,
      model: 'demo',
      identity: { kind: 'port-path', value: `/dev/d${device}` },
      links: [`serial:/dev/d${device}?baud=115200`],
      protocol: 'smp',
      artifact: { sha256: SHA256, sizeBytes: IMAGE.length, format: 'mcuboot' },
      expect: { versionProves: false },
      confirm: 'after-proof',
      allowDowngrade: false,
      startBy: Math.round(this.serverMs + 60_000),
      finishBy: Math.round(this.serverMs + 200_000),
      timeouts: { downloadMs: 30_000, transferMs: 60_000, activateMs: 30_000, proveMs: 30_000 },
      ...more,
    });
  }

  async order(
    grants: readonly Grant[],
    cancellations: readonly Cancellation[] = [],
    settle?: OrdersBody['settle'],
  ): Promise<void> {
    this.revision += 1;
    const body = OrdersBody.parse({
      reign: 0,
      revision: this.revision,
      issuedAtMs: Math.round(this.serverMs),
      grants,
      settle,
      prefetch: [],
    });
    await this.deployments.take({ cancellations, refused: [], body });
    await this.settle();
  }

  kinds(of?: Grant): string[] {
    return this.allReports
      .filter((report) => of === undefined || ('ref' in report && attemptKey(report.ref) === attemptKey(of)))
      .map((report) =>
        report.kind === 'ended'
          ? `ended:${report.outcome}${report.code ? `:${report.code}` : ''}`
          : report.kind === 'withdrawn'
            ? `withdrawn:${report.why}`
            : report.kind,
      );
  }

  touches(device: number): number[] {
    return (this.links.get(`serial:/dev/d${device}?baud=115200`)?.writes ?? [])
      .filter(({ text }) => text === 'touch')
      .map(({ atMs }) => atMs);
  }
}

const worlds: World[] = [];
async function world(times?: ScriptedTimes, prepare?: (it: World) => void): Promise<World> {
  const made = new World(times);
  prepare?.(made);
  await made.boot();
  worlds.push(made);
  return made;
}
afterEach(async () => {
  for (const each of worlds.splice(0)) await each.kill();
});

describe('deployments', () => {
  it('carries an attempt through all its reports', async () => {
    const it = await world();
    it.tellTime();
    const grant = it.grant(1);
    await it.order([grant]);
    await it.advance(10_000);
    expect(it.kinds(grant)).toEqual(['touched', 'complete', 'activating', 'proving', 'ended:proven']);
    expect(it.deployments.holds).toEqual({ reign: 0, revision: 1 });
  });

  it('starts nothing without a fresh time, and goes on when it comes', async () => {
    const it = await world();
    const grant = it.grant(1);
    await it.order([grant]);
    await it.advance(20_000);
    expect(it.touches(1)).toEqual([]);
    it.tellTime();
    it.clock.suspend(5000);
    await it.advance(2000);
    expect(it.touches(1)).toEqual([]); // what was known before a sleep counts no more
    it.tellTime();
    await it.advance(2000);
    expect(it.touches(1)).toHaveLength(1);
  });

  it('withdraws a grant that is missing from the newer order, and never starts it', async () => {
    const it = await world(undefined, (each) => (each.hasArtifact = false));
    it.tellTime();
    const [a, b] = [it.grant(1), it.grant(2)];
    await it.order([a, b]);
    await it.order([b]);
    it.hasArtifact = true;
    await it.order([b, a]);
    await it.advance(30_000);
    expect(it.kinds(a)).toEqual(['downloading', 'withdrawn:superseded']);
    expect(it.touches(1)).toEqual([]);
  });

  it('lets what runs go on when its grant is missing, and stops it only at a named safe point', async () => {
    const it = await world();
    it.tellTime();
    const grant = it.grant(1);
    await it.order([grant]);
    await it.advance(1000);
    await it.order([]);
    await it.order([], [{ ...refOf(grant), mode: 'before-start' }]);
    await it.advance(1000);
    expect(it.kinds(grant)).toEqual(['touched']);
    await it.order([], [{ ...refOf(grant), mode: 'safe-point' }]);
    await it.advance(1000);
    expect(it.kinds(grant)).toEqual(['touched', 'ended:cancelled']);
  });

  it('takes an older order for nothing, and a renewal for the same attempt', async () => {
    const it = await world(undefined, (each) => (each.hasArtifact = false));
    it.tellTime();
    const grant = it.grant(1);
    await it.order([grant]);
    const renewed = { ...grant, startBy: grant.startBy + 100_000, finishBy: grant.finishBy + 100_000 };
    await it.order([renewed]);
    it.revision = 0;
    await it.order([]);
    expect(it.kinds(grant)).toEqual(['downloading']);
    await it.advance(90_000);
    expect(it.kinds(grant)).toEqual(['downloading']);
    await it.advance(100_000);
    expect(it.kinds(grant)).toEqual(['downloading', 'withdrawn:start-by-passed']);
  });

  it('runs one attempt at a time per device and per link', async () => {
    const it = await world();
    it.tellTime();
    const first = it.grant(1);
    const sameLink = it.grant(2, { links: first.links, identity: first.identity });
    await it.order([first, sameLink]);
    await it.advance(2000);
    expect(it.touches(1)).toHaveLength(1);
    await it.advance(10_000);
    expect(it.touches(1)).toHaveLength(2);
    expect(it.kinds(sameLink).at(-1)).toBe('ended:proven');
  });

  it('touches no unit but the one that is meant (P7)', async () => {
    const it = await world();
    it.tellTime();
    const wrong = it.grant(1, { identity: { kind: 'port-path', value: '/dev/other' } });
    await it.order([wrong]);
    await it.advance(2000);
    expect(it.kinds(wrong)).toEqual(['ended:failed:target.wrong-identity']);
    expect(it.touches(1)).toEqual([]);
  });

  it('touches nothing with an artifact that the release key of the model did not sign', async () => {
    const it = await world(undefined, (each) => {
      each.site = { ...EMPTY_SITE, releaseKeys: new Map([['demo', [parseReleaseKey(KEY, 'test')]]]) };
    });
    it.tellTime();
    const grant = it.grant(1);
    await it.order([grant]);
    await it.advance(2000);
    expect(it.kinds(grant)).toEqual(['ended:failed:gateway.no-release-key']);
    expect(it.touches(1)).toEqual([]);
  });

  it('does not touch when startBy passes between the look before and the first write', async () => {
    const it = await world({ identifyMs: 5000, transferMs: 100, proveMs: 10 });
    it.tellTime();
    const grant = it.grant(1, { startBy: Math.round(it.serverMs) + 3000 });
    await it.order([grant]);
    await it.advance(20_000);
    expect(it.kinds(grant)).toEqual(['withdrawn:start-by-passed']);
    expect(it.links.get(grant.links[0]!)!.writes).toEqual([]);
  });

  it('writes nothing after finishBy, whatever the session wants', async () => {
    const it = await world({ identifyMs: 10, transferMs: 50_000, proveMs: 10 });
    it.tellTime();
    const grant = it.grant(1, { startBy: it.serverMs + 10_000, finishBy: it.serverMs + 20_000 });
    await it.order([grant]);
    await it.advance(120_000);
    expect(it.kinds(grant)).toEqual(['touched', 'ended:failed:fence.finish-by']);
    expect(it.links.get(grant.links[0]!)!.writes.every(({ atMs }) => atMs < grant.finishBy)).toBe(true);
  });

  it('withdraws after a restart what was never started, and goes on with what was', async () => {
    const it = await world();
    it.tellTime();
    const [running, waiting] = [it.grant(1), it.grant(2, { links: [it.grant(1).links[0]!] })];
    await it.order([running, waiting]);
    await it.advance(1000);
    await it.kill();
    await it.boot();
    expect(it.journal.found).toBe('intact');
    expect(it.kinds(waiting)).toEqual(['withdrawn:epoch-ended']);
    expect(it.kinds(running)).toEqual(['touched']);
    it.tellTime();
    await it.advance(20_000);
    expect(it.kinds(running)).toEqual(['touched', 'complete', 'activating', 'proving', 'ended:proven']);
  });

  it('reports as failed after a restart what has run out of time meanwhile', async () => {
    const it = await world({ identifyMs: 10, transferMs: 100_000, proveMs: 10 });
    it.tellTime();
    const grant = it.grant(1);
    await it.order([grant]);
    await it.advance(1000);
    await it.kill();
    await it.advance(300_000);
    await it.boot();
    it.tellTime();
    await it.advance(2000);
    expect(it.kinds(grant)).toEqual(['touched', 'ended:failed:gateway.restarted']);
  });

  it('says nothing of attempts when the journal is lost', async () => {
    const it = await world();
    it.tellTime();
    await it.order([it.grant(1), it.grant(2, { links: ['serial:/dev/d1?baud=115200'] })]);
    await it.advance(1000);
    const before = it.allReports.length;
    await it.kill();
    await rm(it.dir, { recursive: true });
    await it.boot();
    it.tellTime();
    await it.advance(30_000);
    expect(it.journal.found).toBe('new');
    expect(it.allReports.slice(before)).toEqual([]);
  });
});

describe('a first write that may not have arrived (P2)', () => {
  it('is not repeated after startBy, and the attempt says that it was touched', async () => {
    const it = await world();
    it.tellTime();
    const grant = it.grant(1, { startBy: it.serverMs + 10_000 });
    it.dead.add(grant.links[0]!);
    await it.order([grant]);
    await it.advance(60_000);
    expect(it.touches(1).length).toBeGreaterThan(3);
    expect(it.touches(1).every((atMs) => atMs < grant.startBy)).toBe(true);
    expect(it.kinds(grant)).toEqual(['touched', 'ended:failed:fence.start-by']);
    expect(it.allReports.at(-1)).toMatchObject({ touched: true, needsRescue: false });
  });

  it('holds nothing back once the unit has answered', async () => {
    const it = await world({ identifyMs: 100, transferMs: 20_000, proveMs: 500 });
    it.tellTime();
    const grant = it.grant(1, { startBy: it.serverMs + 10_000 });
    it.dead.add(grant.links[0]!);
    await it.order([grant]);
    await it.advance(3000);
    it.dead.clear();
    await it.advance(60_000);
    expect(it.kinds(grant).at(-1)).toBe('ended:proven');
  });

  it.each([
    ['goes on after a restart while startBy is ahead', 2000, ['touched', 'complete', 'activating', 'proving', 'ended:proven']],
    ['is over after a restart once startBy has passed', 12_000, ['touched', 'ended:failed:fence.start-by']],
  ])('%s', async (_, awayMs, kinds) => {
    const it = await world();
    it.tellTime();
    const grant = it.grant(1, { startBy: it.serverMs + 10_000 });
    it.dead.add(grant.links[0]!);
    await it.order([grant]);
    await it.advance(2000);
    await it.kill();
    it.dead.clear();
    const touched = it.touches(1).length;
    await it.advance(awayMs);
    await it.boot();
    it.tellTime();
    await it.advance(30_000);
    expect(it.kinds(grant)).toEqual(kinds);
    if (awayMs > 10_000) expect(it.touches(1)).toHaveLength(touched);
    expect(it.allReports.at(-1)).toMatchObject({ touched: true, needsRescue: false });
  });

  it.each([
    ['stays mute', (it: World, link: string) => void it.dead.add(link)],
    [
      'is not found',
      (it: World, link: string) =>
        void (it.linkOf(link).refusal = new LinkError('link.not-found', { link, withinMs: 1 })),
    ],
  ])('is not made up for after a restart when the unit %s until startBy', async (_, harm) => {
    const it = await world();
    it.tellTime();
    const grant = it.grant(1, { startBy: it.serverMs + 20_000 });
    it.dead.add(grant.links[0]!);
    await it.order([grant]);
    await it.advance(2000);
    await it.kill();
    it.dead.clear();
    await it.boot();
    harm(it, grant.links[0]!);
    it.tellTime();
    await it.advance(40_000);
    expect(it.kinds(grant)).toEqual(['touched', 'ended:failed:fence.start-by']);
    expect(it.touches(1).every((atMs) => atMs < grant.startBy)).toBe(true);
  });

  it('goes on after a restart past startBy when the unit had answered before it', async () => {
    const it = await world({ identifyMs: 100, transferMs: 30_000, proveMs: 500 });
    it.tellTime();
    const grant = it.grant(1, { startBy: it.serverMs + 10_000 });
    await it.order([grant]);
    await it.advance(2000);
    await it.kill();
    await it.advance(12_000);
    await it.boot();
    it.tellTime();
    await it.advance(60_000);
    expect(it.kinds(grant)).toEqual(['touched', 'complete', 'activating', 'proving', 'ended:proven']);
  });
});

describe('after a restart', () => {
  it('a unit found in its bootloader is rescued, and the end tells what ran before it was touched', async () => {
    const it = await world({ identifyMs: 100, transferMs: 20_000, proveMs: 500 });
    it.tellTime();
    const grant = it.grant(1);
    await it.order([grant]);
    await it.advance(2000);
    await it.kill();
    it.unit.mode = 'bootloader';
    await it.boot();
    it.tellTime();
    await it.advance(60_000);
    expect(it.kinds(grant).at(-1)).toBe('ended:proven');
    expect(it.allReports.at(-1)).toMatchObject({
      before: [{ image: 0, version: '1' }],
      after: [{ image: 0, version: '2' }],
    });
  });

  it('a unit that stays away ends with what the journal shows of it', async () => {
    const it = await world({ identifyMs: 100, transferMs: 20_000, proveMs: 500 });
    it.tellTime();
    const grant = it.grant(1);
    await it.order([grant]);
    await it.advance(2000);
    await it.kill();
    await it.boot();
    it.linkOf(grant.links[0]!).refusal = new LinkError('link.not-found', { link: 'x', withinMs: 1 });
    it.tellTime();
    await it.advance(300_000);
    expect(it.kinds(grant)).toEqual(['touched', 'ended:failed:gateway.restarted']);
    expect(it.allReports.at(-1)).toMatchObject({ before: [{ image: 0, version: '1' }], touched: true });
  });

  it('the devices of resumed and granted attempts are lent to nobody, until they end', async () => {
    const it = await world({ identifyMs: 100, transferMs: 20_000, proveMs: 500 });
    it.tellTime();
    await it.order([it.grant(1)]);
    await it.advance(2000);
    await it.kill();
    await it.boot();
    await it.order([it.grant(2)]);
    const lend = (device: number) => it.lanes.tryBorrow(linkLane(`serial:/dev/d${device}`), () => undefined);
    expect([lend(1), lend(2)]).toEqual([undefined, undefined]);
    it.tellTime();
    await it.advance(60_000);
    expect([lend(1), lend(2)]).not.toContain(undefined);
  });
});

describe('attempts that the server has no word of (P3)', () => {
  async function restarted(prepare: (it: World) => Promise<unknown> = () => Promise.resolve()) {
    const it = await world();
    it.tellTime();
    const { epoch } = it.journal;
    await prepare(it);
    await it.kill();
    it.revision = 0;
    return { it, epoch };
  }

  it('are withdrawn when the journal covers their epoch, once, and never start', async () => {
    const { it, epoch } = await restarted();
    await it.boot();
    it.tellTime();
    const unheard = it.grant(1);
    const entry = { ...refOf(unheard), epoch };
    await it.order([], [], [entry, entry]);
    await it.order([], [], [entry]);
    await it.order([unheard]);
    await it.advance(5000);
    expect(it.kinds(unheard)).toEqual(['withdrawn:epoch-ended']);
    expect(it.touches(1)).toEqual([]);
    await it.kill();
    it.revision = 0;
    await it.boot();
    it.tellTime();
    await it.order([unheard], [], [entry]);
    await it.advance(5000);
    expect(it.kinds(unheard)).toEqual(['withdrawn:epoch-ended']);
    expect(it.touches(1)).toEqual([]);
  });

  it('are no news when a report tells of them already, or will', async () => {
    const grants: Grant[] = [];
    const { it, epoch } = await restarted(async (it) => {
      grants.push(it.grant(1), it.grant(2), it.grant(3), it.grant(4, { links: ['serial:/dev/d3?baud=115200'] }));
      await it.order(grants);
      await it.order(grants.filter((_, index) => index !== 1), [{ ...refOf(grants[1]!), mode: 'safe-point' }]);
      await it.advance(8000);
      const late = it.grant(1);
      grants.push(late);
      await it.order([...grants, late]);
      await it.advance(1000);
    });
    await it.boot();
    const before = it.allReports.length;
    await it.order([], [], grants.map((grant) => ({ ...refOf(grant), epoch })));
    expect(it.allReports.slice(before)).toEqual([]);
  });

  it.each([
    ['lost', (dir: string) => rm(dir, { recursive: true })],
    [
      'damaged',
      async (dir: string) => {
        const path = join(dir, 'journal');
        const bytes = await readFile(path);
        bytes[bytes.indexOf('epoch') + 1]! ^= 0xff;
        await writeFile(path, bytes);
      },
    ],
  ])('are met with silence when the journal is %s, now and at later starts', async (found, harm) => {
    const { it, epoch } = await restarted((it) => it.order([it.grant(2)]));
    await harm(it.dir);
    const entry = { ...refOf(it.grant(1)), epoch };
    for (const state of [found === 'lost' ? 'new' : found, 'intact']) {
      await it.boot();
      expect(it.journal.found).toBe(state);
      const before = it.allReports.length;
      await it.order([], [], [entry]);
      expect(it.allReports.slice(before)).toEqual([]);
      await it.kill();
      it.revision = 0;
    }
  });

  it('are met with silence in an epoch that was never ours', async () => {
    const it = await world();
    await it.order([], [], [{ ...refOf(it.grant(1)), epoch: randomBytes(16).toString('hex') as Epoch }]);
    expect(it.allReports).toEqual([]);
  });

  it('of the live epoch are superseded, unless the same order grants them or they run', async () => {
    const it = await world();
    it.tellTime();
    const [unheard, running, granted] = [it.grant(1), it.grant(2), it.grant(3)];
    await it.order([running]);
    await it.advance(1000);
    const settle = [unheard, running, granted].map((grant) => ({ ...refOf(grant), epoch: it.journal.epoch }));
    await it.order([granted], [], settle);
    await it.order([granted, unheard]);
    await it.advance(20_000);
    expect(it.kinds(unheard)).toEqual(['withdrawn:superseded']);
    expect(it.allReports.find(({ kind }) => kind === 'withdrawn')).toMatchObject({ held: { reign: 0, revision: 2 } });
    expect([it.kinds(running).at(-1), it.kinds(granted).at(-1)]).toEqual(['ended:proven', 'ended:proven']);
    expect(it.touches(1)).toEqual([]);
  });
});

describe('grants, whatever happens', () => {
  const step = fc.oneof(
    {
      weight: 4,
      arbitrary: fc.record({
        do: fc.constant('order' as const),
        keep: fc.array(fc.nat(20), { maxLength: 6 }),
        fresh: fc.array(fc.nat(3), { maxLength: 3 }),
        startIn: fc.integer({ min: 1, max: 40_000 }),
      }),
    },
    {
      weight: 4,
      arbitrary: fc.record({ do: fc.constant('advance' as const), ms: fc.integer({ min: 1, max: 15_000 }) }),
    },
    { weight: 3, arbitrary: fc.record({ do: fc.constant('time' as const) }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('sleep' as const), ms: fc.integer({ min: 1, max: 60_000 }) }) },
    {
      weight: 2,
      arbitrary: fc.record({
        do: fc.constant('cancel' as const),
        which: fc.nat(20),
        mode: fc.constantFrom('before-start' as const, 'safe-point' as const),
      }),
    },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('restart' as const), loseJournal: fc.boolean() }) },
  );

  it('nothing starts at or after startBy, withdrawn and started exclude each other, ends are single, dead epochs stay dead', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 3, maxLength: 18 }), async (steps) => {
        const it = new World({ identifyMs: 2500, transferMs: 4000, proveMs: 200 });
        await it.boot();
        it.tellTime();
        const all: Grant[] = [];
        const epochOf = new Map<string, string>();
        const lostAt = new Map<string, number>();
        const touches: { device: number; atMs: number; epoch: string }[] = [];
        const watch = (): void => {
          for (const [name, link] of it.links) {
            link.onWrite = (text) => {
              if (text === 'touch')
                touches.push({ device: Number(/d(\d+)/.exec(name)![1]), atMs: it.serverMs, epoch: it.journal.epoch });
              it.answer(name, text);
            };
          }
        };
        for (let device = 0; device < 4; device += 1) it.linkOf(`serial:/dev/d${device}?baud=115200`);
        watch();
        for (const each of steps) {
          if (each.do === 'order') {
            const kept = [...new Set(each.keep)]
              .map((index) => all[index])
              .filter((grant) => grant !== undefined && epochOf.get(attemptKey(grant)) === it.journal.epoch) as Grant[];
            const fresh = each.fresh.map((device) =>
              it.grant(device, {
                startBy: Math.round(it.serverMs) + each.startIn,
                finishBy: Math.round(it.serverMs) + each.startIn + 30_000,
              }),
            );
            for (const grant of fresh) epochOf.set(attemptKey(grant), it.journal.epoch);
            all.push(...fresh);
            await it.order([...kept, ...fresh]);
          } else if (each.do === 'advance') await it.advance(each.ms);
          else if (each.do === 'time') it.tellTime();
          else if (each.do === 'sleep') it.clock.suspend(each.ms);
          else if (each.do === 'cancel') {
            const grant = all[each.which];
            if (grant) await it.order([], [{ ...refOf(grant), mode: each.mode }]);
          } else {
            await it.kill();
            if (each.loseJournal) {
              await rm(it.dir, { recursive: true });
              for (const grant of all)
                if (!lostAt.has(attemptKey(grant))) lostAt.set(attemptKey(grant), it.allReports.length);
            }
            it.revision = 0;
            await it.boot();
          }
          await it.settle();
        }
        it.tellTime();
        await it.advance(60_000);
        await it.kill();

        for (const grant of all) {
          const kinds = it.kinds(grant);
          const started = kinds.includes('touched');
          const withdrawn = kinds.filter((kind) => kind.startsWith('withdrawn')).length;
          expect(withdrawn + (started ? 1 : 0)).toBeLessThanOrEqual(1);
          expect(kinds.filter((kind) => kind.startsWith('ended')).length).toBeLessThanOrEqual(1);
          const lost = lostAt.get(attemptKey(grant));
          if (lost !== undefined) {
            const claims = it.allReports
              .slice(lost)
              .filter((report) => 'ref' in report && attemptKey(report.ref) === attemptKey(grant));
            expect(claims).toEqual([]); // nothing is known of it any more, so nothing is said
          }
        }
        for (const { device, atMs, epoch } of touches) {
          const own = all.filter((grant) => grant.device.endsWith(String(device)));
          const allowed = own.some((grant) => {
            const granted = epochOf.get(attemptKey(grant)) === epoch && atMs < grant.startBy;
            const resumed =
              epochOf.get(attemptKey(grant)) !== epoch && it.kinds(grant).includes('touched') && atMs < grant.finishBy;
            return granted || resumed;
          });
          expect(allowed).toBe(true);
        }
        for (const [name, link] of it.links) {
          const own = all.filter((grant) => grant.links[0] === name);
          for (const { atMs } of link.writes) expect(own.some((grant) => atMs < grant.finishBy)).toBe(true);
        }
        await rm(it.dir, { recursive: true, force: true });
      }),
      { numRuns: 60 },
    );
  }, 60_000);
});
