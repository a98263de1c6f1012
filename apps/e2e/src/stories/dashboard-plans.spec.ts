/** Plans at the dashboard, in a real browser with simulated devices: written, approved by somebody else, and what they answer. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Browser } from 'playwright-core';
import { launchChromium } from '../browser/chromium.js';
import { PHONE, Visitor } from '../browser/visitor.js';
import { until } from '../operator.js';
import { makeBoardPackage, makeSensorPackage } from '../packages.js';
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

async function personWith(name: string, ...roles: string[]): Promise<string> {
  const person = (await world.operator.call('POST', '/api/v1/people', { name, roles })) as { id: string };
  const path = `/api/v1/people/${person.id}/tokens`;
  return ((await world.operator.call('POST', path, { name: 'browser' })) as { token: string }).token;
}

async function approve(campaign: string, token: string, reason: string): Promise<number> {
  const answer = await fetch(`${world.server.baseUrl}/api/v1/campaigns/${campaign}/approve`, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    body: JSON.stringify({ reason }),
  });
  await answer.text();
  return answer.status;
}

async function campaignCalled(name: string): Promise<string> {
  return until(`${name} to be known`, 30_000, async () => {
    const list = (await world.operator.call('GET', `/api/v1/campaigns?name=${name}`)) as { items: { id: string }[] };
    return list.items[0]?.id;
  });
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
    await page.getByRole('button', { name: 'Paste YAML…' }).click();
    const file = (await page.getByLabel('The plan as a file').textContent())!;
    await page.getByLabel('Campaign file (YAML)').fill(file.replace('maxFailureShare: 4%', 'maxFailureShare: 120%'));
    await page.getByRole('button', { name: 'Use the file' }).click();
    await page.getByText('The file has 1 problem. Nothing was changed.').waitFor();
    await visitor.picture('new-campaign-paste-desktop', { schemes: ['light'], whole: false });
    await page.getByLabel('Campaign file (YAML)').fill(file.replace('maxFailureShare: 4%', 'maxFailureShare: 3%'));
    await page.getByRole('button', { name: 'Use the file' }).click();
    await page.getByText(/at most 3 % of them failed/).waitFor();
    await page.getByText(/draft saved/).waitFor();

    const phone = await Visitor.open(browser, world.server.baseUrl, { size: PHONE });
    await phone.signIn(world.server.adminToken, new URL(page.url()).pathname + new URL(page.url()).search);
    await phone.page.getByRole('button', { name: 'Start…' }).waitFor();
    await expectSound(phone);
    await phone.picture('new-campaign-review-phone', { schemes: ['light'] });
    for (const step of ['which', 'how', 'rehearse']) {
      await phone.page
        .getByRole('navigation', { name: 'Steps' })
        .getByRole('link', { name: new RegExp(step, 'i') })
        .click();
      await phone.page.getByText('3 devices take it').waitFor();
      if (step === 'rehearse') await phone.page.getByText('If the firmware is bad').waitFor();
      expect(await phone.isWiderThanWindow()).toBe(false);
      await phone.picture(`new-campaign-${step}-phone`, { schemes: ['light'] });
    }
    await phone.close();

    await page.getByRole('button', { name: 'Start…' }).click();
    await page.getByRole('dialog').getByText('3 devices take').waitFor();
    await visitor.picture('new-campaign-start-desktop', { whole: false });
    expect(visitor.takeComplaints()).toEqual([]);
    await page.getByRole('button', { name: 'Start now' }).click();
    await page.waitForURL(`**/campaigns/${name}`);
    const campaign = await world.operator.campaign(await campaignCalled(name));
    expect(campaign.state).not.toBe('draft');
    expect(campaign.note).toBe('Mends the codec hang.');
    expect(campaign.selector).toEqual({ filter: 'site==north' });
    expect(campaign.policy.stages[0]).toMatchObject({ count: 1, gate: { minKnown: 1, maxFailureShare: 0.03 } });
    // What the campaign's own page says is its own story's to ask.
    await visitor.goto(`/campaigns/new?from=${name}`);
    visitor.takeComplaints();
    await page.reload();
    await page.getByText(`Copied from ${name}.`).waitFor();
    expect(await page.getByLabel('Name').inputValue()).toBe(`${name}-2`);
    expect(visitor.takeComplaints()).toEqual([]);
    await visitor.close();
  }, 120_000);
});

describe('a security person', () => {
  it('writes an advisory, answers it with an urgent campaign, and follows exposure to zero', async () => {
    const ek = await personWith('S. Ek', 'viewer', 'operator', 'approver');
    const others = [await personWith('A. One', 'viewer', 'approver'), await personWith('B. Two', 'viewer', 'approver')];
    const made = makeBoardPackage(2, world.boardKey, IMAGE_BYTES);
    const artifact = await world.operator.upload({
      bytes: made.file,
      name: made.fileName,
      model: made.model,
      version: made.version,
      runningVersion: made.version,
    });
    const visitor = await Visitor.open(browser, world.server.baseUrl);
    const { page } = visitor;
    await visitor.signIn(ek, '/advisories');
    await page.getByText('No advisory yet.').waitFor();
    await expectSound(visitor);
    await visitor.picture('advisories-empty-desktop');
    await page.getByRole('link', { name: 'New advisory' }).first().click();
    await visitor.onPage('New advisory');
    await page.getByLabel('CVE').fill('21999');
    await page.getByRole('button', { name: 'Publish the advisory' }).click();
    await page.getByText(/is no CVE id/).waitFor();
    await page.getByLabel('CVE').fill('CVE-2026-21999');
    await page.getByLabel('Title').fill('Board loader skips a check');
    await page.getByLabel('Severity').selectOption('critical');
    await page.getByLabel('Model', { exact: true }).fill(made.model);
    await page.getByLabel('Affected versions, as a range').fill('<2.0.0');
    await page.getByLabel('Mended by').selectOption(artifact.id);
    await page.getByLabel('Text (optional)').fill('Found by the vendor. Mended by starting 2.0.0.');
    await expectSound(visitor);
    await visitor.picture('advisory-new-desktop');
    await page.getByRole('button', { name: 'Publish the advisory' }).click();
    await page.getByText('Still exposed: 1 of 1').waitFor();
    await page.getByText('No campaign sends what mends it yet.').waitFor();
    await page.getByRole('table', { name: 'Exposed devices' }).waitFor();
    await expectSound(visitor);
    await visitor.picture('advisory-exposed-desktop');
    const address = page.url();

    await page.getByRole('link', { name: 'New urgent…' }).click();
    await page.getByText(/Answers CVE-2026-21999/).waitFor();
    await page.getByText('1 device takes it').waitFor();
    await page.getByLabel('Note (optional)').fill('The answer to CVE-2026-21999.');
    await page.getByRole('link', { name: '5 Review' }).click();
    await page.getByText(/needs two approvers/).waitFor();
    await page.getByRole('button', { name: 'Ask for approval →' }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Ask for approval' }).click();
    await page.waitForURL('**/campaigns/urgent-cve-2026-21999');
    const id = await campaignCalled('urgent-cve-2026-21999');
    expect((await world.operator.campaign(id)).selector.runningVersions).toEqual(['1.0.0']);
    await visitor.goto(new URL(address).pathname);
    await page.getByText('awaiting approval').waitFor();
    for (const token of others) expect(await approve(id, token, 'checked')).toBe(200);
    await page.getByText('0 of 1 exposed').waitFor({ timeout: 90_000 });
    await page.getByText('Exposed over time').waitFor();
    await expectSound(visitor);
    await visitor.picture('advisory-zero-desktop');

    const phone = await Visitor.open(browser, world.server.baseUrl, { size: PHONE });
    await phone.signIn(ek, new URL(address).pathname);
    await phone.page.getByText('0 of 1 exposed').waitFor();
    await expectSound(phone);
    await phone.picture('advisory-zero-phone');
    await phone.goto('/advisories');
    await phone.page.getByText('CVE-2026-21999').waitFor();
    await expectSound(phone);
    await phone.picture('advisories-phone');
    await phone.close();

    await page.getByRole('button', { name: 'Close…' }).click();
    await page.getByRole('button', { name: 'Close the advisory' }).click();
    await page
      .getByText(/no longer counted over time/)
      .first()
      .waitFor();
    await page.getByRole('button', { name: 'Reopen…' }).waitFor();
    expect(visitor.takeComplaints()).toEqual([]);
    await visitor.close();
  }, 180_000);
});

describe('a second person', () => {
  it('approves exactly the urgent plan that is on the screen, on a phone; declines another with a reason', async () => {
    const lind = await personWith('R. Lind', 'viewer', 'approver');
    const okafor = await personWith('M. Okafor', 'viewer', 'approver');
    const visitor = await Visitor.open(browser, world.server.baseUrl, { size: PHONE });
    const { page } = visitor;
    await visitor.signIn(okafor, '/approvals');
    await page.getByText('Nothing waits for anybody’s name.').waitFor();
    await expectSound(visitor);
    await visitor.picture('approvals-empty-phone');

    const artifact = await upload(3);
    await world.operator.call('POST', '/api/v1/advisories', {
      cve: 'CVE-2026-21417',
      title: 'Sensor pairing overflow',
      severity: 'critical',
      models: [{ model: artifact.model, affected: '<3.0.0', fixedBy: artifact.id }],
    });
    const draft = await world.operator.createCampaign({
      name: 'sensor-urgent-21417',
      note: 'Mends the pairing overflow.',
      artifactId: artifact.id,
      policy: { urgent: { advisory: 'CVE-2026-21417' } },
    });
    await world.operator.startCampaign(draft.id);
    await world.operator.call('POST', `/api/v1/campaigns/${draft.id}/withdraw`, { reason: 'too soon' });
    await world.operator.startCampaign(draft.id);
    expect(await approve(draft.id, lind, 'canary list checked')).toBe(200);

    await page.getByText('1 thing waits for you.').waitFor();
    await until('the count in the title', 30_000, async () => (await page.title()).startsWith('('));
    await expectSound(visitor);
    await visitor.picture('approvals-phone');
    await page.getByRole('link', { name: 'Review sensor-urgent-21417' }).click();
    await visitor.onPage('Approve sensor-urgent-21417?');
    await page.getByText('You approve exactly this plan:').waitFor();
    await page.getByText('“canary list checked”').waitFor();
    await page.getByText('Against the model’s last campaign').waitFor();
    await page.getByText(/needs two approvers/).waitFor();
    await expectSound(visitor);
    await visitor.picture('approval-phone');
    await page.getByRole('button', { name: 'Decline' }).click();
    await page.getByText('Say why: whoever made the plan reads it.').waitFor();
    await page.getByLabel('Comment').fill('checked against the advisory');
    await page.getByRole('button', { name: 'Approve as second person' }).click();
    await page.getByText(/waits for approval here any more/).waitFor();
    await visitor.picture('approval-done-phone', { schemes: ['light'] });
    const approved = await world.operator.campaign(draft.id);
    expect(approved.approvals.given.map(({ by, reason }) => [by, reason])).toEqual([
      ['R. Lind', 'canary list checked'],
      ['M. Okafor', 'checked against the advisory'],
    ]);
    expect(['running', 'completed']).toContain(approved.state);
    expect(visitor.takeComplaints()).toEqual([]);
    await visitor.close();

    const second = await world.operator.createCampaign({
      name: 'sensor-again',
      artifactId: artifact.id,
      policy: { approvals: 1, brake: { limit: 0.1 }, membership: 'dynamic' },
    });
    await world.operator.startCampaign(second.id);
    const own = await Visitor.open(browser, world.server.baseUrl);
    await own.signIn(world.server.adminToken, '/approvals/sensor-again');
    await own.page.getByText('It is your own plan; another person must.').first().waitFor();
    expect(await own.page.getByRole('button', { name: 'Approve this plan' }).isDisabled()).toBe(true);
    await own.page.getByText(/differences to/).waitFor();
    await expectSound(own);
    await own.picture('approval-own-desktop');
    await own.close();

    const desk = await Visitor.open(browser, world.server.baseUrl);
    await desk.signIn(lind, '/approvals/sensor-again');
    await desk.page.getByLabel('Comment').fill('the limit is too high');
    await desk.page.getByRole('button', { name: 'Decline' }).click();
    await desk.page.getByText(/waits for approval here any more/).waitFor();
    expect(await world.operator.campaign(second.id)).toMatchObject({
      state: 'draft',
      stateReason: 'the limit is too high',
    });
    await desk.close();
    const back = await Visitor.open(browser, world.server.baseUrl);
    await back.signIn(world.server.adminToken, `/campaigns/new?draft=${second.id}`);
    await back.page.getByText('Sent back by R. Lind: “the limit is too high”').waitFor();
    await back.close();
  }, 120_000);
});
