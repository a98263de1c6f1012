/**
 * Hands on the fleet at the dashboard: what is held, quarantined, replaced or decommissioned there is left alone by the
 * devices' own log, and goes on when it is released. Then 100 000 devices in one table, and a page that stays open.
 *
 * Long form: `npm run soak -- dashboard` (the whole table, and a page under live events for a minute).
 */
import { afterAll, afterEach, beforeAll, describe, expect, it, jest } from '@jest/globals';
import pg from 'pg';
import type { Browser, CDPSession, Page } from 'playwright-core';
import { launchChromium } from '../browser/chromium.js';
import { PHONE, Visitor } from '../browser/visitor.js';
import { outsideGround } from '../fleet/fleet-lane.js';
import { openFleet, type Fleet } from '../fleet/fleet-world.js';
import { judge } from '../judge.js';
import { until } from '../operator.js';

const SOAK = process.env.DRYDOCK_SOAK === '1';
const MANY = 100_000;
const PAGE_ROWS = 500;
const PAGES_READ = SOAK ? MANY / PAGE_ROWS : 12;
const OPEN_MS = SOAK ? 60_000 : 6_000;
/** What the browser itself may keep beside the page: compiled code, caches that have an end. */
const HEAP_SLACK_BYTES = 2_500_000;
jest.setTimeout(SOAK ? 900_000 : 300_000);

let fleet: Fleet;
let browser: Browser;
const open: Visitor[] = [];

beforeAll(async () => {
  browser = await launchChromium();
  fleet = await openFleet({
    gateways: 2,
    devicesPerGateway: 3,
    seed: 11,
    cutShare: 0,
    parallel: 3,
    outside: outsideGround(),
    linkLoss: 0,
  });
}, 240_000);

afterAll(async () => {
  await browser?.close();
  await fleet?.close();
}, 60_000);

afterEach(async () => {
  for (const visitor of open.splice(0)) await visitor.close();
});

async function call<T>(method: string, path: string, body?: unknown): Promise<T> {
  return (await fleet.operator.call(method, path, body)) as T;
}

async function visit(path: string, size?: typeof PHONE): Promise<Visitor> {
  const visitor = await Visitor.open(browser, fleet.ground.baseUrl, size ? { size } : {});
  open.push(visitor);
  await visitor.signIn(fleet.ground.adminToken, path);
  return visitor;
}

/** No fault for axe in either scheme, nothing wider than its window, nothing that the page says against itself. */
async function expectSound(visitor: Visitor): Promise<void> {
  expect(await visitor.wholePage(() => visitor.accessibilityFaults())).toEqual([]);
  expect(await visitor.isWiderThanWindow()).toBe(false);
  expect(visitor.takeComplaints()).toEqual([]);
}

async function choose(page: Page, entry: string): Promise<void> {
  await page.getByRole('button', { name: 'More actions' }).click();
  await page.getByRole('menuitem', { name: entry }).click();
}

interface Named {
  readonly id: string;
  readonly name: string;
}

async function idOf(kind: 'devices' | 'gateways', name: string): Promise<string> {
  const { items } = await call<{ items: Named[] }>('GET', `/api/v1/${kind}?limit=200`);
  return items.find((each) => each.name === name)!.id;
}

/** Serial numbers of the units that anything touched, by their own log. */
const touched = () => fleet.units.filter(({ touches }) => touches.length > 0).map(({ serial }) => serial);

async function startAll(name: string, artifactId: string, more = {}): Promise<string> {
  const { id } = await fleet.operator.createCampaign({
    name,
    artifactId,
    policy: { stages: [{ name: 'all', percent: 100, gate: { minKnown: 1, maxFailureShare: 0.5 } }], ...more },
  });
  await fleet.operator.startCampaign(id);
  return id;
}

const untilProven = (id: string, n: number) =>
  until(`${n} to be proven`, 90_000, async () => (await fleet.operator.campaign(id)).sums.proven === n).catch(
    async (error: unknown) => {
      const why = await call<unknown>('GET', `/api/v1/campaigns/${id}/why?limit=20`);
      throw new Error(`${String(error)} ${JSON.stringify(why)}\n${fleet.ground.words()}`);
    },
  );

