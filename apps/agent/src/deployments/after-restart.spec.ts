import { describe, expect, it } from '@jest/globals';
import { LinkError } from '@drydock/dfu-core';
import { linkLane } from '../links/parse-link.js';
import { openWorld, type World } from './gateway-world.fixture.js';

describe('a first write that may not have arrived (P2)', () => {
  it('is not repeated after startBy, and the attempt says that it was touched', async () => {
    const it = await openWorld();
    it.tellTime();
    const grant = it.grant(1, { startBy: it.serverMs + 10_000 });
    it.dead.add(grant.links[0]!);
    await it.order([grant]);
    await it.advance(60_000);
    expect(it.touches(1).length).toBeGreaterThan(3);
    expect(it.touches(1).every((atMs) => atMs < grant.startBy)).toBe(true);
    expect(it.kinds(grant)).toEqual(['downloading', 'touched', 'ended:failed:fence.start-by']);
    expect(it.allReports.at(-1)).toMatchObject({ touched: true, needsRescue: false });
  });

  it('holds nothing back once the unit has answered', async () => {
    const it = await openWorld({ identifyMs: 100, transferMs: 20_000, proveMs: 500 });
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
    [
      'goes on after a restart while startBy is ahead',
      2000,
      ['downloading', 'touched', 'complete', 'activating', 'proving', 'ended:proven'],
    ],
    [
      'is over after a restart once startBy has passed',
      12_000,
      ['downloading', 'touched', 'ended:failed:fence.start-by'],
    ],
  ])('%s', async (_, awayMs, kinds) => {
    const it = await openWorld();
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
    const it = await openWorld();
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
    expect(it.kinds(grant)).toEqual(['downloading', 'touched', 'ended:failed:fence.start-by']);
    expect(it.touches(1).every((atMs) => atMs < grant.startBy)).toBe(true);
  });

  it('goes on after a restart past startBy when the unit had answered before it', async () => {
    const it = await openWorld({ identifyMs: 100, transferMs: 30_000, proveMs: 500 });
    it.tellTime();
    const grant = it.grant(1, { startBy: it.serverMs + 10_000 });
    await it.order([grant]);
    await it.advance(2000);
    await it.kill();
    await it.advance(12_000);
    await it.boot();
    it.tellTime();
    await it.advance(60_000);
    expect(it.kinds(grant)).toEqual(['downloading', 'touched', 'complete', 'activating', 'proving', 'ended:proven']);
  });
});

describe('a unit that is first led out of its application', () => {
  const openLeaving = async (): Promise<World> => {
    const it = await openWorld();
    it.unit.leaves = true;
    it.tellTime();
    return it;
  };

  it('may be out of it though it never answered: it needs a rescue', async () => {
    const it = await openLeaving();
    const grant = it.grant(1, { startBy: it.serverMs + 10_000 });
    it.dead.add(grant.links[0]!);
    await it.order([grant]);
    await it.advance(60_000);
    expect(it.kinds(grant)).toEqual(['downloading', 'touched', 'ended:failed:fence.start-by']);
    expect(it.allReports.at(-1)).toMatchObject({ touched: true, needsRescue: true });
  });

  it.each([
    ['is not seen again', 'link.not-found', true],
    ['is seen again in its application, and nothing more is said to it', undefined, false],
  ] as const)('and then %s after a restart', async (_, refusal, needsRescue) => {
    const it = await openLeaving();
    const grant = it.grant(1, { startBy: it.serverMs + 20_000 });
    it.dead.add(grant.links[0]!);
    await it.order([grant]);
    await it.advance(2000);
    await it.kill();
    const touched = it.touches(1).length;
    await it.boot();
    const link = it.linkOf(grant.links[0]!);
    if (refusal) link.refusal = new LinkError(refusal, { link: 'x', withinMs: 1 });
    // Looking at it takes until there is no time left to begin.
    it.times.identifyMs = 19_500;
    it.tellTime();
    await it.advance(60_000);
    expect(it.kinds(grant)).toEqual(['downloading', 'touched', 'ended:failed:fence.start-by']);
    expect(it.touches(1)).toHaveLength(touched);
    expect(it.allReports.at(-1)).toMatchObject({ touched: true, needsRescue });
  });

  it('is where it was when nothing was said to it', async () => {
    const it = await openLeaving();
    const grant = it.grant(1, { startBy: it.serverMs + 10_000 });
    it.linkOf(grant.links[0]!).refusal = new LinkError('link.not-found', { link: 'x', withinMs: 1 });
    await it.order([grant]);
    await it.advance(60_000);
    expect(it.allReports.at(-1)).toMatchObject({ touched: false, needsRescue: false });
  });
});

describe('after a restart', () => {
  it('a unit found in its bootloader is rescued, and the end tells what ran before it was touched', async () => {
    const it = await openWorld({ identifyMs: 100, transferMs: 20_000, proveMs: 500 });
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

  it('a unit that went over to the new image while nobody was there is proven, not skipped (P1)', async () => {
    const it = await openWorld({ identifyMs: 100, transferMs: 20_000, proveMs: 500 });
    it.tellTime();
    const grant = it.grant(1);
    await it.order([grant]);
    await it.advance(2000);
    await it.kill();
    it.unit.isNew = true;
    await it.boot();
    it.tellTime();
    await it.advance(60_000);
    expect(it.kinds(grant).at(-1)).toBe('ended:proven');
    expect(it.allReports.at(-1)).toMatchObject({
      before: [{ image: 0, version: '1' }],
      after: [{ image: 0, version: '2' }],
    });
    const other = it.grant(2);
    await it.order([other]);
    await it.advance(60_000);
    expect(it.kinds(other).at(-1)).toBe('ended:skipped');
  });

  it('a unit that stays away ends with what the journal shows of it', async () => {
    const it = await openWorld({ identifyMs: 100, transferMs: 20_000, proveMs: 500 });
    it.tellTime();
    const grant = it.grant(1);
    await it.order([grant]);
    await it.advance(2000);
    await it.kill();
    await it.boot();
    it.linkOf(grant.links[0]!).refusal = new LinkError('link.not-found', { link: 'x', withinMs: 1 });
    it.tellTime();
    await it.advance(300_000);
    expect(it.kinds(grant)).toEqual(['downloading', 'touched', 'ended:failed:gateway.restarted']);
    expect(it.allReports.at(-1)).toMatchObject({ before: [{ image: 0, version: '1' }], touched: true });
  });

  it('the devices of resumed and granted attempts are lent to nobody, until they end', async () => {
    const it = await openWorld({ identifyMs: 100, transferMs: 20_000, proveMs: 500 });
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
