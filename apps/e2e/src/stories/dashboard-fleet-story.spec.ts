/** Devices, gateways, sites and artifacts at the dashboard: a first day with nothing, then with simulated devices. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import pg from 'pg';
import type { Browser } from 'playwright-core';
import { launchChromium } from '../browser/chromium.js';
import { PHONE, Visitor } from '../browser/visitor.js';
import { RefusedByServer, until, type Operator } from '../operator.js';
import { makeSensorPackage, type DemoPackage } from '../packages.js';
import { SENSOR_MODEL } from '../simulated-site.js';
import { openWorld, type World } from '../world.js';

const IMAGE_BYTES = 48 * 1024;

let world: World;
let browser: Browser;
/** What the first look at an empty server found, before any gateway was there. */
const empty: { faults: string[]; wide: string[]; complaints: string[]; token: string } = {
  faults: [],
  wide: [],
  complaints: [],
  token: '',
};

async function look(visitor: Visitor, name: string, into: { faults: string[]; wide: string[] }, axe = true) {
  if (axe) into.faults.push(...(await visitor.accessibilityFaults()).map((fault) => `${name}: ${fault}`));
  if (await visitor.isWiderThanWindow()) into.wide.push(name);
  await visitor.picture(name);
}

async function firstDay({ baseUrl, token }: Operator): Promise<void> {
  for (const form of ['desktop', 'phone'] as const) {
    const visitor = await Visitor.open(browser, baseUrl, form === 'phone' ? { size: PHONE } : {});
    const { page } = visitor;
    await visitor.signIn(token, '/');
    await page.getByText('Nothing needs you.').waitFor();
    await page.getByText('No device has been seen yet: what they run').waitFor();
    await look(visitor, `overview-empty-${form}`, empty, form === 'desktop');
    await page.getByRole('link', { name: 'Create a one-time token' }).click();
    await page.getByRole('dialog', { name: 'Enrol a gateway' }).waitFor();
    await visitor.goto('/fleet/gateways');
    await page.getByText('No gateway has reported yet.').waitFor();
    await look(visitor, `gateways-empty-${form}`, empty, form === 'desktop');
    await visitor.goto('/fleet/devices');
    await page.getByText('No device has been seen yet.').waitFor();
    await look(visitor, `devices-empty-${form}`, empty, form === 'desktop');
    await visitor.goto('/artifacts');
    await page.getByText('No artifact yet.').waitFor();
    await look(visitor, `artifacts-empty-${form}`, empty, form === 'desktop');
    if (form === 'desktop') {
      await visitor.goto('/fleet/gateways');
      await page.getByRole('button', { name: 'Enrol a gateway…' }).click();
      await page.getByLabel('Name of the site').fill('harbour');
      await look(visitor, 'enrol-dialog', empty);
      await page.getByRole('button', { name: 'Create the token' }).click();
      await page.getByText('It is shown this once.').waitFor();
      empty.token = (await page.getByLabel('the secret', { exact: true }).textContent()) ?? '';
      await look(visitor, 'enrol-token', empty);
      await page.getByRole('button', { name: 'I have stored it' }).click();
      await visitor.goto('/fleet/sites');
      await page.getByText('Tokens that nobody has used yet').waitFor();
      await look(visitor, 'sites', empty);
    }
    empty.complaints.push(...visitor.takeComplaints());
    await visitor.close();
  }
}

beforeAll(async () => {
  browser = await launchChromium();
  world = await openWorld({
    imageBytes: IMAGE_BYTES,
    paced: true,
    sites: [{ name: 'north', sensors: [{}, {}], boards: [{}] }],
    prepare: firstDay,
  });
}, 240_000);

afterAll(async () => {
  await browser?.close();
  await world?.close();
}, 60_000);

async function visit(path: string, form: 'desktop' | 'phone' = 'desktop'): Promise<Visitor> {
  const visitor = await Visitor.open(browser, world.server.baseUrl, form === 'phone' ? { size: PHONE } : {});
  await visitor.signIn(world.server.adminToken, path);
  return visitor;
}

const found = { faults: [] as string[], wide: [] as string[] };
const nothing = { faults: [], wide: [] };

beforeEach(() => {
  found.faults = [];
  found.wide = [];
});

