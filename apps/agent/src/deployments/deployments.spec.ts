import { describe, expect, it } from '@jest/globals';
import { rm } from 'node:fs/promises';
import { refOf } from '../journal/records.js';
import { EMPTY_SITE } from '../site/site-file.js';
import { openWorld } from './gateway-world.fixture.js';
import { parseReleaseKey } from './release-keys.js';

const KEY = `-----BEGIN PUBLIC KEY-----
MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=
-----END PUBLIC KEY-----
`;

describe('deployments', () => {
  it('carries an attempt through all its reports', async () => {
    const it = await openWorld();
    it.tellTime();
    const grant = it.grant(1);
    await it.order([grant]);
    await it.advance(10_000);
    expect(it.kinds(grant)).toEqual(['downloading', 'touched', 'complete', 'activating', 'proving', 'ended:proven']);
    expect(it.deployments.holds).toEqual({ reign: 0, revision: 1 });
  });

  it('says how strongly the device was heard at the begin and at its weakest, where its link can tell', async () => {
    const it = await openWorld();
    it.tellTime();
    const [grant, wired] = [it.grant(1), it.grant(2)];
    const link = it.linkOf(grant.links[0]!);
    link.rssiDbm = -70;
    await it.order([grant, wired]);
    await it.advance(1000);
    link.rssiDbm = -88;
    await it.advance(2500);
    link.rssiDbm = -60;
    await it.advance(10_000);
    const told = it.allReports.flatMap((each) =>
      each.kind === 'touched' || each.kind === 'ended' ? [[each.ref.deployment, each.kind, each] as const] : [],
    );
    const of = ({ deployment }: typeof grant, kind: string) =>
      told.find(([of, what]) => of === deployment && what === kind)![2];
    expect(of(grant, 'touched')).toMatchObject({ rssiDbm: -70 });
    expect(of(grant, 'ended')).toMatchObject({ outcome: 'proven', rssiDbm: -70, lowestRssiDbm: -88 });
    for (const kind of ['touched', 'ended']) expect(of(wired, kind)).not.toHaveProperty('rssiDbm');
  });

  it('keeps the artifact of whatever it has in hand from being evicted, until its end', async () => {
    const it = await openWorld(undefined, (each) => (each.serverHears = false));
    it.tellTime();
    const [a, b] = [it.grant(1), it.grant(2)];
    await it.order([a, b]);
    await it.advance(5000);
    // Both wait for their turn, and nothing runs.
    expect([it.touches(1).length, it.held]).toEqual([0, 2]);
    await it.order([b]);
    expect(it.held).toBe(1);
    it.serverHears = true;
    await it.advance(30_000);
    expect([it.kinds(b).at(-1), it.held]).toEqual(['ended:proven', 0]);
  });

  it('starts nothing without a fresh time, and goes on when it comes', async () => {
    const it = await openWorld();
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

  it('touches nothing before the server is known to have heard of the attempt, nor what it took for nothing (P3)', async () => {
    const it = await openWorld(undefined, (each) => (each.serverHears = false));
    it.tellTime();
    const [a, b] = [it.grant(1), it.grant(2)];
    await it.order([a, b]);
    await it.advance(10_000);
    expect([...it.touches(1), ...it.touches(2)]).toEqual([]);
    const [first] = it.allReports.filter((report) => report.kind === 'downloading');
    it.deployments.refuse([first!.seq]);
    it.serverHears = true;
    await it.advance(10_000);
    expect(it.kinds(a)).toEqual(['downloading', 'withdrawn:superseded']);
    expect(it.touches(1)).toEqual([]);
    expect(it.touches(2)).toHaveLength(1);
  });

  it('withdraws a grant that is missing from the newer order, and never starts it', async () => {
    const it = await openWorld(undefined, (each) => (each.hasArtifact = false));
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
    const it = await openWorld();
    it.tellTime();
    const grant = it.grant(1);
    await it.order([grant]);
    await it.advance(1000);
    await it.order([]);
    await it.order([], [{ ...refOf(grant), mode: 'before-start' }]);
    await it.advance(1000);
    expect(it.kinds(grant)).toEqual(['downloading', 'touched']);
    await it.order([], [{ ...refOf(grant), mode: 'safe-point' }]);
    await it.advance(1000);
    expect(it.kinds(grant)).toEqual(['downloading', 'touched', 'ended:cancelled']);
  });

  it('takes an older order for nothing, and a renewal for the same attempt', async () => {
    const it = await openWorld(undefined, (each) => (each.hasArtifact = false));
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
    const it = await openWorld();
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
    const it = await openWorld();
    it.tellTime();
    const wrong = it.grant(1, { identity: { kind: 'port-path', value: '/dev/other' } });
    await it.order([wrong]);
    await it.advance(2000);
    expect(it.kinds(wrong)).toEqual(['downloading', 'ended:failed:target.wrong-identity']);
    expect(it.touches(1)).toEqual([]);
  });

  it('touches nothing with an artifact that the release key of the model did not sign', async () => {
    const it = await openWorld(undefined, (each) => {
      each.site = { ...EMPTY_SITE, releaseKeys: new Map([['demo', [parseReleaseKey(KEY, 'test')]]]) };
    });
    it.tellTime();
    const grant = it.grant(1);
    await it.order([grant]);
    await it.advance(2000);
    expect(it.kinds(grant)).toEqual(['downloading', 'ended:failed:gateway.no-release-key']);
    expect(it.touches(1)).toEqual([]);
  });

  it('does not touch when startBy passes between the look before and the first write', async () => {
    const it = await openWorld({ identifyMs: 5000, transferMs: 100, proveMs: 10 });
    it.tellTime();
    const grant = it.grant(1, { startBy: Math.round(it.serverMs) + 3000 });
    await it.order([grant]);
    await it.advance(20_000);
    expect(it.kinds(grant)).toEqual(['downloading', 'withdrawn:start-by-passed']);
    expect(it.links.get(grant.links[0]!)!.writes).toEqual([]);
  });

  it('writes nothing after finishBy, whatever the session wants', async () => {
    const it = await openWorld({ identifyMs: 10, transferMs: 50_000, proveMs: 10 });
    it.tellTime();
    const grant = it.grant(1, { startBy: it.serverMs + 10_000, finishBy: it.serverMs + 20_000 });
    await it.order([grant]);
    await it.advance(120_000);
    expect(it.kinds(grant)).toEqual(['downloading', 'touched', 'ended:failed:fence.finish-by']);
    expect(it.links.get(grant.links[0]!)!.writes.every(({ atMs }) => atMs < grant.finishBy)).toBe(true);
  });

  it('withdraws after a restart what was never started, and goes on with what was', async () => {
    const it = await openWorld();
    it.tellTime();
    const [running, waiting] = [it.grant(1), it.grant(2, { links: [it.grant(1).links[0]!] })];
    await it.order([running, waiting]);
    await it.advance(1000);
    await it.kill();
    await it.boot();
    expect(it.journal.found).toBe('intact');
    expect(it.kinds(waiting)).toEqual(['downloading', 'withdrawn:epoch-ended']);
    expect(it.kinds(running)).toEqual(['downloading', 'touched']);
    it.tellTime();
    await it.advance(20_000);
    expect(it.kinds(running)).toEqual(['downloading', 'touched', 'complete', 'activating', 'proving', 'ended:proven']);
  });

  it('reports as failed after a restart what has run out of time meanwhile', async () => {
    const it = await openWorld({ identifyMs: 10, transferMs: 100_000, proveMs: 10 });
    it.tellTime();
    const grant = it.grant(1);
    await it.order([grant]);
    await it.advance(1000);
    await it.kill();
    await it.advance(300_000);
    await it.boot();
    it.tellTime();
    await it.advance(2000);
    expect(it.kinds(grant)).toEqual(['downloading', 'touched', 'ended:failed:gateway.restarted']);
  });

  it('says nothing of attempts when the journal is lost', async () => {
    const it = await openWorld();
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

  it('stops at a safe point at once, but waits for a device between activation and proof', async () => {
    const it = await openWorld({ identifyMs: 10, transferMs: 5000, proveMs: 90_000 });
    it.tellTime();
    const timeouts = { downloadMs: 30_000, transferMs: 60_000, activateMs: 30_000, proveMs: 120_000 };
    const [risky, safe] = [it.grant(1, { timeouts }), it.grant(2)];
    await it.order([risky]);
    await it.advance(6000);
    await it.order([risky, safe]);
    await it.advance(1000);
    expect(it.kinds(risky).at(-1)).toBe('proving');
    expect(it.kinds(safe)).toEqual(['downloading', 'touched']);
    expect(it.deployments.atRisk.map(({ grant }) => grant)).toEqual([risky]);
    let stopped = false;
    void it.deployments.stop(10_000).then(() => (stopped = true));
    await it.advance(60_000);
    expect(stopped).toBe(false);
    expect(it.kinds(safe)).toEqual(['downloading', 'touched']); // left where it is: the next start goes on
    await it.advance(40_000);
    expect(stopped).toBe(true);
    expect(it.kinds(risky).at(-1)).toBe('ended:proven');
  });

  it('a forced stop leaves a device between activation and proof as the journal shows it', async () => {
    const it = await openWorld({ identifyMs: 10, transferMs: 100, proveMs: 50_000 });
    it.tellTime();
    const grant = it.grant(1);
    await it.order([grant]);
    await it.advance(3000);
    const stopped = it.deployments.stop(1000, true);
    await it.advance(2000);
    await stopped;
    await it.kill();
    await it.boot();
    expect(it.kinds(grant).at(-1)).toBe('proving');
    it.tellTime();
    await it.advance(60_000);
    expect(it.kinds(grant).at(-1)).toBe('ended:proven');
  });
});
