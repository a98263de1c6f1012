/** A campaign at the dashboard with simulated devices: groups compared, pace changed by two people, its plan, its approval. */
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import pg from 'pg';
import type { Browser } from 'playwright-core';
import { launchChromium } from '../browser/chromium.js';
import { PHONE, Visitor } from '../browser/visitor.js';
import { until } from '../operator.js';
import { makeSensorPackage } from '../packages.js';
import { SENSOR_MODEL } from '../simulated-site.js';
import { openWorld, type World } from '../world.js';

const IMAGE_BYTES = 8 * 1024;
const ONCE = { maxAttempts: 1, backOffMs: 0 };
const CAMPAIGN = 'groups-apart';
const FAILING = { faults: { refuse: { request: 'init', code: 0x05 } } } as const;

let world: World;
let browser: Browser;
let visitor: Visitor;
let campaignId: string;
let artifactId: string;

beforeAll(async () => {
  browser = await launchChromium();
  world = await openWorld({
    imageBytes: IMAGE_BYTES,
    sites: [
      { name: 'north', sensors: [{}, {}, {}, {}, {}], boards: [] },
      { name: 'south', sensors: [FAILING, FAILING, FAILING, FAILING], boards: [] },
    ],
  });
  const made = makeSensorPackage(2, world.sensorKey, IMAGE_BYTES);
  artifactId = (
    await world.operator.upload({
      bytes: made.file,
      name: made.fileName,
      model: made.model,
      version: made.version,
      runningVersion: made.version,
    })
  ).id;
  const draft = await world.operator.createCampaign({
    name: CAMPAIGN,
    artifactId,
    selector: { models: [SENSOR_MODEL] },
    policy: {
      // It stays open, so that its pace can still be changed when every device has ended.
      membership: 'dynamic',
      stages: [
        { name: 'canary', count: 2, gate: { minKnown: 1, maxFailureShare: 1 } },
        { name: 'rest', gate: { maxFailureShare: 1 } },
      ],
      brake: { limit: 0.5, transportLimit: 0.5 },
      retry: { firmware: ONCE, device: ONCE, link: ONCE, gateway: ONCE, operator: ONCE },
    },
  });
  campaignId = draft.id;
  await world.operator.startCampaign(campaignId);
  await until('every device to end', 120_000, async () => {
    const { parts } = await world.operator.campaign(campaignId);
    return parts.proven === 5 && parts.failed === 4;
  }).catch(async (error: unknown) => {
    const { parts } = await world.operator.campaign(campaignId);
    throw new Error(`${String(error)} ${JSON.stringify(parts)}\n${world.words()}`);
  });
  visitor = await Visitor.open(browser, world.server.baseUrl);
  await visitor.page.context().grantPermissions(['clipboard-read', 'clipboard-write']);
  await visitor.signIn(world.server.adminToken, `/campaigns/${CAMPAIGN}`);
}, 300_000);

afterAll(async () => {
  await visitor?.close().catch(() => undefined);
  await browser?.close();
  await world?.close();
}, 60_000);

/** No fault for axe, nothing wider than its window, nothing that the page says against itself. */
async function expectSound(who: Visitor): Promise<void> {
  expect(await who.accessibilityFaults()).toEqual([]);
  expect(await who.isWiderThanWindow()).toBe(false);
  expect(who.takeComplaints()).toEqual([]);
}

async function personWith(name: string, ...roles: string[]): Promise<string> {
  const person = (await world.operator.call('POST', '/api/v1/people', { name, roles })) as { id: string };
  const path = `/api/v1/people/${person.id}/tokens`;
  return ((await world.operator.call('POST', path, { name: 'browser' })) as { token: string }).token;
}

async function asPerson(
  token: string,
  method: string,
  path: string,
  body: unknown,
  headers: Record<string, string> = {},
) {
  const answer = await fetch(world.server.baseUrl + path, {
    method,
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json', ...headers },
    body: JSON.stringify(body),
  });
  const text = await answer.text();
  if (!answer.ok) throw new Error(`${path}: ${answer.status} ${text}`);
}

async function inDatabase(sql: string): Promise<void> {
  const client = new pg.Client({ connectionString: await world.server.databaseUrl() });
  await client.connect();
  await client.query(sql);
  await client.end();
}

