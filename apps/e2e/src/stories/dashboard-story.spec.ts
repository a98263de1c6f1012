/** What people do at the dashboard, in a real browser, against a real server with simulated devices. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import pg from 'pg';
import type { Browser } from 'playwright-core';
import { launchChromium } from '../browser/chromium.js';
import { PHONE, Visitor } from '../browser/visitor.js';
import { until } from '../operator.js';
import { makeSensorPackage } from '../packages.js';
import { SENSOR_MODEL } from '../simulated-site.js';
import { openWorld, type World } from '../world.js';

const IMAGE_BYTES = 16 * 1024;
const QUICK = { startMs: 20_000, downloadMs: 20_000, transferMs: 60_000, activateMs: 20_000, proveMs: 20_000 };
const ONCE = { maxAttempts: 1, backOffMs: 0 };
const CAMPAIGN = 'first-light';
/** Refuses the init packet for ever: result 5 is "invalid object". */
const FAILING = { faults: { refuse: { request: 'init', code: 0x05 } } } as const;

let world: World;
let browser: Browser;
let artifactId: string;
const open: Visitor[] = [];

async function visit(options: Parameters<typeof Visitor.open>[2] = {}): Promise<Visitor> {
  const visitor = await Visitor.open(browser, world.server.baseUrl, options);
  open.push(visitor);
  return visitor;
}

beforeAll(async () => {
  browser = await launchChromium();
  world = await openWorld({
    imageBytes: IMAGE_BYTES,
    sites: [{ name: 'north', sensors: [{ slow: 2 }, FAILING, { slow: 2 }], boards: [{}] }],
  });
  const made = makeSensorPackage(2, world.sensorKey, IMAGE_BYTES);
  const artifact = await world.operator.upload({
    bytes: made.file,
    name: made.fileName,
    model: made.model,
    version: made.version,
    runningVersion: made.version,
  });
  artifactId = artifact.id;
  await world.operator.createCampaign({
    name: CAMPAIGN,
    artifactId,
    selector: { models: [SENSOR_MODEL] },
    policy: {
      // One after the other, so that a pause finds some that wait.
      limits: { inFlight: 1, firstInFlight: 1 },
      stages: [
        { name: 'canary', count: 1, gate: { minKnown: 1, maxFailureShare: 1 } },
        { name: 'rest', gate: { minKnown: 1, maxFailureShare: 1 } },
      ],
      retry: { firmware: ONCE, device: ONCE, link: ONCE, gateway: ONCE, operator: ONCE },
      timeouts: QUICK,
    },
  });
}, 240_000);

afterAll(async () => {
  for (const visitor of open) await visitor.close().catch(() => undefined);
  await browser?.close();
  await world?.close();
}, 60_000);

const stateOf = async () => {
  const page = (await world.operator.call('GET', `/api/v1/campaigns?name=${CAMPAIGN}`)) as {
    items: { id: string; state: string }[];
  };
  return page.items[0]!;
};

