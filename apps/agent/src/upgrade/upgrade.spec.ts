import { afterEach, describe, expect, it } from '@jest/globals';
import { createHash, generateKeyPairSync, sign, type KeyObject } from 'node:crypto';
import { spawn } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { AGENT_CHANNEL, AGENT_MODEL, makeAgentBundle, sourceOf, type AgentWho } from '@drydock/dfu-core';
import { Attempt } from '../deployments/attempt.js';
import { SILENT } from '../logger.js';
import { turns, VirtualClock } from '../testing/virtual-clock.js';
import {
  bundleDir,
  chooseStart,
  confirm,
  isWholeBundle,
  MAX_STARTS,
  readLauncherState,
  RESTART_STATUS,
  versionsDir,
  writeLauncherState,
  type LauncherState,
} from './launcher-state.js';
import { SelfLink } from './self-link.js';
import { mayTakeTurn, platform } from './self-upgrade.js';
import { Staging } from './staging.js';
import { Trial, waitsFor, type TrialFacts } from './trial.js';
import { UnreadOrder } from './unread-order.js';

const cleanups: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});
async function folder(): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'drydock-upgrade-'));
  cleanups.push(() => rm(dir, { recursive: true, force: true }));
  return dir;
}
const A = 'a'.repeat(64);
const B = 'b'.repeat(64);
const trial = { sha256: B, version: '2.0.0', starts: 0, withinMs: 1000, links: [] };
const good = { sha256: A, version: '1.0.0' };
const state = (more: Partial<LauncherState> = {}): LauncherState => ({
  v: 1,
  good,
  trial: null,
  fellBack: null,
  ...more,
});

describe('the launcher', () => {
  it('counts the starts of a trial before they begin, and leaves it after the last', () => {
    let now = state({ trial });
    for (let start = 1; start <= MAX_STARTS; start += 1) {
      const choice = chooseStart(now, () => true);
      expect(choice).toMatchObject({ bundle: { sha256: B }, onTrial: true, state: { trial: { starts: start } } });
      now = choice.state;
    }
    expect(chooseStart(now, () => true)).toMatchObject({
      bundle: good,
      onTrial: false,
      state: { trial: null, good, fellBack: { sha256: B, version: '2.0.0', why: expect.stringContaining('3 times') } },
    });
    expect(confirm(now)).toEqual(state({ good: { sha256: B, version: '2.0.0' } }));
  });

  it('runs nothing that is damaged, and what was installed where nothing else is left', () => {
    expect(chooseStart(state({ trial }), (sha256) => sha256 === A)).toMatchObject({
      bundle: good,
      state: { fellBack: { why: expect.stringContaining('damaged') } },
    });
    expect(chooseStart(state({ trial }), () => false).bundle).toBeNull();
    expect(chooseStart(state({ good: null }), () => true).bundle).toBeNull();
  });

  it('takes a file that is none for a fresh installation, and an odd trial for one that is over', async () => {
    const dir = await folder();
    expect(readLauncherState(dir)).toEqual(state({ good: null }));
    writeLauncherState(dir, state({ trial }));
    expect(readLauncherState(dir)).toEqual(state({ trial }));
    const path = join(versionsDir(dir), 'launcher.json');
    for (const text of ['', '{', 'null', '{"v":2}', '{"v":1,"good":{"sha256":"../..","version":"1"}}']) {
      await writeFile(path, text);
      expect(readLauncherState(dir).good).toBeNull();
    }
    await writeFile(path, JSON.stringify({ ...state(), trial: { sha256: B, version: '2', starts: 'x' } }));
    expect(chooseStart(readLauncherState(dir), () => true).onTrial).toBe(false);
  });

  const launcher = fileURLToPath(new URL('../../dist/upgrade/launcher.js', import.meta.url));
  /** Runs the built launcher on a bundle whose main file is given. @returns its exit status. */
  async function launch(
    dir: string,
    main: string,
    more: Partial<LauncherState> = {},
    signal?: NodeJS.Signals,
  ): Promise<number | null> {
    const text = Buffer.from(main);
    mkdirSync(bundleDir(dir, B), { recursive: true });
    writeFileSync(join(bundleDir(dir, B), 'agent.mjs'), text);
    const sha256 = createHash('sha256').update(text).digest('hex');
    const manifest = { files: [{ name: 'agent.mjs', sha256 }] };
    writeFileSync(join(bundleDir(dir, B), 'drydock-agent.json'), JSON.stringify(manifest));
    writeLauncherState(dir, state({ trial, ...more }));
    const child = spawn(process.execPath, [launcher, 'run', '--state', dir], { stdio: ['ignore', 'pipe', 'ignore'] });
    // A bundle says when it can be stopped.
    if (signal) child.stdout.once('data', () => child.kill(signal));
    return new Promise((resolve) => child.once('exit', resolve));
  }

  it('does not count a start that a person ended, and counts a crash', async () => {
    const dir = await folder();
    const awake = 'setInterval(() => undefined, 1000); process.stdout.write("up")';
    for (const [main, signal] of [
      [awake, 'SIGTERM'],
      [`process.on("SIGINT", () => process.exit(0)); ${awake}`, 'SIGINT'],
    ] as const) {
      expect(await launch(dir, main, {}, signal)).toBe(0);
      expect(readLauncherState(dir).trial?.starts).toBe(0);
    }
    // One that ends well by itself, at every start, would be started for ever.
    for (const main of ['process.exit(0)', 'void 0']) {
      expect(await launch(dir, main)).toBe(0);
      expect(readLauncherState(dir).trial?.starts).toBe(1);
    }
    expect(await launch(dir, 'throw new Error("no")')).toBe(1);
    expect(readLauncherState(dir).trial?.starts).toBe(1);
    writeFileSync(join(bundleDir(dir, B), 'agent.mjs'), 'changed');
    expect(isWholeBundle(dir, B)).toBe(false);
  }, 60_000);

  it('ends a trial that comes up and proves nothing', async () => {
    const dir = await folder();
    const endless = 'setInterval(() => undefined, 1000)';
    expect(await launch(dir, endless, { trial: { ...trial, withinMs: 0 } })).toBe(RESTART_STATUS);
    expect(readLauncherState(dir)).toMatchObject({ trial: null, good, fellBack: { sha256: B } });
  }, 60_000);
});