const searchOf = (who: Visitor) => Object.fromEntries(new URL(who.page.url()).searchParams);
const copied = (who: Visitor) => who.page.evaluate('navigator.clipboard.readText()');

it('compares two groups, shows the tests nearest to a halt, and its keys do what they say', async () => {
  const { page } = visitor;
  await visitor.onPage(CAMPAIGN);
  await page.getByRole('link', { name: 'Compare two groups' }).click();
  const groups = page.getByRole('region', { name: 'Compare two groups' });
  for (const [name, filter] of [
    ['Group A', 'sitte==south'],
    ['Group B', 'site!=south'],
    ['Group A', 'site==south'],
  ] as const) {
    await groups.getByRole('combobox', { name }).fill(filter);
    await page.keyboard.press('Enter');
    if (filter === 'site!=south') await groups.getByText('There is no field sitte.').waitFor();
  }
  const sentence = groups.getByText(/^They credibly differ: A fails more often, likely by [\d.]+ to 100\.0 points\./);
  await sentence.waitFor();
  expect(searchOf(visitor)).toEqual({ compare: 'yes', a: 'site==south', b: 'site!=south' });
  expect(await groups.getByRole('row').allTextContents()).toEqual([
    expect.stringContaining('Known'),
    'A444 of 451.0–100 %',
    'Devices whose site is south.',
    'B500 of 50–43.4 %',
    'Devices whose site is not south (or unknown).',
  ]);
  const tests = page
    .getByRole('listitem')
    .filter({ has: page.getByRole('img', { name: /^gateway .*: 4 of 4 tried/ }) });
  await tests.getByText(/more would set it aside/).waitFor();
  await tests.getByRole('button').click();
  await page.getByRole('img', { name: /^Failures against tried: 4 of 4 tried at / }).waitFor();
  await expectSound(visitor);
  await visitor.picture('campaign-compare-desktop');
  // A version that the brake stopped goes on when a person says why.
  await inDatabase(`update campaign_strata set stopped_at = now(), stopped_note = '3 of 3 that ran 1.0.0 failed.'`);
  await page.reload();
  await sentence.waitFor();
  await page.getByText(/^Devices that ran 1\.0\.0 stopped/).waitFor();
  await page.getByRole('button', { name: 'Release…' }).click();
  const release = page.getByRole('dialog', { name: 'Let devices that ran 1.0.0 go on?' });
  await release.getByLabel('Reason').fill('it was the site');
  await visitor.picture('campaign-release-desktop', { whole: false });
  await release.getByRole('button', { name: 'Release' }).click();
  await release.waitFor({ state: 'detached' });
  expect((await world.operator.campaign(campaignId)).strata.map(({ stopped }) => stopped)).toEqual([null]);
  await page.getByText('devices that ran 1.0.0 may go on: “it was the site”').waitFor();

  await page.getByRole('heading', { level: 1 }).click();
  await page.keyboard.press(']');
  await until('the stage in the address', 30_000, () => Promise.resolve(searchOf(visitor)['stage'] === '1'));
  await page.keyboard.press('[');
  await until('no stage in the address', 30_000, () => Promise.resolve(!('stage' in searchOf(visitor))));
  await page.keyboard.press('y');
  await until('the command', 30_000, async () => (await copied(visitor)) === `drydock campaign show ${CAMPAIGN}`);
  const download = page.waitForEvent('download');
  await page.keyboard.press('e');
  expect((await download).suggestedFilename()).toMatch(/\.csv$/);

  const phone = await Visitor.open(browser, world.server.baseUrl, { size: PHONE });
  await phone.signIn(world.server.adminToken, new URL(page.url()).pathname + new URL(page.url()).search);
  await phone.page.getByText('What failed', { exact: true }).click();
  await phone.page.getByText('Brake', { exact: true }).click();
  await phone.page.getByText(/^They credibly differ/).waitFor();
  await expectSound(phone);
  await phone.picture('campaign-compare-phone');
  await phone.close();
}, 180_000);