describe('a newcomer', () => {
  it('signs in, after a word against a wrong token', async () => {
    const visitor = await visit();
    await visitor.goto('/campaigns?state=draft');
    await visitor.page.getByRole('heading', { name: 'Sign in' }).waitFor();
    expect(await visitor.accessibilityFaults()).toEqual([]);
    await visitor.picture('sign-in-desktop');
    await visitor.page.getByRole('button', { name: 'Use an API token' }).click();
    await visitor.page.getByLabel('API token').fill('dd_wrong');
    await visitor.page.getByRole('button', { name: 'Sign in', exact: true }).click();
    await visitor.page.locator('[class*="InputWrapper-error"]').waitFor();
    await visitor.page.getByLabel('API token').fill(world.server.adminToken);
    await visitor.page.getByRole('button', { name: 'Sign in', exact: true }).click();
    // Where one wanted to go.
    await visitor.onPage('Campaigns');
    expect(new URL(visitor.page.url()).search).toBe('?state=draft');
    await visitor.page.getByRole('link', { name: CAMPAIGN }).waitFor();
    expect(await visitor.accessibilityFaults()).toEqual([]);
    await visitor.picture('campaigns-desktop');
    expect(visitor.takeComplaints()).toEqual([]);
  }, 120_000);

  it('starts the campaign, watches it without a reload, pauses it with a number that the server keeps, and resumes it (P2)', async () => {
    const visitor = await visit();
    const { page } = visitor;
    await visitor.signIn(world.server.adminToken, `/campaigns/${CAMPAIGN}`);
    await visitor.onPage(CAMPAIGN);
    await page.getByText('Nothing has been started.').waitFor();
    await visitor.picture('campaign-draft-desktop');
    await page.getByRole('button', { name: 'Start…' }).click();
    await page
      .getByRole('dialog')
      .getByText(/goes to 3 devices/)
      .waitFor();
    expect(await visitor.accessibilityFaults()).toEqual([]);
    await page.getByRole('dialog').getByRole('button', { name: 'Start', exact: true }).click();

    const pause = page.getByRole('button', { name: '‖ Pause…' });
    await pause.waitFor();
    await page.getByRole('img', { name: /^stage 1 canary: .*(in flight|may still start|proven|failed)/ }).waitFor();
    await page.keyboard.press('P');
    const dialog = page.getByRole('dialog', { name: `Pause ${CAMPAIGN}?` });
    await dialog
      .getByText(/^(At most \d+ more devices? may start, none after \d\d:\d\d:\d\d|Nothing can start any more)/)
      .waitFor();
    expect(await visitor.accessibilityFaults()).toEqual([]);
    await visitor.picture('pause-dialog-desktop', { whole: false });
    // The first focus lies on "Pause now".
    await page.keyboard.press('Enter');
    const standing = page.getByRole('region', { name: 'It stands still' });
    await standing.getByText('paused').waitFor();
    await standing.getByText(/by you/).waitFor();
    await standing
      .getByText(/At most \d+ more may start · none after \d\d:\d\d:\d\d|Nothing can start any more/)
      .waitFor();
    expect((await stateOf()).state).toBe('paused');
    await visitor.picture('campaign-paused-desktop');

    await page.getByRole('button', { name: 'Resume…' }).click();
    const asked = page.getByRole('dialog');
    const resume = asked.getByRole('button', { name: 'Resume' });
    expect(await resume.isDisabled()).toBe(true);
    await asked.getByLabel('Reason').fill('it was only a look');
    await resume.click();
    await pause.waitFor();
    expect((await stateOf()).state).toBe('running');
    expect(visitor.takeComplaints()).toEqual([]);
  }, 120_000);

  it('finds out why one device failed, and every number is the API’s and the database’s (P9, P10)', async () => {
    const { id } = await stateOf();
    await until('the campaign to end', 90_000, async () => (await stateOf()).state === 'completed').catch(
      async (error: unknown) => {
        const { stages, parts } = await world.operator.campaign(id);
        throw new Error(`${String(error)} ${JSON.stringify([parts, stages])}\n${world.words()}`);
      },
    );
    const campaign = await world.operator.campaign(id);
    const client = new pg.Client({ connectionString: await world.server.databaseUrl() });
    await client.connect();
    const { rows } = await client.query<{ state: string; n: number }>(
      'select state, count(*)::int as n from deployments where campaign_id = $1 group by state',
      [id],
    );
    await client.end();
    const sql = Object.fromEntries(rows.map((row) => [row.state, row.n]));
    expect(sql).toEqual({ proven: 2, failed: 1 });
    expect(campaign.parts).toMatchObject(sql);

    for (const size of [undefined, PHONE]) {
      const form = size ? 'phone' : 'desktop';
      const visitor = await visit(size ? { size } : {});
      const { page } = visitor;
      await visitor.signIn(world.server.adminToken, `/campaigns/${CAMPAIGN}`);
      await visitor.onPage(CAMPAIGN);
      const bar = page.getByRole('img', { name: `What ended of campaign ${CAMPAIGN}: 2 proven, 1 failed.` });
      await bar.waitFor();
      await page.getByText('3 of 3 ended').waitFor();
      await page.getByText('In the end 1 of 3 tried failed or reverted').waitFor();
      expect(await visitor.isWiderThanWindow()).toBe(false);
      expect(await visitor.accessibilityFaults()).toEqual([]);
      await visitor.picture(`campaign-completed-${form}`);
      if (size) {
        await page.getByText('What failed', { exact: true }).click();
        await page.getByText('artifact.signature').first().waitFor();
        await visitor.picture(`campaign-completed-open-${form}`);
      }
      // The number is a door to its devices.
      await page.getByRole('link', { name: /^1 of 3/ }).click();
      await page.getByText('1 match').waitFor();
      const row = page.getByRole('table', { name: 'Devices of the campaign' }).getByRole('row', { name: /failed/ });
      await row.focus();
      await page.keyboard.press('w');
      const why = page.getByRole('complementary', { name: 'Details' });
      const member = (await world.operator.call('GET', `/api/v1/campaigns/${id}/members?state=failed`)) as {
        items: { device: { id: string }; reason: { code: string; sentence: string } }[];
      };
      await why.getByText(member.items[0]!.reason.sentence).waitFor();
      await why.getByRole('heading', { name: '1 attempt' }).waitFor();
      expect(new URL(page.url()).searchParams.get('why')).toBe(member.items[0]!.device.id);
      expect(await visitor.accessibilityFaults()).toEqual([]);
      await visitor.picture(`why-${form}`, { whole: false });
      await page.goBack();
      await why.waitFor({ state: 'detached' });
      expect(visitor.takeComplaints()).toEqual([]);
      await visitor.close();
    }
  }, 240_000);
});

