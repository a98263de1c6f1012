import { describe, expect, it, jest } from '@jest/globals';
import { SiteFile, EMPTY_SITE, type Site } from '../site/site-file.js';
import type { CallResult } from '../site/make-call.js';
import { openWorld, type World } from './gateway-world.fixture.js';

// Of a machine that others load as well.
jest.setTimeout(60_000);

const ended = (status: number, said = ''): CallResult => ({ kind: 'ended', status, said });
const PROBE = { command: ['/usr/bin/in-use'], timeoutSeconds: 5 };

function siteWith(rules: unknown, hooks?: unknown): Site {
  const parsed = SiteFile.parse({ rules, models: { demo: { ...(hooks !== undefined && { hooks }) } } });
  return { ...EMPTY_SITE, rules: parsed.rules, hooksOf: () => parsed.models['demo']!.hooks };
}

async function worldWith(site: Site, prepare?: (it: World) => void): Promise<World> {
  const it = await openWorld(undefined, (each) => {
    each.site = site;
    prepare?.(each);
  });
  it.tellTime();
  return it;
}

/** The hour of the day at the site, as `HH:MM`, some minutes from now. */
function clockIn(it: World, minutes: number): string {
  return new Date(it.serverMs + minutes * 60_000).toISOString().slice(11, 16);
}

describe('local rules', () => {
  it('start nothing in the quiet hours, and say that these were the reason', async () => {
    const it = await worldWith(siteWith({}));
    it.site.rules.quietHours.push({ from: clockIn(it, -60), to: clockIn(it, 60) });
    const grant = it.grant(1);
    await it.order([grant]);
    await it.advance(30_000);
    expect(it.touches(1)).toEqual([]);
    await it.advance(40_000);
    expect(it.kinds(grant)).toEqual(['downloading', 'ended:failed:site.quiet-hours']);
    expect(it.allReports.at(-1)).toMatchObject({ touched: false, needsRescue: false });
  });

  it('start when the quiet hours are over, and finish what runs when they begin', async () => {
    const it = await worldWith(siteWith({}));
    it.site.rules.quietHours.push({ from: clockIn(it, -60), to: clockIn(it, 1) });
    const grant = it.grant(1, { startBy: it.serverMs + 300_000, finishBy: it.serverMs + 500_000 });
    await it.order([grant]);
    await it.advance(150_000);
    expect(it.kinds(grant).at(-1)).toBe('ended:proven');
    const over = Math.ceil(it.serverMs / 60_000) * 60_000;
    expect(it.touches(1)[0]!).toBeGreaterThan(over - 180_000);
  });

  it('rescue a device whatever the hour', async () => {
    const it = await worldWith(siteWith({ inUse: PROBE }), (each) => (each.unit.mode = 'bootloader'));
    it.site.rules.quietHours.push({ from: clockIn(it, -60), to: clockIn(it, 60) });
    it.answers = () => ended(1);
    await it.order([it.grant(1, { mode: 'rescue' })]);
    await it.advance(10_000);
    expect(it.touches(1)).toHaveLength(1);
  });

  it('wait while a device is in use, ask again, and start when it is free', async () => {
    const it = await worldWith(siteWith({ inUse: PROBE }));
    let used = true;
    it.answers = () => (used ? ended(1, 'in a call') : ended(0));
    const grant = it.grant(1, { startBy: it.serverMs + 300_000, finishBy: it.serverMs + 500_000 });
    await it.order([grant]);
    await it.advance(20_000);
    expect([it.touches(1).length, it.calls.length]).toEqual([0, 1]);
    expect(it.calls[0]!.facts).toMatchObject({ event: 'in-use', model: 'demo', device: grant.device });
    used = false;
    await it.advance(20_000);
    expect([it.touches(1).length, it.calls.length]).toEqual([1, 2]);
  });

  it.each([
    [
      'a probe that fails',
      { kind: 'failed', detail: 'not done within 5 s' } as const,
      'not known: not done within 5 s',
    ],
    ['a probe with another status', ended(2, 'usage'), 'not known: status 2: usage'],
    ['a device in use', ended(1, 'in a call'), 'in a call'],
  ])('stay shut for %s, and say so', async (_, answer, detail) => {
    const it = await worldWith(siteWith({ inUse: PROBE }));
    it.answers = () => answer;
    const grant = it.grant(1);
    await it.order([grant]);
    await it.advance(70_000);
    expect(it.touches(1)).toEqual([]);
    expect(it.allReports.at(-1)).toMatchObject({
      kind: 'ended',
      code: 'site.in-use',
      params: { detail },
      touched: false,
    });
  });

  it.each([
    ['too low', ended(0, '29'), false],
    ['enough', ended(0, '30'), true],
    ['no number', ended(0, 'full'), false],
    ['more than there is', ended(0, '300'), false],
    ['not told', ended(1, '80'), false],
  ])('ask for the charge of a battery: %s', async (_, answer, starts) => {
    const it = await worldWith(siteWith({ battery: { minPercent: 30, ask: PROBE } }));
    it.answers = () => answer;
    await it.order([it.grant(1)]);
    await it.advance(70_000);
    expect(it.touches(1)).toHaveLength(starts ? 1 : 0);
    if (!starts) expect(it.allReports.at(-1)).toMatchObject({ code: 'site.battery', touched: false });
  });
});