async function whyCodes(id: string): Promise<string[]> {
  const { items } = await call<{ items: { reason: { code: string } }[] }>(
    'GET',
    `/api/v1/campaigns/${id}/why?limit=20`,
  );
  return items.map(({ reason }) => reason.code).sort();
}

describe('what is held', () => {
  it('is left alone: a device, a gateway, a site, a gateway in quarantine; released, it goes on', async () => {
    const [held, away] = [await idOf('devices', 'g0-d0'), await idOf('gateways', 'gateway-1')];
    const desk = await visit(`/fleet/devices/${held}`);
    const phone = await visit('/fleet/sites', PHONE);

    // Two people change one device: the second is told who was first, compares, and lays theirs on top.
    await choose(desk.page, 'Name, model, tags…');
    const change = desk.page.getByRole('dialog', { name: 'Change g0-d0' });
    await change.getByLabel('Name').fill('pump 4');
    const before = await call<{ tags: object; revision: number }>('GET', `/api/v1/devices/${held}`);
    await fleet.operator.call(
      'PATCH',
      `/api/v1/devices/${held}`,
      { name: 'pump four', tags: { hall: '7' } },
      {
        'if-match': `"${before.revision}"`,
      },
    );
    await change.getByRole('button', { name: 'Save' }).click();
    await change.getByText(/ was first, at \d\d:\d\d: device\.changed, name: g0-d0 → pump four, /).waitFor();
    await change.getByRole('button', { name: 'Compare' }).click();
    const sides = change.getByRole('table', { name: 'Theirs and yours' });
    await sides.getByRole('row', { name: 'Name pump four pump 4' }).waitFor();
    // What they changed and I did not is no conflict.
    expect(await sides.getByRole('row').count()).toBe(2);
    await expectSound(desk);
    await desk.picture('device-conflict-desktop', { whole: false });
    await desk.page.setViewportSize(PHONE);
    await desk.picture('device-conflict-phone', { whole: false });
    await desk.page.setViewportSize({ width: 1280, height: 800 });
    await change.getByRole('button', { name: 'Save on top' }).click();
    await change.waitFor({ state: 'detached' });
    const after = await call<{ name: string; tags: object; revision: number }>('GET', `/api/v1/devices/${held}`);
    expect(after).toMatchObject({ name: 'pump 4', tags: { hall: '7' }, revision: before.revision + 2 });
    await fleet.operator.call(
      'PATCH',
      `/api/v1/devices/${held}`,
      { name: 'g0-d0', tags: before.tags },
      { 'if-match': '*' },
    );
    await desk.onPage('g0-d0');

    await choose(desk.page, 'Hold…');
    const hold = desk.page.getByRole('dialog', { name: 'Hold g0-d0?' });
    expect(await hold.getByRole('button', { name: 'Hold it' }).isDisabled()).toBe(true);
    await hold.getByLabel('Reason').fill('on the bench');
    await hold.getByRole('button', { name: 'Hold it' }).click();
    await desk.page.getByText('On hold, nothing starts: “on the bench”').waitFor();
    await expectSound(desk);
    await desk.picture('device-held-desktop');

    await desk.goto(`/fleet/gateways/${away}`);
    await choose(desk.page, 'Hold…');
    await desk.page.getByLabel('Reason').fill('work in the hall');
    await desk.page.getByRole('button', { name: 'Hold it' }).click();
    await desk.page.getByText('On hold, nothing new starts here: “work in the hall”').waitFor();
    await expectSound(desk);

    await phone.page.getByRole('row').nth(1).click();
    await phone.page.getByLabel('Hold, with its reason').fill('audit week');
    await expectSound(phone);
    await phone.page.getByRole('button', { name: 'Save' }).click();
    await phone.page.getByText('on hold').waitFor();
    await expectSound(phone);
    await phone.picture('sites-held-phone');

    const id = await startAll('held-1', await fleet.release(1));
    await until('everybody to be held', 60_000, async () => {
      const codes = await whyCodes(id);
      return codes.length === fleet.units.length && codes.every((code) => code.endsWith('.hold'));
    });
    expect(touched()).toEqual([]);

    await phone.page.getByRole('row').nth(1).click();
    await phone.page.getByLabel('Hold, with its reason').fill('');
    await phone.page.getByRole('button', { name: 'Save' }).click();
    await phone.page.getByText('active').waitFor();
    await untilProven(id, 2);
    expect(touched()).toEqual(['g0-d1', 'g0-d2']);
    expect(await whyCodes(id)).toEqual(['device.hold', 'gateway.hold', 'gateway.hold', 'gateway.hold']);

    // Quarantined while it is on hold: to lift the one does not open the other.
    await phone.goto(`/fleet/gateways/${away}`);
    await phone.page.getByRole('button', { name: 'Quarantine…' }).click();
    await phone.page.getByLabel('Reason').fill('odd reports');
    await phone.page.getByRole('button', { name: 'Quarantine', exact: true }).click();
    await phone.page.getByText('Quarantined, nothing new starts here: “odd reports”').waitFor();
    await expectSound(phone);
    await phone.picture('gateway-quarantined-phone');
    // The other page has heard of it, too.
    await desk.page.getByText('Quarantined, nothing new starts here: “odd reports”').waitFor();
    await choose(desk.page, 'Lift the hold…');
    await desk.page.getByText('It was held: “work in the hall”').waitFor();
    await desk.page.getByRole('button', { name: 'Lift the hold' }).click();
    await desk.page.getByText('On hold, nothing new starts here').waitFor({ state: 'detached' });
    expect(touched()).toEqual(['g0-d1', 'g0-d2']);
    await phone.page.getByText('On hold, nothing new starts here').waitFor({ state: 'detached' });
    await phone.page.getByRole('button', { name: 'Release…' }).click();
    await phone.page.getByLabel('Reason').fill('a loose aerial');
    await phone.page.getByRole('button', { name: 'Release', exact: true }).click();
    await phone.page.getByText(/It can work/).waitFor();
    await untilProven(id, 5);
    expect(touched()).not.toContain('g0-d0');

    await phone.goto(`/fleet/devices/${held}`);
    await choose(phone.page, 'Lift the hold…');
    await phone.page.getByRole('button', { name: 'Lift the hold' }).click();
    await untilProven(id, 6);
    expect(desk.takeComplaints()).toEqual([]);
    expect(await judge(fleet.ground.databaseUrl, [fleet.site], fleet.stateDirs)).toEqual([]);
  });
});