it('changes the pace, not over somebody else who was first, and keeps every version of the plan', async () => {
  const { page } = visitor;
  const lind = await personWith('P. Lind', 'operator');
  await visitor.goto(`/campaigns/${CAMPAIGN}`);
  await page.getByRole('button', { name: 'More actions' }).click();
  await page.getByRole('menuitem', { name: 'Pace and limits…' }).click();
  const dialog = page.getByRole('dialog', { name: `Change the pace of ${CAMPAIGN}?` });
  await dialog.getByLabel('Up to, a minute').fill('lots');
  await dialog.getByText('Write a number.').first().waitFor();
  await dialog.getByLabel('Up to, a minute').fill('400');
  await dialog.getByText(/Starts 60 a minute, doubling every 30 min, up to 400/).waitFor();
  await dialog.getByLabel('Reason').fill('the night shift is short');
  const seen = await world.operator.campaign(campaignId);
  const { pace, limits } = seen.policy;
  await asPerson(
    lind,
    'PUT',
    `/api/v1/campaigns/${campaignId}/pace`,
    { pace: { ...pace, maxPerMinute: 500 }, limits: { ...limits, perGateway: 2 }, reason: 'odd reports' },
    { 'if-match': `"${seen.revision}"` },
  );
  await dialog.getByRole('button', { name: 'Change the pace' }).click();
  const conflict = dialog.getByText(/^P\. Lind changed .* at \d\d:\d\d\. Yours was not applied\.$/);
  await conflict.waitFor();
  expect(await conflict.textContent()).toContain('and 1 more field');
  await dialog.getByRole('button', { name: 'Compare' }).click();
  await dialog.getByRole('region', { name: 'Theirs and yours' }).getByText('400').waitFor();
  await expectSound(visitor);
  await visitor.picture('campaign-pace-conflict-desktop', { whole: false });
  await dialog.getByRole('button', { name: 'Apply mine on top' }).click();
  await dialog.waitFor({ state: 'detached' });
  const now = (await world.operator.campaign(campaignId)).policy;
  // Theirs stays where mine said nothing.
  expect([now.pace.maxPerMinute, now.limits.perGateway]).toEqual([400, 2]);

  await page.getByRole('button', { name: 'More actions' }).click();
  await page.getByRole('menuitem', { name: /^The plan/ }).click();
  await visitor.onPage(`Plan of ${CAMPAIGN}`);
  await page.getByText('Version 3: the campaign goes by it.').waitFor();
  await page.getByText(`name: ${CAMPAIGN}`).waitFor();
  await page.getByRole('region', { name: 'Fields that version 3 changed' }).getByText('500').waitFor();
  await expectSound(visitor);
  await visitor.picture('campaign-plan-desktop');
  await page.getByRole('table', { name: 'Versions of the plan' }).getByRole('link', { name: '1', exact: true }).click();
  await page.getByText('Version 1 of 3: 2 fields of it are different now.').waitFor();
  await page.getByText('Different now', { exact: true }).waitFor();
  expect(searchOf(visitor)).toEqual({ version: '1' });
  const phone = await Visitor.open(browser, world.server.baseUrl, { size: PHONE });
  await phone.signIn(world.server.adminToken, `/campaigns/${CAMPAIGN}/policy?version=1`);
  await phone.page.getByText('Different now', { exact: true }).waitFor();
  await expectSound(phone);
  await phone.picture('campaign-plan-phone');
  await phone.close();
}, 180_000);