describe('the overview', () => {
  it('puts what needs a person first, and says who may act', async () => {
    const draft = await world.operator.createCampaign({
      name: 'second-light',
      artifactId,
      policy: { approvals: 1, timeouts: QUICK },
    });
    await world.operator.startCampaign(draft.id);
    const person = (await world.operator.call('POST', '/api/v1/people', { name: 'V. Iewer', roles: ['viewer'] })) as {
      id: string;
    };
    const { token } = (await world.operator.call('POST', `/api/v1/people/${person.id}/tokens`, {
      name: 'browser',
      expiresInDays: 1,
    })) as { token: string };
    for (const size of [undefined, PHONE]) {
      const visitor = await visit(size ? { size } : {});
      const { page } = visitor;
      await visitor.signIn(token);
      await visitor.onPage('Overview');
      await page.getByRole('heading', { name: '1 needs a person' }).waitFor();
      await until('the title to count', 30_000, async () => (await page.title()) === '(1) Overview · Drydock');
      expect(await visitor.isWiderThanWindow()).toBe(false);
      expect(await visitor.accessibilityFaults()).toEqual([]);
      await visitor.picture(`overview-${size ? 'phone' : 'desktop'}`);
      await page.getByRole('link', { name: 'Review second-light' }).click();
      await visitor.onPage('second-light');
      // Seen, not pressed, and the reason can be reached by keyboard.
      const approve = page.getByRole('button', { name: 'Approve this plan' });
      await approve.waitFor();
      expect(await approve.isDisabled()).toBe(true);
      await page.getByLabel('You have no role that approves.').first().waitFor();
      expect(visitor.takeComplaints()).toEqual([]);
      await visitor.close();
    }
  }, 120_000);
});

describe('a browser', () => {
  it('reads one stream of events for all its tabs, and asks to sign in again without losing the place', async () => {
    const visitor = await visit();
    await visitor.signIn(world.server.adminToken, '/campaigns');
    await visitor.onPage('Campaigns');
    await visitor.page.getByText(/live \d/).waitFor();
    const second = await visitor.anotherTab();
    await second.goto(`${world.server.baseUrl}/campaigns/${CAMPAIGN}?stage=1`);
    await second.getByText(/live \d/).waitFor();
    expect(visitor.streamsOpened()).toBe(1);

    const { items } = (await world.operator.call('GET', `/api/v1/people/${await myId()}/sessions`)) as {
      items: { id: string }[];
    };
    for (const each of items) await world.operator.call('DELETE', `/api/v1/sessions/${each.id}`);
    // The stream itself finds out with its next heartbeat.
    const dialog = second.getByRole('dialog', { name: 'Your session ended' });
    await dialog.waitFor();
    await dialog.getByRole('button', { name: 'Use an API token' }).click();
    await dialog.getByLabel('API token').fill(world.server.adminToken);
    await dialog.getByRole('button', { name: 'Sign in', exact: true }).click();
    await dialog.waitFor({ state: 'detached' });
    expect(new URL(second.url()).search).toBe('?stage=1');
    // It is followed again, and by one tab alone.
    await second.getByText(/live \d/).waitFor();
  }, 120_000);

  it('can be used by keyboard alone: skip link, keys, palette', async () => {
    const visitor = await visit();
    const { page } = visitor;
    await visitor.signIn(world.server.adminToken);
    await page.keyboard.press('g');
    await page.keyboard.press('c');
    await visitor.onPage('Campaigns');
    await page.keyboard.press('?');
    await page.getByRole('dialog', { name: 'Keys' }).getByText('go to Overview').waitFor();
    await page.keyboard.press('Escape');
    await page.getByRole('dialog').waitFor({ state: 'detached' });
    await page.keyboard.press('Control+k');
    await page.getByRole('combobox', { name: 'Go or do anything' }).fill('first');
    await page.getByRole('option', { name: new RegExp(CAMPAIGN) }).waitFor();
    await page.keyboard.press('Enter');
    await visitor.onPage(CAMPAIGN);
    expect(visitor.takeComplaints()).toEqual([]);
  }, 60_000);
});

async function myId(): Promise<string> {
  return ((await world.operator.call('GET', '/api/v1/me')) as { person: { id: string } }).person.id;
}