describe('what leaves', () => {
  it('a device is replaced, another decommissioned and taken back; a gateway logs more for a while, and is decommissioned', async () => {
    const [old, other, gone] = await Promise.all(['g0-d2', 'g1-d2', 'g0-d1'].map((name) => idOf('devices', name)));
    const desk = await visit(`/fleet/devices/${old}`);
    const { page } = desk;
    await choose(page, 'Replace by another device…');
    const replace = page.getByRole('dialog', { name: 'Replace g0-d2?' });
    await replace.getByLabel('Reason').fill('water in the case');
    await replace.getByLabel('Type g0-d2 to replace').fill('g0-d2');
    await replace.getByLabel('Id of the device that takes its place').fill('the new one');
    await replace.getByText('That is no id of a device.').waitFor();
    expect(await replace.getByRole('button', { name: 'Replace', exact: true }).isDisabled()).toBe(true);
    await expectSound(desk);
    await replace.getByLabel('Id of the device that takes its place').fill(other!);
    await replace.getByRole('button', { name: 'Replace', exact: true }).click();
    await page.getByText('Decommissioned: never a candidate, in no count. “water in the case”').waitFor();
    await page.getByRole('link', { name: 'The device that took its place' }).click();
    await desk.onPage('g0-d2');
    expect(new URL(page.url()).pathname).toBe(`/fleet/devices/${other}`);

    const phone = await visit(`/fleet/devices/${gone}`, PHONE);
    await choose(phone.page, 'Decommission…');
    const leave = phone.page.getByRole('dialog', { name: 'Decommission g0-d1?' });
    const act = leave.getByRole('button', { name: 'Decommission', exact: true });
    await leave.getByLabel('Reason').fill('sold');
    await leave.getByLabel('Type g0-d1 to decommission').fill('g0-d');
    expect(await act.isDisabled()).toBe(true);
    await leave.getByLabel('Type g0-d1 to decommission').fill('g0-d1');
    await expectSound(phone);
    await phone.picture('device-decommission-phone', { whole: false });
    await act.click();
    await phone.page.getByText('Decommissioned: never a candidate, in no count. “sold”').waitFor();
    await choose(phone.page, 'Take back into service…');
    await phone.page.getByText('It was decommissioned: “sold”').waitFor();
    await phone.page.getByLabel('Reason').fill('it came back');
    await phone.page.getByRole('button', { name: 'Take it back' }).click();
    await phone.page.getByText('Decommissioned: never').waitFor({ state: 'detached' });
    expect(await call('GET', `/api/v1/devices/${gone}`)).toMatchObject({ state: 'active' });

    const gateway = await idOf('gateways', 'gateway-0');
    const logLevel = async () =>
      (await call<{ logLevel: { level: string; until: string } | null }>('GET', `/api/v1/gateways/${gateway}`))
        .logLevel;
    await desk.goto(`/fleet/gateways/${gateway}`);
    await choose(page, 'Log level…');
    await page.getByLabel('Level', { exact: true }).selectOption('debug');
    await page.getByLabel('For', { exact: true }).selectOption('two hours');
    await expectSound(desk);
    const setAtMs = Date.now();
    await page.getByRole('button', { name: 'Set it' }).click();
    await page.getByRole('dialog').waitFor({ state: 'detached' });
    const set = await logLevel();
    expect(set).toMatchObject({ level: 'debug' });
    expect(Math.abs(Date.parse(set!.until) - setAtMs - 2 * 3_600_000)).toBeLessThan(60_000);
    await choose(page, 'Log level…');
    await page.getByText('Now debug.').waitFor();
    await page.getByRole('button', { name: 'End it now' }).click();
    await page.getByRole('dialog').waitFor({ state: 'detached' });
    expect(await logLevel()).toBeNull();

    await choose(page, 'Decommission…');
    await page.getByText('There is no way back').waitFor();
    await page.getByLabel('Reason').fill('the hall is closed');
    await page.getByLabel('Type gateway-0 to decommission').fill('gateway-0');
    await page.getByRole('button', { name: 'Decommission', exact: true }).click();
    await page.getByText('Decommissioned, its key is revoked: “the hall is closed”').waitFor();
    expect(await page.getByRole('button', { name: 'More actions' }).count()).toBe(0);
    await expectSound(desk);
    await until(
      'it to be cut off',
      60_000,
      async () => !(await call<{ online: boolean }>('GET', `/api/v1/gateways/${gateway}`)).online,
    );
    expect(phone.takeComplaints()).toEqual([]);
  });
});