describe('hooks', () => {
  const hooks = { before: { command: ['/hooks/before'] }, after: { url: 'http://127.0.0.1:9/after' } };

  it('are called before the link is opened and after it is closed, with what came of it', async () => {
    const it = await worldWith(siteWith({}, hooks));
    const opens: number[] = [];
    it.answers = (_, facts) => {
      opens.push(it.linkOf('serial:/dev/d1?baud=115200').opens);
      return ended(facts['event'] === 'before' ? 0 : 204);
    };
    const grant = it.grant(1);
    await it.order([grant]);
    await it.advance(20_000);
    expect(it.kinds(grant).at(-1)).toBe('ended:proven');
    expect(it.calls.map(({ facts }) => [facts['event'], facts['outcome']])).toEqual([
      ['before', undefined],
      ['after', 'proven'],
    ]);
    expect(opens[0]).toBe(0);
    expect(it.allReports.at(-1)).not.toHaveProperty('alsoFailed');
  });

  it('that fail before keep the device untouched, and the hook after is called all the same', async () => {
    const it = await worldWith(siteWith({}, hooks));
    it.answers = (_, facts) => (facts['event'] === 'before' ? ended(1, 'valve is open') : ended(200));
    const grant = it.grant(1);
    await it.order([grant]);
    await it.advance(20_000);
    expect(it.touches(1)).toEqual([]);
    expect(it.allReports.at(-1)).toMatchObject({
      outcome: 'failed',
      code: 'site.hook-before',
      params: { detail: 'status 1: valve is open' },
      touched: false,
    });
    expect(it.calls.at(-1)!.facts).toMatchObject({ event: 'after', outcome: 'failed', code: 'site.hook-before' });
  });

  it('that fail after change nothing of the outcome, and are named in the report', async () => {
    const it = await worldWith(siteWith({}, hooks));
    it.answers = (_, facts) =>
      facts['event'] === 'before' ? ended(0) : { kind: 'failed', detail: 'not done within 10 s' };
    const grant = it.grant(1);
    await it.order([grant]);
    await it.advance(20_000);
    expect(it.allReports.at(-1)).toMatchObject({
      outcome: 'proven',
      alsoFailed: [{ code: 'site.hook-after', detail: 'not done within 10 s' }],
    });
  });

  it('that last while the grant is withdrawn leave the device untouched', async () => {
    const it = await worldWith(siteWith({}, hooks));
    let go = (): void => undefined;
    it.answers = (_, facts) =>
      facts['event'] === 'before' ? new Promise((resolve) => (go = () => resolve(ended(0)))) : ended(200);
    const grant = it.grant(1);
    await it.order([grant]);
    await it.advance(2000);
    await it.order([]);
    go();
    await it.advance(20_000);
    expect(it.kinds(grant)).toEqual(['downloading', 'withdrawn:superseded']);
    expect(it.touches(1)).toEqual([]);
  });
});