describe('a first day', () => {
  it('says on every empty page what to do, and enrols a gateway with a token that works once', async () => {
    expect({ faults: empty.faults, wide: empty.wide, complaints: empty.complaints }).toEqual({
      ...nothing,
      complaints: [],
    });
    const answer = (await world.operator.call('GET', '/api/v1/sites')) as { items: { id: string; name: string }[] };
    expect(answer.items.map(({ name }) => name)).toContain('harbour');
    // It is a token: the server gets past it, and refuses only the key that does not go with it.
    const enrolment = { token: empty.token, name: 'gw', publicKey: {}, proof: '' };
    const refusal = await world.operator.call('POST', '/agent/v1/enrol', enrolment).catch((error: unknown) => error);
    expect(refusal).toBeInstanceOf(RefusedByServer);
    expect((refusal as RefusedByServer).problem.code).not.toBe('enrolment.token');
  });
});

describe('devices and gateways', () => {
  it('filters the list, completes what is typed, and says what to drop when nothing matches', async () => {
    const visitor = await visit('/fleet/devices');
    const { page } = visitor;
    await page.getByRole('row').nth(3).waitFor();
    await look(visitor, 'devices-desktop', found);
    const bar = page.getByRole('combobox', { name: 'Filter of devices' });
    await bar.fill('model==');
    await page.getByRole('option', { name: /demo-sensor\s*2/ }).waitFor();
    await page.keyboard.press('Tab');
    await page.keyboard.press('Enter');
    await page.getByText('2 match').waitFor();
    expect(new URL(page.url()).search).toBe('?q=model==demo-sensor');
    await bar.fill('model==demo-sensor;site==oslo');
    await page.keyboard.press('Enter');
    await page.getByText('No device matches.').waitFor();
    await page.getByText('2 match without site==oslo').waitFor();
    await look(visitor, 'devices-no-match-desktop', found);
    await page.getByRole('button', { name: 'Drop that part' }).last().click();
    await page.getByText('2 match').waitFor();
    // A fault is said under the field, and the rows before it stay.
    await bar.fill('site=on=oslo');
    await page.keyboard.press('Enter');
    await page.getByRole('alert').getByText(/=on=/).waitFor();
    expect(await page.getByRole('row').count()).toBe(3);
    await look(visitor, 'devices-fault-desktop', found);
    // By keyboard: a row, why, back.
    await bar.fill('');
    await page.keyboard.press('Enter');
    await page.getByRole('row').nth(3).waitFor();
    await page.getByRole('row').nth(1).focus();
    await page.keyboard.press('w');
    await page.getByText('No campaign has it as a member').waitFor();
    await look(visitor, 'devices-why-desktop', found);
    await page.keyboard.press('Escape');
    await page.getByRole('complementary', { name: 'Details' }).waitFor({ state: 'detached' });
    await page.keyboard.press('Enter');
    await page.getByRole('heading', { name: 'Heard by' }).waitFor();
    expect(visitor.takeComplaints()).toEqual([]);
    await visitor.close();
    expect(found).toEqual(nothing);
  }, 120_000);

  it('uploads a file, refuses a broken one in full words, and shows a device while it is updated and afterwards', async () => {
    const made = makeSensorPackage(2, world.sensorKey, IMAGE_BYTES);
    const visitor = await visit('/artifacts?open=upload');
    const { page } = visitor;
    await page.getByText('More', { exact: true }).click();
    const send = async (bytes: Uint8Array) => {
      await page.locator('input[type=file]').setInputFiles({
        name: made.fileName,
        mimeType: 'application/zip',
        buffer: Buffer.from(bytes),
      });
      await page.getByRole('combobox', { name: 'Model' }).fill(SENSOR_MODEL);
      await page.getByLabel('Version (only where the file does not say)').fill(made.version);
      await page.getByLabel('What the device will call it').fill(made.version);
      await page.getByRole('button', { name: 'Upload', exact: true }).click();
    };
    await send(made.file.slice(0, made.file.length / 2));
    await page.getByText('Not stored.').waitFor();
    await look(visitor, 'upload-refused-desktop', found);
    await send(made.file);
    await visitor.onPage(`${SENSOR_MODEL} ${made.version}`);
    await page.getByText('Yes, to demo-sensor.').waitFor();
    await page.getByText('No campaign has it.').waitFor();
    await look(visitor, 'artifact-desktop', found);

    const campaign = await startCampaign(made);
    const { items } = (await world.operator.call('GET', `/api/v1/devices?model=${SENSOR_MODEL}`)) as {
      items: { id: string }[];
    };
    await visitor.goto(`/fleet/devices/${items[0]!.id}`);
    await page.getByRole('progressbar', { name: 'Transfer' }).waitFor();
    await page.getByText(/Becomes lost if silent until/).waitFor();
    const log = page.getByRole('region', { name: 'Conversation, oldest first' });
    await log.getByText('First touch of the device, which ran').waitFor();
    await look(visitor, 'device-now-desktop', found, false);
    await until('the campaign to end', 90_000, async () =>
      ['completed', 'halted'].includes((await world.operator.campaign(campaign)).state),
    );
    await page.getByText('Nothing is being done with it').waitFor();
    await page.getByText(/Read back after/).waitFor();
    await log.getByText(`Proven: it reads back ${made.version}.`).waitFor();
    // Scrolling up stops following; the button takes it up again. In a low box, so that there is something to scroll.
    const box = `document.querySelector('[aria-label="Conversation, oldest first"]')`;
    await page.evaluate(`${box}.style.maxHeight = '90px'; ${box}.scrollTop = 9_999`);
    await log.hover();
    await page.mouse.wheel(0, -2_000);
    await page.getByRole('button', { name: '○ follow' }).click();
    await page.getByRole('button', { name: '● following' }).waitFor();
    // Every part of the page says the same.
    await page.getByText('under way').waitFor({ state: 'detached' });
    await page.getByText(/may start until/).waitFor({ state: 'detached' });
    await look(visitor, 'device-desktop', found);
    await visitor.goto('/artifacts');
    const stored = page.getByRole('row', { name: new RegExp(`${made.version} ${SENSOR_MODEL}`) });
    await stored.getByRole('link', { name: `${items.length} devices` }).waitFor();
    await look(visitor, 'artifacts-desktop', found);
    await stored.getByRole('link', { name: `${items.length} devices` }).click();
    await page.getByText(`${items.length} match`).waitFor();
    // Columns are a part of the address.
    await page.getByRole('button', { name: 'Columns ▾' }).click();
    await page.getByRole('checkbox', { name: 'Battery' }).check();
    await page.getByRole('checkbox', { name: 'Gateway' }).uncheck();
    await page.getByRole('columnheader', { name: 'Battery' }).waitFor();
    await look(visitor, 'devices-columns-desktop', found);
    await page.keyboard.press('Escape');
    await page.reload();
    await page.getByRole('columnheader', { name: 'Battery' }).waitFor();
    expect(await page.getByRole('columnheader', { name: 'Gateway' }).count()).toBe(0);
    expect(new URL(page.url()).searchParams.get('cols')).toBe('model,version,site,heard,battery,stands');
    expect(visitor.takeComplaints()).toEqual([]);
    await visitor.close();
    expect(found).toEqual(nothing);
  }, 240_000);

  it('holds a device, quarantines a gateway with a reason, and releases it', async () => {
    const visitor = await visit('/fleet/gateways');
    const { page } = visitor;
    await page.getByText('1 of 1 are connected now').waitFor();
    await look(visitor, 'gateways-desktop', found);
    await page.getByRole('row').nth(1).focus();
    await page.keyboard.press('Enter');
    await page.getByText(/It can work: 3 devices are behind it/).waitFor();
    // Two lights, and what the gateway says of itself.
    const answer = page.getByRole('region', { name: 'Answer' });
    await answer.getByText('connected').waitFor();
    await answer.getByText('last report').waitFor();
    await page.getByText('Nothing: all of its places are free.').waitFor();
    await page.getByText(/^can be written/).waitFor();
    await page.getByText('Its clock').waitFor();
    await look(visitor, 'gateway-desktop', found);
    await page.getByRole('button', { name: 'Quarantine…' }).click();
    const act = page.getByRole('button', { name: 'Quarantine', exact: true });
    expect(await act.isDisabled()).toBe(true);
    await page.getByLabel('Reason').fill('odd reports from the hall');
    await act.click();
    await page.getByText(/It is set aside: nothing new starts/).waitFor();
    await page.getByText('“odd reports from the hall”').first().waitFor();
    await look(visitor, 'gateway-quarantined-desktop', found);
    await page.getByRole('button', { name: 'Release…' }).click();
    await page.getByLabel('Reason').fill('a loose aerial');
    await page.getByRole('button', { name: 'Release', exact: true }).click();
    await page.getByText(/It can work/).waitFor();
    await page.getByText('gateway.released').waitFor();
    expect(visitor.takeComplaints()).toEqual([]);
    await visitor.close();
    expect(found).toEqual(nothing);
  }, 120_000);

  it('shows what runs where over time, of whom, and as a table; each number opens those that it counts', async () => {
    await keepTenDays();
    const visitor = await visit('/');
    const { page } = visitor;
    const plot = page.getByRole('img', { name: /^Versions over time\. .*version not known 3/ });
    await plot.waitFor();
    await page.getByText(/Of 103 devices seen in the 30 days before each count/).waitFor();
    await look(visitor, 'overview-desktop', found);
    await plot.focus();
    await page.keyboard.press('ArrowRight');
    await page.getByText(/^\S.*: 2\.0\.0 0, 1\.0\.0 100/).waitFor();
    await page.getByRole('link', { name: 'all', exact: true }).click();
    await page.getByText(/Of 113 devices, seen or not/).waitFor();
    expect(new URL(page.url()).search).toBe('?seen=all');
    await page
      .getByRole('region', { name: 'Fleet' })
      .getByRole('link', { name: '1 of 1 gateways connected' })
      .waitFor();
    await page.getByRole('button', { name: 'as table' }).click();
    await page.getByRole('columnheader', { name: 'version not known' }).waitFor();
    await look(visitor, 'overview-table-desktop', found, false);
    await page.getByRole('link', { name: '2.0.0', exact: true }).click();
    await visitor.onPage('Devices');
    expect(new URL(page.url()).searchParams.get('q')).toBe('model==demo-sensor;version==2.0.0');
    expect(visitor.takeComplaints()).toEqual([]);
    await visitor.close();
    expect(found).toEqual(nothing);
  }, 120_000);

  it('fits on a phone', async () => {
    const visitor = await visit('/', 'phone');
    const { page } = visitor;
    await page.getByRole('img', { name: /^Versions over time/ }).waitFor();
    await look(visitor, 'overview-phone', found);
    await visitor.goto('/fleet/devices');
    await page.getByRole('row').nth(3).waitFor();
    await look(visitor, 'devices-phone', found);
    await page.getByRole('row').nth(1).getByRole('link').first().click();
    await page.getByRole('heading', { name: 'Heard by' }).waitFor();
    await look(visitor, 'device-phone', found);
    await visitor.goto('/fleet/gateways');
    await page.getByRole('row').nth(1).getByRole('link').first().click();
    await page.getByText(/It can work/).waitFor();
    await look(visitor, 'gateway-phone', found);
    await visitor.goto('/artifacts');
    await page.getByRole('row').nth(1).getByRole('link').first().click();
    await page.getByText('Yes, to demo-sensor.').waitFor();
    await look(visitor, 'artifact-phone', found);
    expect(visitor.takeComplaints()).toEqual([]);
    await visitor.close();
    expect(found).toEqual(nothing);
  }, 120_000);
});

