/** Plans at the dashboard, in a real browser with simulated devices: written, approved by somebody else, and what they answer. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Browser } from 'playwright-core';
import { launchChromium } from '../browser/chromium.js';
import { PHONE, Visitor } from '../browser/visitor.js';
import { until } from '../operator.js';
import { makeSensorPackage } from '../packages.js';
import { openWorld, type World } from '../world.js';

const IMAGE_BYTES = 16 * 1024;

let world: World;
let browser: Browser;

beforeAll(async () => {
  browser = await launchChromium();
  world = await openWorld({
    imageBytes: IMAGE_BYTES,
    sites: [{ name: 'north', sensors: [{}, {}, {}], boards: [{}] }],
  });
}, 240_000);

afterAll(async () => {
  await browser?.close();
  await world?.close();
}, 60_000);

async function upload(round: number) {
  const made = makeSensorPackage(round, world.sensorKey, IMAGE_BYTES);
  return world.operator.upload({
    bytes: made.file,
    name: made.fileName,
    model: made.model,
    version: made.version,
    runningVersion: made.version,
  });
}

/** No fault for axe, nothing wider than its window, nothing that the page says against itself. */
async function expectSound(visitor: Visitor): Promise<void> {
  expect(await visitor.accessibilityFaults()).toEqual([]);
  expect(await visitor.isWiderThanWindow()).toBe(false);
  expect(visitor.takeComplaints()).toEqual([]);
}

describe('an operator', () => {
  it('makes a campaign from an artifact: what, which, how, rehearsed, reviewed, running', async () => {
    const visitor = await Visitor.open(browser, world.server.baseUrl);
    const { page } = visitor;
    await visitor.signIn(world.server.adminToken, '/campaigns/new');
    await page.getByText('No artifact yet').waitFor();
    await expectSound(visitor);
    await visitor.picture('new-campaign-empty-desktop');

    const artifact = await upload(2);
    await visitor.goto(`/campaigns/new?artifact=${artifact.sha256.slice(0, 12)}`);
    const label = `${artifact.model} ${artifact.version}`;
    await page.getByRole('radio', { name: new RegExp(label) }).waitFor();
    expect(await page.getByRole('radio', { name: new RegExp(label) }).isChecked()).toBe(true);
    const name = await page.getByLabel('Name').inputValue();
    await page.getByLabel('Note (optional)').fill('Mends the codec hang.');
    await page.getByText('3 devices take it').waitFor();
    await page.getByText(/draft saved/).waitFor();
    await expectSound(visitor);
    await visitor.picture('new-campaign-what-desktop');

    await page.getByRole('link', { name: 'Which →' }).click();
    await page.getByRole('combobox', { name: 'Devices' }).fill('site==nowhere;verison<2');
    await page.getByText(/not saved: \d+ to mend/).waitFor();
    await visitor.picture('new-campaign-wrong-filter-desktop', { schemes: ['light'] });
    await page.getByRole('combobox', { name: 'Devices' }).fill('site==north');
    await page.getByText(/of the fleet match/).waitFor();
    await page.getByText('3 devices take it').waitFor();
    await expectSound(visitor);
    await visitor.picture('new-campaign-which-desktop');

    await page.getByRole('link', { name: 'How →' }).click();
    await page.getByLabel('Known results, at least').fill('many');
    await page.getByText('Write a number.').first().waitFor();
    await page.getByLabel('Known results, at least').fill('1');
    await page.getByLabel('Failure share, at most').fill('4%');
    await page.getByLabel('Takes').first().selectOption('count');
    await page.getByRole('textbox', { name: 'Devices', exact: true }).fill('1');
    await page.getByText(/opens when 1 device has a known result and at most 4 % of them failed/).waitFor();
    await page.getByText(/draft saved/).waitFor();
    await expectSound(visitor);
    await visitor.picture('new-campaign-how-desktop');

    await page.keyboard.press('Escape');
    await page.getByRole('link', { name: 'Rehearse →' }).click();
    await page.getByText('If the firmware is bad').waitFor();
    await page.getByText(/first campaign of this model/).waitFor();
    await expectSound(visitor);
    await visitor.picture('new-campaign-rehearse-desktop');

    await page.getByRole('link', { name: 'Review →' }).click();
    await page.getByText(`name: ${name}`).waitFor();
    await expectSound(visitor);
    await visitor.picture('new-campaign-review-desktop');
    await page.getByRole('button', { name: 'Start…' }).click();
    await page.getByRole('dialog').getByText('3 devices take').waitFor();
    await visitor.picture('new-campaign-start-desktop', { whole: false });
    await page.getByRole('button', { name: 'Start now' }).click();
    await page.waitForURL(`**/campaigns/${name}`);
    const found = await until('the campaign to be known', 30_000, async () => {
      const list = (await world.operator.call('GET', `/api/v1/campaigns?name=${name}`)) as { items: { id: string }[] };
      return list.items[0];
    });
    const campaign = await world.operator.campaign(found.id);
    expect(campaign.state).not.toBe('draft');
    expect(campaign.note).toBe('Mends the codec hang.');
    expect(campaign.selector).toEqual({ filter: 'site==north' });
    expect(campaign.policy.stages[0]).toMatchObject({ count: 1, gate: { minKnown: 1, maxFailureShare: 0.04 } });
    expect(visitor.takeComplaints()).toEqual([]);
    await visitor.close();
  }, 120_000);
});
