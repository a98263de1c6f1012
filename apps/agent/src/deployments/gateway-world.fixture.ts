/** The agent's deployments with a disk, devices and a server's time, for specs. */
import { afterEach } from '@jest/globals';
import { randomBytes, randomUUID } from 'node:crypto';
import { mkdtempSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { Grant, OrdersBody, type Cancellation, type Report } from '@drydock/contracts';
import { LinkError, makeMcubootImage, sourceOf, type Protocol } from '@drydock/dfu-core';
import { Journal } from '../journal/journal.js';
import { attemptKey } from '../journal/records.js';
import { Lanes } from '../links/lanes.js';
import { Signals } from '../links/signals.js';
import { SILENT } from '../logger.js';
import { EMPTY_SITE, type Site } from '../site/site-file.js';
import {
  ScriptedLink,
  scriptedProtocol,
  sha256Hex,
  type ScriptedTimes,
  type ScriptedUnit,
} from '../testing/scripted-link.js';
import { turns, VirtualClock } from '../testing/virtual-clock.js';
import { TrustedTime } from '../uplink/trusted-time.js';
import type { CallResult } from '../site/make-call.js';
import type { Call } from '../site/site-rules.js';
import { Deployments } from './deployments.js';
import { LocalRules } from './local-rules.js';

const IMAGE = makeMcubootImage({ body: new Uint8Array(64), version: { major: 2, minor: 0, revision: 0, build: 0 } });
const SHA256 = sha256Hex(IMAGE);

/** One gateway with its disk, its devices and the true time of the server; the agent on it can be restarted. */
export class World {
  readonly dir = join(mkdtempSync(join(tmpdir(), 'drydock-gateway-')), 'state');
  readonly clock = new VirtualClock();
  readonly links = new Map<string, ScriptedLink>();
  readonly allReports: Report[] = [];
  journal!: Journal;
  deployments!: Deployments;
  time!: TrustedTime;
  revision = 0;
  site: Site = EMPTY_SITE;
  hasArtifact = true;
  /** Holds on artifacts in the cache. */
  held = 0;
  /** Reports are committed and acknowledged at once. */
  serverHears = true;
  /** Links whose unit takes nothing and says nothing. */
  readonly dead = new Set<string>();
  lanes!: Lanes;
  makeLanes: () => Lanes = () => new Lanes();
  readonly signals = new Signals(() => this.clock.monotonicMs());
  readonly noRoom = new LinkError('link.no-room', { connections: 1 });
  /** Most attempts that ever ran at once. */
  mostRunning = 0;
  readonly #begun: number[] = [];
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
    this.lanes = this.makeLanes();
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
        open: () => Promise.resolve({ ...sourceOf(IMAGE), close: () => undefined }),
        discard: () => Promise.resolve(),
        hold: () => {
          let held = true;
          this.held += 1;
          return () => {
            this.held -= held ? 1 : 0;
            held = false;
          };
        },
        obtain: (_, __, signal) =>
          this.hasArtifact
            ? Promise.resolve('')
            : new Promise((___, reject) => signal?.addEventListener('abort', () => reject(new Error('aborted')))),
      },
      links: { link: (name) => Promise.resolve(this.linkOf(name)) },
      protocols,
      site: this.site,
      lanes: this.lanes,
      rules: new LocalRules({
        site: this.site,
        clock: this.clock,
        time: this.time,
        changed: () => this.deployments.pump(),
        call: (call, facts) => this.answerCall(call, facts),
      }),
      signals: this.signals,
      working: () => {
        const running = this.deployments.attempts.filter(({ phase }) => phase === 'running');
        this.mostRunning = Math.max(this.mostRunning, running.length);
        for (const { grant } of running) {
          const number = Number(grant.device.slice(-12));
          if (!this.#begun.includes(number)) this.#begun.push(number);
        }
      },
      releaseKeys: (model) => this.site.releaseKeys.get(model) ?? [],
      heard: () => this.serverHears,
      reported: () => undefined,
      held: () => undefined,
      progress: () => undefined,
      ended: () => undefined,
    });
    await this.deployments.recover();
    await this.settle();
  }

  /** What is run or called for the site, with the facts it was told; tests put the answers in. */
  readonly calls: { readonly call: Call; readonly facts: Readonly<Record<string, string>> }[] = [];
  answers: (call: Call, facts: Readonly<Record<string, string>>) => CallResult | Promise<CallResult> = () => ({
    kind: 'ended',
    status: 0,
    said: '',
  });

  async answerCall(call: Call, facts: Readonly<Record<string, string>>): Promise<CallResult> {
    this.calls.push({ call, facts });
    return this.answers(call, facts);
  }

  linkOf(name: string): ScriptedLink {
    let link = this.links.get(name);
    if (!link) {
      link = new ScriptedLink(name.split('?')[0]!.replace(/^\w+:/, ''), () => this.serverMs, this.clock);
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
    const stopped = this.deployments.stop(0, true);
    await this.clock.advance(0, () => this.settle());
    await stopped;
    // What a session makes of its lost link is not written down any more.
    await this.journal.close();
    for (const link of this.links.values()) link.lose();
    await this.settle();
  }

  /** Killed, and its disk is thrown away. */
  async end(): Promise<void> {
    await this.kill();
    await rm(dirname(this.dir), { recursive: true, force: true });
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

  /** Devices in the order in which their attempts began. */
  begun(): readonly number[] {
    return this.#begun;
  }

  touches(device: number): number[] {
    return (this.links.get(`serial:/dev/d${device}?baud=115200`)?.writes ?? [])
      .filter(({ text }) => text === 'touch')
      .map(({ atMs }) => atMs);
  }
}

const worlds: World[] = [];

/** A world whose agent runs; it ends with the test. */
export async function openWorld(times?: ScriptedTimes, prepare?: (it: World) => void): Promise<World> {
  const made = new World(times);
  prepare?.(made);
  await made.boot();
  worlds.push(made);
  return made;
}

afterEach(async () => {
  for (const each of worlds.splice(0)) await each.end();
});