async function startCampaign(made: DemoPackage): Promise<string> {
  const { items } = (await world.operator.call('GET', '/api/v1/artifacts')) as { items: { id: string }[] };
  const { id } = await world.operator.createCampaign({
    name: `sensors-${made.version}`,
    artifactId: items[0]!.id,
    selector: { models: [SENSOR_MODEL] },
    policy: { stages: [{ name: 'all', percent: 100 }] },
  });
  await world.operator.startCampaign(id);
  return id;
}

/** Counts as the server keeps them, once a day for ten days: an update that 100 sensors get one after the other. */
async function keepTenDays(): Promise<void> {
  const client = new pg.Client({ connectionString: await world.server.databaseUrl() });
  await client.connect();
  try {
    await client.query('delete from fleet_versions');
    await client.query(
      `insert into fleet_versions (org_id, at, model, version, n, seen)
       select o.id, now() - make_interval(days => day), k.model, k.version, k.n + k.silent, k.n
       from orgs o cross join generate_series(0, 9) day cross join lateral (values
         ($1, '2.0.0', 10 * (9 - day) + 10 * (day = 0)::int, 0),
         ($1, '1.0.0', 10 * day + 10 * (day > 0)::int, 10),
         ('', '', 3, 0)) k(model, version, n, silent)`,
      [SENSOR_MODEL],
    );
  } finally {
    await client.end();
  }
}