describe('a trial', () => {
  const facts: TrialFacts = { online: true, answered: true, acknowledged: 1, links: [], missing: [] };
  const port = 'serial:/dev/ttyUSB0?baud=115200';

  it('waits for connection, ack and the links that were up before', () => {
    const wait = (more: Partial<TrialFacts>, links: readonly string[] = [port]): string | undefined =>
      waitsFor({ ...facts, ...more }, links);
    const down = (link: string, note: string) => [{ link, state: 'down' as const, note }];
    expect(wait({ online: false })).toContain('not connected');
    expect(wait({ acknowledged: 0 })).toContain('acknowledged');
    expect(wait({})).toContain('not tried yet');
    expect(wait({ links: down(port, 'link.open-failed') })).toContain('does not open');
    // The port opened; that the unit behind it is silent is not the new version's fault.
    expect(wait({ links: down(port, 'link.timeout') })).toBeUndefined();
    expect(wait({ links: [{ link: port, state: 'up' }] })).toBeUndefined();
    expect(wait({ missing: [port] })).toBeUndefined();
    expect(wait({ links: down('adapter:hci0', 'anything') }, ['adapter:hci0'])).toContain('does not open');
    const ble = 'ble:AA:BB:CC:DD:EE:FF';
    expect(wait({ links: down(ble, 'link.not-found') }, [ble])).toBeUndefined();
    expect(wait({ links: down(ble, 'link.ble-unavailable') }, [ble])).toContain('does not open');
    expect(wait({ links: down(ble, 'link.ble-unavailable'), missing: ['adapter:hci0'] }, [ble])).toBeUndefined();
  });

  it('is confirmed once, or left once, when its time is over', async () => {
    const settle = (): Promise<void> => Promise.resolve();
    for (const proves of [true, false]) {
      const clock = new VirtualClock();
      const said: string[] = [];
      let now: TrialFacts = { ...facts, online: false };
      const it = new Trial({
        state: { ...trial, withinMs: 10_000 },
        clock,
        log: SILENT,
        facts: () => now,
        confirm: () => said.push('confirm'),
        fallBack: (why) => said.push(why),
      });
      it.start();
      await clock.advance(9000, settle);
      expect([it.pending, said]).toEqual([true, []]);
      if (proves) now = facts;
      await clock.advance(60_000, settle);
      expect([it.pending, said]).toEqual([false, [proves ? 'confirm' : 'not connected to the server']]);
      it.giveUp('late');
      expect(said).toHaveLength(1);
    }
  });
});

