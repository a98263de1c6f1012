import { afterEach, describe, expect, it } from '@jest/globals';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { generateSigningKey, importSigningKey } from '@drydock/contracts';
import { startAgentInProcess, type RunningAgent } from '../testing.js';
import { ScriptedServer } from '../testing/scripted-server.js';
import { turns, VirtualClock } from '../testing/virtual-clock.js';

const cleanups: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

interface Pair {
  readonly at: ScriptedServer;
  readonly clock: VirtualClock;
  readonly stateDir: string;
  readonly agent: RunningAgent;
}

/** A server and an agent whose clock only the test moves. */
async function pair(prepare?: (at: ScriptedServer) => void): Promise<Pair> {
  const at = await ScriptedServer.start();
  cleanups.push(() => at.stop());
  prepare?.(at);
  const stateDir = await mkdtemp(join(tmpdir(), 'drydock-uplink-'));
  cleanups.push(() => rm(stateDir, { recursive: true, force: true }));
  return startOn(at, stateDir);
}

async function startOn(at: ScriptedServer, stateDir: string): Promise<Pair> {
  const clock = new VirtualClock();
  const agent = await startAgentInProcess({ stateDir, serverUrl: at.url, token: at.enrolToken, clock });
  let stopped: Promise<void> | undefined;
  const stop = agent.stop;
  const once = { ...agent, stop: () => (stopped ??= stop()) };
  cleanups.push(() => once.stop());
  return { at, clock, stateDir, agent: once };
}

const someReport = (index: number) => ({
  t: 'draft' as const,
  report: {
    kind: 'downloading' as const,
    atMs: null,
    ref: { deployment: '00000000-0000-4000-8000-000000000001' as never, reign: 0, attempt: index },
  },
});

async function report({ agent }: Pair, count: number): Promise<void> {
  for (let index = 1; index <= count; index += 1) await agent.journal.append(someReport(index));
  agent.uplink.reports.kick();
}

/** For what no message to the server shows; bounded by the time of the test. */
async function eventually(holds: () => boolean): Promise<void> {
  while (!holds()) await turns(1);
}

const settle = () => turns(5);