/** What the page keeps after everything that nobody needs is thrown away. */
async function heapOf(cdp: CDPSession): Promise<number> {
  for (let round = 0; round < 3; round++) await cdp.send('HeapProfiler.collectGarbage');
  return (await cdp.send('Runtime.getHeapUsage')).usedSize;
}

const megabytes = (bytes: number) => Math.round(bytes / 100_000) / 10;

describe('a hundred thousand devices', () => {
  it('are read by keyset pages: a window of rows, positions that are right, a heap that stays in bounds', async () => {
    await withDatabase(async (client) => {
      await client.query(
        `insert into devices (org_id, site_id, model, name, identity_kind, identity_value, protocol, links, running, running_version, last_seen_at)
         select d.org_id, d.site_id, 'many', 'many-' || n, 'serial-number', 'many-' || n, 'smp', '["ble:0"]', '[]', '1.' || n % 9 || '.0', now()
         from generate_series(1, $1::int) n cross join (select org_id, site_id from devices limit 1) d`,
        [MANY],
      );
      await client.query('analyze devices');
    });
    const total =
      MANY + (await call<{ items: unknown[] }>('GET', '/api/v1/devices?model=fleet-board&state=active')).items.length;
    const visitor = await visit('/fleet/devices');
    const { page } = visitor;
    const cdp = await page.context().newCDPSession(page);
    const table = page.getByRole('table', { name: 'Devices' });
    await until('the total', 60_000, async () => (await table.getAttribute('aria-rowcount')) === String(total + 1));
    const rows = async () =>
      (await page.evaluate(
        `[...document.querySelectorAll('tbody tr[role=row]')].map((row) => [Number(row.getAttribute('aria-rowindex')), row.querySelector('a').pathname.split('/').at(-1)])`,
      )) as [number, string][];
    await page.evaluate(`globalThis.tasks = []; new PerformanceObserver((list) => {
      for (const { duration } of list.getEntries()) globalThis.tasks.push(Math.round(duration));
    }).observe({ type: 'longtask' })`);
    const before = await heapOf(cdp);
    let after: string | undefined;
    let most = 0;
    for (let n = 1; n <= PAGES_READ; n++) {
      const query = `limit=${PAGE_ROWS}${after === undefined ? '' : `&after=${encodeURIComponent(after)}`}`;
      const { items, next } = await call<{ items: Named[]; next: string }>('GET', `/api/v1/devices?${query}`);
      const shown = await until(
        `page ${n}`,
        60_000,
        async () => {
          await page.evaluate(
            `{ const box = document.querySelector('table').parentElement; box.scrollTop = ${n * PAGE_ROWS * 32} - box.clientHeight; }`,
          );
          const now = await rows();
          return now.some(([index]) => index === n * PAGE_ROWS + 1) && now;
        },
        30,
      );
      // The header is row 1; between the first and the last that are drawn none is missing.
      expect(shown.map(([index]) => index)).toEqual(shown.map((_, at) => shown[0]![0] + at));
      for (const [index, id] of shown) {
        const at = index - 2 - (n - 1) * PAGE_ROWS;
        if (at >= 0 && at < items.length) expect([index, id]).toEqual([index, items[at]!.id]);
      }
      most = Math.max(most, shown.length);
      after = next;
    }
    const grown = (await heapOf(cdp)) - before;
    const read = PAGES_READ * PAGE_ROWS;
    const tasks = (await page.evaluate('globalThis.tasks')) as number[];
    process.stdout.write(
      `large table: ${read} of ${total} rows read, at most ${most} drawn, ${megabytes(grown)} MB more than before; ` +
        `${tasks.length} tasks over 50 ms, the longest ${Math.max(0, ...tasks)} ms\n`,
    );
    expect(most).toBeLessThanOrEqual(60);
    expect(grown).toBeLessThan(10_000_000 + read * 4_000);
    const position = (await page.getByText(/^rows \d/).textContent())!;
    expect(position.replaceAll('\u202f', '')).toMatch(new RegExp(`^rows \\d+–\\d+ of ${total}$`));
    await expectSound(visitor);

    const phone = await visit('/fleet/devices', PHONE);
    await until(
      'the total',
      60_000,
      async () =>
        (await phone.page.getByRole('table', { name: 'Devices' }).getAttribute('aria-rowcount')) === String(total + 1),
    );
    expect(await phone.page.locator('tbody tr[role=row]').count()).toBeLessThanOrEqual(60);
    await expectSound(phone);
    await phone.picture('devices-many-phone', { whole: false });
  });
});