it('an approval says what changed since the last one, and wants a fresh sign-in', async () => {
  const [lind, okafor] = [await personWith('R. Lind', 'approver'), await personWith('M. Okafor', 'approver')];
  const plan = {
    name: 'asks-again',
    artifactId,
    policy: { approvals: 2, brake: { limit: 0.02 }, membership: 'dynamic' },
  } as const;
  const draft = await world.operator.createCampaign(plan);
  const path = `/api/v1/campaigns/${draft.id}`;
  await world.operator.startCampaign(draft.id);
  await asPerson(lind, 'POST', `${path}/approve`, { reason: 'fine' });
  await world.operator.call('POST', `${path}/withdraw`, { reason: 'the limit' });
  await world.operator.call(
    'PUT',
    path,
    { ...plan, policy: { ...plan.policy, brake: { limit: 0.05 }, minBatteryPercent: 30 } },
    { 'if-match': '*' },
  );
  await world.operator.startCampaign(draft.id);
  await asPerson(lind, 'POST', `${path}/approve`, { reason: 'fine again' });

  const second = await Visitor.open(browser, world.server.baseUrl);
  const { page } = second;
  await second.signIn(okafor, '/approvals');
  await page.getByText(/without it a draft again/).waitFor();
  await page.getByRole('link', { name: 'Review asks-again' }).click();
  await page.getByText(/^2 fields changed after R\. Lind approved, .*; asks again\.$/).waitFor();
  await page.getByRole('region', { name: 'What changed since' }).getByText('⚠ looser').waitFor();
  await inDatabase(`update sessions set confirmed_at = now() - interval '11 minutes'`);
  await page.getByLabel('Comment').fill('checked');
  await page.getByRole('button', { name: 'Approve as second person' }).click();
  const dialog = page.getByRole('dialog', { name: 'Sign in again' });
  await dialog.getByText(/no older than 10 minutes/).waitFor();
  await expectSound(second);
  await second.picture('approval-sign-in-again-desktop');
  await dialog.getByRole('button', { name: 'Not now' }).click();
  await page.getByText(/^Not done\. This needs a sign-in/).waitFor();
  await page.getByRole('button', { name: 'Approve as second person' }).click();
  await dialog.getByRole('button', { name: 'Use an API token' }).click();
  await dialog.getByLabel('API token').fill(okafor);
  await dialog.getByRole('button', { name: 'Sign in', exact: true }).click();
  await page.getByText(/waits for approval here any more/).waitFor();
  expect((await world.operator.campaign(draft.id)).approvals.given.map(({ by, reason }) => [by, reason])).toEqual([
    ['R. Lind', 'fine again'],
    ['M. Okafor', 'checked'],
  ]);
  await second.close();
}, 120_000);

it('the list of campaigns is filtered as the API is, by hand and by chips, and selected by x', async () => {
  const { page } = visitor;
  await visitor.goto('/campaigns');
  const bar = page.getByRole('combobox', { name: 'Filter campaigns' });
  const rows = page.getByRole('table', { name: 'Campaigns' }).getByRole('link');
  await rows.filter({ hasText: CAMPAIGN }).waitFor();
  await bar.fill('groups');
  await page.keyboard.press('Enter');
  await until('one campaign', 30_000, async () => (await rows.allTextContents()).join() === CAMPAIGN);
  expect(searchOf(visitor)['q']).toBe('name==*groups*,note==*groups*');
  await page.getByRole('button', { name: 'Clear the filter' }).click();
  const running = page.getByRole('group', { name: /^State/ }).getByRole('button', { name: /running/ });
  await running.click();
  await until('the chip in the address', 30_000, () => Promise.resolve(searchOf(visitor)['q'] === 'state==running'));
  await running.click({ modifiers: ['Alt'] });
  await until('the exclusion', 30_000, () => Promise.resolve(searchOf(visitor)['q'] === 'state!=running'));
  await page.getByText('No campaign matches.').waitFor();
  await page.getByRole('link', { name: 'Show all' }).click();
  const row = page.getByRole('row').filter({ has: page.getByRole('link', { name: CAMPAIGN }) });
  await row.focus();
  await page.keyboard.press('x');
  const picked = page.getByRole('region', { name: 'Selected campaigns' });
  await picked.getByText('1 campaign selected').waitFor();
  await picked.getByRole('button', { name: `‖ Pause ${CAMPAIGN}…` }).waitFor();
  await row.getByText('selected').waitFor();
  await row.getByText('no forecast yet').waitFor();
  await expectSound(visitor);
  await visitor.picture('campaigns-selected-desktop');
  await picked.getByRole('button', { name: 'Show only these' }).click();
  await until('only these', 30_000, () => Promise.resolve(searchOf(visitor)['q'] === `name==${CAMPAIGN}`));
  await page.getByRole('heading', { level: 1 }).click();
  await page.keyboard.press('y');
  await until(
    'the command',
    30_000,
    async () => (await copied(visitor)) === `drydock campaign ls --where name==${CAMPAIGN}`,
  );
  const phone = await Visitor.open(browser, world.server.baseUrl, { size: PHONE });
  await phone.signIn(world.server.adminToken, '/campaigns');
  await phone.page.getByRole('link', { name: CAMPAIGN }).waitFor();
  await expectSound(phone);
  await phone.picture('campaigns-list-phone');
  await phone.close();
}, 120_000);