describe('uplink', () => {
  it('sends reports until they are committed, one batch at a time', async () => {
    const it = await pair();
    await it.at.until(() => it.at.kinds().length === 1);
    await report(it, 600);
    await it.at.until(() => it.at.kinds().length === 601);
    expect(it.at.batches.every(({ reports }) => reports.length <= 256)).toBe(true);
    expect(it.at.batches.map(({ firstSeq }) => firstSeq)).toEqual(
      [...it.at.batches.map(({ firstSeq }) => firstSeq)].sort((a, b) => a - b),
    );
    await eventually(() => it.agent.journal.epochs()[0]!.cursor === 601);
  });

  it('sends a batch again after 30 s, then 60 s, when nothing is answered, and takes a repeated ack for nothing', async () => {
    let silent = 2;
    const it = await pair((at) => (at.ackScript = () => (silent-- > 0 ? undefined : {})));
    await it.at.until(() => it.at.batches.length === 1);
    await settle();
    await it.clock.advance(23_000, settle);
    expect(it.at.batches).toHaveLength(1);
    await it.clock.advance(14_000, settle);
    await it.at.until(() => it.at.batches.length === 2);
    await settle();
    // The second went out 24 to 36 s after the first, so that the third does not before 72 s nor after 109 s of the whole.
    await it.clock.advance(34_000, settle);
    expect(it.at.batches).toHaveLength(2);
    await it.clock.advance(39_000, settle);
    await it.at.until(() => it.at.kinds().length === 1);
    expect(it.at.batches.map(({ firstSeq }) => firstSeq)).toEqual([1, 1, 1]);
    const { nonce } = it.at.batches[0]!;
    await report(it, 1);
    await it.at.until(() => it.at.kinds().length === 2);
    // Late and repeated: an answer to a batch of long ago, with the cursor of then.
    await it.at.send('acks', 'acks', { of: it.at.epoch, cursor: 0, reign: 0, nonce, serverTimeMs: it.at.nowMs });
    await it.agent.uplink.reports.settled();
    await report(it, 1);
    await it.at.until(() => it.at.kinds().length === 3);
    expect(it.at.batches.at(-1)!.firstSeq).toBe(3);
  });

  it('goes back to a lower cursor, also behind what was acknowledged', async () => {
    const it = await pair();
    await report(it, 4);
    await it.at.until(() => it.at.kinds().length === 5);
    const epoch = it.at.epoch!;
    it.at.committed.set(epoch, it.at.committed.get(epoch)!.slice(0, 2)); // restored from a backup
    await report(it, 1);
    await it.at.until(() => it.at.kinds().length === 6);
    expect(it.at.committed.get(epoch)!.map(({ seq }) => seq)).toEqual([1, 2, 3, 4, 5, 6]);
    expect(it.at.batches.at(-1)!.firstSeq).toBe(3);
  });

  it('waits as long as an overloaded server says', async () => {
    let overloaded = true;
    const it = await pair((at) => (at.ackScript = (_, cursor) => (overloaded ? { cursor, retryAfterMs: 60_000 } : {})));
    await it.at.until(() => it.at.batches.length === 1);
    await report(it, 1);
    overloaded = false;
    // The answer is on its way through a real broker: time passes only when the agent has it.
    for (let turn = 0; turn < 5_000 && it.agent.uplink.reports.pausedMs === 0; turn += 1) await settle();
    await it.clock.advance(59_000, settle);
    expect(it.at.batches).toHaveLength(1);
    await it.clock.advance(14_000, settle);
    await it.at.until(() => it.at.kinds().length === 2);
  });

  it('offers everything again when the reign grows, earlier epochs under their own numbers', async () => {
    const first = await pair();
    await report(first, 2);
    await first.at.until(() => first.at.kinds().length === 3);
    const earlier = first.at.epoch!;
    await first.agent.uplink.reports.settled();
    await first.agent.stop();
    const second = await startOn(first.at, first.stateDir);
    await first.at.until(() => first.at.epoch !== earlier && first.at.kinds().length === 1);
    first.at.committed.clear();
    first.at.reign = 1;
    await first.at.order({});
    await first.at.until(() => first.at.kinds(earlier).length === 3 && first.at.kinds(second.agent.epoch).length === 1);
    expect(first.at.kinds(earlier)).toEqual(['epoch-started', 'downloading', 'downloading']);
    expect(first.at.batches.at(-2)).toMatchObject({ of: earlier, firstSeq: 1, epoch: second.agent.epoch });
    expect(second.agent.journal.reign).toBe(1);
  });

  it('keeps the reports of a killed agent and says that its journal is intact', async () => {
    const first = await pair((at) => (at.ackScript = () => undefined));
    await report(first, 3);
    await first.at.until(() => first.at.batches.length === 1);
    const earlier = first.at.epoch!;
    await first.agent.stop();
    first.at.ackScript = () => ({});
    await startOn(first.at, first.stateDir);
    await first.at.until(() => first.at.kinds(earlier).length === 4 && first.at.kinds().length === 1);
    expect(first.at.committed.get(first.at.epoch!)![0]).toMatchObject({ kind: 'epoch-started', journal: 'intact' });
    expect(first.at.committed.get(earlier)![0]).toMatchObject({ journal: 'new' });
  });

  it('comes back after the broker went away, with a new connection number and a fresh login', async () => {
    const it = await pair();
    await it.at.until(() => it.at.presences.some(({ online }) => online));
    const port = await it.at.stopBroker();
    await report(it, 1);
    await it.at.startBroker(port);
    const moving = setInterval(() => void it.clock.advance(1000, settle), 5);
    await it.at.until(() => it.at.presences.at(-1)?.connection === 2 && it.at.kinds().length === 2);
    clearInterval(moving);
    expect(it.at.logins).toBe(2);
  });

  it('says goodbye, and its will does not speak for it', async () => {
    const it = await pair();
    await it.at.until(() => it.at.presences.some(({ online }) => online));
    await it.agent.stop();
    await it.at.until(() => it.at.presences.at(-1)?.online === false);
    expect(it.at.presences.at(-1)!.sequence).toBeLessThan(100);
  });

  it('takes orders of a new key once the root says so, and of no other key', async () => {
    const it = await pair();
    await it.at.until(() => it.at.presences.some(({ online }) => online));
    await it.at.rotateOrderKey();
    await it.at.order({});
    await it.at.until(() => it.at.presences.at(-1)!.held.revision === 1);
    await it.at.publishAs(await importSigningKey((await generateSigningKey()).privateJwk), { revision: 99 });
    await it.at.order({});
    await it.at.until(() => it.at.presences.at(-1)!.held.revision === 2);
  });

  it('refuses an order that needs what it does not know, and holds none of another epoch', async () => {
    const it = await pair();
    await it.at.until(() => it.at.presences.some(({ online }) => online));
    await it.at.order({ must: ['grants.newIdea'] });
    await it.at.order({ epoch: 'f'.repeat(32) as never });
    await it.at.order({});
    await it.at.until(() => it.at.presences.at(-1)!.held.revision > 0);
    expect(it.at.presences.at(-1)!.held).toEqual({ reign: 0, revision: 3 });
    expect(it.at.presences.some(({ held }) => held.revision === 1 || held.revision === 2)).toBe(false);
  });

  it('asks for the time until it is told', async () => {
    const it = await pair((at) => (at.answersTime = false));
    it.at.ackScript = () => undefined;
    await it.at.until(() => it.at.presences.some(({ online }) => online));
    await settle();
    it.at.answersTime = true;
    await it.clock.advance(31_000, settle);
    await eventually(() => it.agent.uplink.heardMs !== undefined);
  });
});