async function withDatabase<T>(work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client({ connectionString: fleet.ground.databaseUrl });
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}

describe('a page that stays open', () => {
  it('keeps its heap while campaigns change under it', async () => {
    const id = await startAll('open-2', await fleet.release(2), { membership: 'dynamic' });
    const visitor = await visit('/campaigns/open-2');
    const { page } = visitor;
    let renewed = 0;
    page.on('response', (response) => void (renewed += Number(response.url().endsWith(`/api/v1/campaigns/${id}`))));
    const cdp = await page.context().newCDPSession(page);
    let n = 0;
    /** For so long, and until the page has drawn a few of the changes, however slow the machine is. */
    const live = async (ms: number) => {
      const [endsMs, seen] = [Date.now() + ms, renewed];
      await until('the page to follow', ms + 120_000, async () => {
        await fleet.operator.pauseCampaign(id, `pause ${++n}`);
        await fleet.operator.resumeCampaign(id, `resume ${n}`);
        return Date.now() > endsMs && renewed >= seen + 5;
      });
      return renewed - seen;
    };
    await live(OPEN_MS / 2);
    const before = await heapOf(cdp);
    const times = await live(OPEN_MS);
    const after = await heapOf(cdp);
    process.stdout.write(
      `open page: ${n} pauses, renewed ${times} times in ${OPEN_MS / 1000} s or more, heap ${megabytes(before)} MB, then ${megabytes(after)} MB\n`,
    );
    expect(after - before).toBeLessThan(HEAP_SLACK_BYTES);
    await page.getByRole('button', { name: '‖ Pause…' }).waitFor();
    await expectSound(visitor);
  });
});