describe('a turn', () => {
  const attempt = (protocol: string, phase: Attempt['phase'], started = false): Attempt => {
    const made = new Attempt('e'.repeat(32) as never, { protocol, links: ['agent:self'] } as never, undefined);
    made.phase = phase;
    made.started = started;
    return made;
  };

  it('of the agent comes only when no device is touched and not ended, and then nothing else begins', () => {
    const self = attempt(AGENT_MODEL, 'ready');
    const fresh = attempt('smp', 'ready');
    const running = attempt('smp', 'running');
    const resumed = attempt('smp', 'ready', true);
    const done = attempt('smp', 'done', true);
    expect(mayTakeTurn(self, [self, fresh, done], false)).toBe(true);
    expect(mayTakeTurn(self, [self, running], false)).toBe(false);
    expect(mayTakeTurn(self, [self, resumed], false)).toBe(false);
    expect(mayTakeTurn(fresh, [self, fresh], false)).toBe(false);
    expect(mayTakeTurn(fresh, [self, fresh, running], false)).toBe(false);
    // What waits for its device after a restart goes on, and holds nobody up meanwhile.
    expect(mayTakeTurn(resumed, [self, resumed], false)).toBe(true);
    expect(mayTakeTurn(fresh, [self, fresh, resumed], false)).toBe(true);
    self.phase = 'running';
    expect(mayTakeTurn(resumed, [self, resumed], false)).toBe(false);
    self.phase = 'downloading';
    expect(mayTakeTurn(fresh, [self, fresh], false)).toBe(true);
  });

  it('of any device waits for the end of a trial', () => {
    const self = attempt(AGENT_MODEL, 'ready', true);
    const fresh = attempt('smp', 'ready', true);
    expect(mayTakeTurn(fresh, [fresh], true)).toBe(false);
    expect(mayTakeTurn(self, [self], true)).toBe(true);
  });
});

describe('staging', () => {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519');
  const bundleOf = (main: string, key: KeyObject | undefined = privateKey, platforms = [platform()]): Uint8Array =>
    makeAgentBundle({
      version: '2.0.0',
      platforms,
      files: new Map([['agent.mjs', new TextEncoder().encode(main)]]),
      ...(key && { sign: (message: Uint8Array) => new Uint8Array(sign(null, message, key)) }),
    });
  const GOOD = bundleOf('process.stdout.write("2.0.0\\n")');

  async function stage(file: Uint8Array, more: { sha256?: string; keys?: KeyObject[] } = {}): Promise<string> {
    const dir = await folder();
    const staging = new Staging(dir, platform(), () => more.keys ?? [publicKey]);
    const sha256 = more.sha256 ?? createHash('sha256').update(file).digest('hex');
    await staging.begin(sha256, file.length);
    for (let at = 0; at < file.length; at += 100) await staging.write(file.subarray(at, at + 100));
    try {
      expect(await staging.check()).toEqual({ sha256, version: '2.0.0' });
    } catch (error) {
      // What was refused leaves nothing that could be started.
      expect((await readdir(versionsDir(dir))).filter((name) => /^[0-9a-f]{64}$/.test(name))).toEqual([]);
      expect(staging.checked).toBeUndefined();
      throw error;
    }
    expect(isWholeBundle(dir, sha256)).toBe(true);
    await staging.keepOnly([]);
    expect(await readdir(versionsDir(dir))).toEqual([]);
    return dir;
  }

  it('unpacks what the release key signed, and only that', async () => {
    await stage(GOOD);
    await expect(stage(GOOD, { keys: [] })).rejects.toMatchObject({ code: 'gateway.no-release-key' });
    const other = generateKeyPairSync('ed25519');
    const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 }).publicKey;
    await expect(stage(GOOD, { keys: [rsa, other.publicKey] })).rejects.toMatchObject({
      code: 'gateway.no-release-key',
    });
    await expect(stage(bundleOf('1', other.privateKey))).rejects.toMatchObject({ code: 'gateway.no-release-key' });
    await expect(stage(GOOD, { sha256: A })).rejects.toMatchObject({ code: 'artifact.digest' });
  });

  it('refuses what is for another machine, cannot be loaded, or is another version than it says', async () => {
    const refused = { code: 'artifact.unsupported' };
    await expect(stage(bundleOf('1', privateKey, ['plan9-x64']))).rejects.toMatchObject(refused);
    await expect(stage(bundleOf('import "not-here";'))).rejects.toMatchObject(refused);
    await expect(stage(bundleOf('process.stdout.write("1.0.0")'))).rejects.toMatchObject(refused);
  }, 60_000);

  it('takes no more than was announced, and nothing before', async () => {
    const staging = new Staging(await folder(), platform(), () => [publicKey]);
    await expect(staging.write(new Uint8Array(1))).rejects.toMatchObject({ code: 'artifact.malformed' });
    await staging.begin(A, 10);
    await expect(staging.write(new Uint8Array(11))).rejects.toMatchObject({ code: 'artifact.malformed' });
    await staging.close();
  });
});

it('the link to the agent answers every request, and any bytes with a refusal', async () => {
  const done: string[] = [];
  const link = new SelfLink({
    who: () => ({ gateway: 'gw', version: '1.0.0', platform: platform() }),
    stage: (sha256) => Promise.resolve(void done.push(`stage ${sha256.slice(0, 2)}`)),
    write: (bytes) => Promise.resolve(void done.push(`write ${bytes.length}`)),
    check: () => Promise.reject(new Error('disk')),
    activate: () => done.push('activate'),
    fallBack: (why) => done.push(why),
  });
  const open = await link.open({}, 1000);
  const options = { acknowledged: true, withinMs: 1000 };
  const ask = async (request: unknown): Promise<unknown> => {
    const bytes = request instanceof Uint8Array ? request : new TextEncoder().encode(JSON.stringify(request));
    await open.send(AGENT_CHANNEL, bytes, options);
    const frame = await open.receive([AGENT_CHANNEL], 1000);
    return JSON.parse(new TextDecoder().decode(frame!.bytes));
  };
  expect(await ask({ ask: 'who' })).toMatchObject({ ok: true, who: { gateway: 'gw' } });
  expect(await ask({ ask: 'stage', sha256: A, sizeBytes: 3 })).toEqual({ ok: true });
  await open.send(AGENT_CHANNEL, Uint8Array.of(0, 1, 2, 3), options);
  expect(await ask({ ask: 'check' })).toMatchObject({ ok: false, detail: 'disk' });
  expect(await ask({ ask: 'activate', withinMs: 1 })).toEqual({ ok: true });
  expect(await ask({ ask: 'fall-back', why: 'no ack' })).toEqual({ ok: true });
  expect(done).toEqual(['stage aa', 'write 3', 'activate', 'no ack']);
  for (const bad of [Uint8Array.of(1), { ask: 'stage', sha256: '../..', sizeBytes: 1 }, null, { ask: 'else' }]) {
    expect(await ask(bad)).toMatchObject({ ok: false });
  }
});

describe('an order that cannot be read', () => {
  const upgrade = { version: '9.0.0', sha256: B as never, sizeBytes: 3 };
  async function world(who: Partial<AgentWho> = {}) {
    const clock = new VirtualClock();
    const done: string[] = [];
    const it = { busy: false, clock, done, settle: () => turns(20) };
    const unread = new UnreadOrder({
      clock,
      log: SILENT,
      isBusy: () => it.busy,
      cache: {
        obtain: () => Promise.resolve(''),
        open: () => Promise.resolve({ ...sourceOf(Uint8Array.of(1, 2, 3)), close: () => undefined }),
      },
      self: {
        who: () => ({ gateway: 'gw', version: '1.0.0', platform: platform(), ...who }),
        stage: (_, sizeBytes) => Promise.resolve(void done.push(`stage ${sizeBytes}`)),
        write: (bytes) => Promise.resolve(void done.push(`write ${bytes.length}`)),
        check: () => Promise.resolve(void done.push('check')),
        activate: () => done.push('activate'),
        fallBack: () => undefined,
      },
    });
    cleanups.push(() => unread.stop());
    return { ...it, unread, setBusy: (busy: boolean) => (it.busy = busy) };
  }

  it('still brings a newer agent, when nothing is open', async () => {
    const { unread, done, clock, settle, setBusy } = await world();
    setBusy(true);
    unread.take(upgrade);
    unread.take(upgrade);
    await clock.advance(60_000, settle);
    expect(done).toEqual(['stage 3', 'write 3', 'check']);
    setBusy(false);
    await clock.advance(2000, settle);
    expect(done.at(-1)).toBe('activate');
  });

  it('is obeyed neither after it was taken back, nor too late, nor for what runs or fell back', async () => {
    for (const end of ['taken back', 'too late'] as const) {
      const { unread, done, clock, settle, setBusy } = await world();
      setBusy(true);
      unread.take(upgrade);
      await clock.advance(end === 'too late' ? 11 * 60_000 : 5000, settle);
      if (end === 'taken back') unread.take(undefined);
      setBusy(false);
      await clock.advance(60_000, settle);
      expect(done).not.toContain('activate');
    }
    for (const who of [{ sha256: B }, { fellBack: { sha256: B, why: 'it crashed' } }]) {
      const { unread, done, clock, settle } = await world(who);
      unread.take(upgrade);
      await clock.advance(5000, settle);
      expect(done).toEqual([]);
    }
  });
});
