/** Audit, webhooks and settings at the dashboard, as an admin and as somebody who may only look. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Browser } from 'playwright-core';
import { launchChromium } from '../browser/chromium.js';
import { PHONE, Visitor } from '../browser/visitor.js';
import { startLaneServer, type LaneServer } from '../lane.js';
import { Operator } from '../operator.js';

let server: LaneServer;
let browser: Browser;
let receiver: Server;
const heard: string[] = [];
let answer = 200;

beforeAll(async () => {
  receiver = createServer((request, response) => {
    let body = '';
    request.setEncoding('utf8');
    request.on('data', (chunk: string) => (body += chunk));
    request.on('end', () => {
      heard.push(body);
      response.writeHead(answer, { 'content-type': 'text/plain' }).end(answer === 200 ? 'thank you' : 'not today');
    });
  });
  await new Promise<void>((resolve) => receiver.listen(0, '127.0.0.1', resolve));
  [browser, server] = await Promise.all([launchChromium(), startLaneServer({ DRYDOCK_WEBHOOK_ALLOW: '127.0.0.1' })]);
}, 240_000);

afterAll(async () => {
  await browser?.close();
  await server?.close();
  await new Promise((resolve) => receiver.close(resolve));
}, 60_000);

const found = { faults: [] as string[], wide: [] as string[] };
const nothing = { faults: [], wide: [] };

beforeEach(() => {
  found.faults = [];
  found.wide = [];
});

async function look(visitor: Visitor, name: string, axe = true) {
  if (axe) found.faults.push(...(await visitor.accessibilityFaults()).map((fault) => `${name}: ${fault}`));
  if (await visitor.isWiderThanWindow()) found.wide.push(name);
  await visitor.picture(name);
}

async function visit(path: string, token = server.adminToken, size?: typeof PHONE): Promise<Visitor> {
  const visitor = await Visitor.open(browser, server.baseUrl, size ? { size } : {});
  await visitor.signIn(token, path);
  return visitor;
}

describe('an admin', () => {
  it('makes a webhook whose secret is shown once, sees what was sent and answered, and sends again', async () => {
    const visitor = await visit('/webhooks');
    const { page } = visitor;
    await page.getByText('No webhook yet.').waitFor();
    await look(visitor, 'webhooks-empty-desktop');
    await page.getByRole('button', { name: 'New webhook…' }).click();
    await page.getByLabel('Name').fill('chat');
    await page.getByLabel('Address').fill(`http://127.0.0.1:${(receiver.address() as AddressInfo).port}/hook`);
    await page.getByRole('button', { name: 'Create', exact: true }).click();
    await page.getByText('It is shown this once.').waitFor();
    expect(await page.getByLabel('the secret', { exact: true }).textContent()).toMatch(/^whsec_/);
    await page.getByRole('button', { name: 'I have stored it' }).click();
    await visitor.onPage('chat');
    await page.getByRole('button', { name: 'Send a ping' }).click();
    await page.getByRole('row', { name: /webhook.ping.*delivered/ }).waitFor();
    await page.getByRole('row', { name: /webhook.ping.*delivered/ }).click();
    await page.getByText('thank you').waitFor();
    await look(visitor, 'webhook-desktop');
    answer = 503;
    await page.getByRole('button', { name: 'Send again' }).click();
    await page.getByText('On its way once more.').waitFor();
    await page.getByRole('button', { name: 'Close details' }).click();
    // Rows do not move beside an open drawer; the new one comes when it is closed.
    const failed = page.getByRole('row', { name: /webhook.ping.*failed/ });
    await failed.waitFor();
    await failed.click();
    await page.getByText('not today').waitFor();
    await look(visitor, 'webhook-failing-desktop');
    answer = 200;
    expect(new Set(heard.map((body) => (JSON.parse(body) as { type: string }).type))).toEqual(
      new Set(['webhook.ping']),
    );
    expect(visitor.takeComplaints()).toEqual([]);
    await visitor.close();
    expect(found).toEqual(nothing);
  }, 120_000);

  it('lets somebody in with a role, and gives them a password link and a token, each shown once', async () => {
    const visitor = await visit('/settings/people');
    const { page } = visitor;
    await page.getByRole('button', { name: 'New person…' }).click();
    await page.getByLabel('Name').fill('Rita Lind');
    await page.getByLabel('E-mail').fill('rita@example.com');
    await look(visitor, 'new-person-desktop', false);
    await page.getByRole('button', { name: 'Create', exact: true }).click();
    await visitor.onPage('Rita Lind');
    await page.getByRole('button', { name: 'Password link…' }).click();
    await page.getByRole('button', { name: 'Make the link' }).click();
    await page.getByLabel('the secret', { exact: true }).waitFor();
    expect(await page.getByLabel('the secret', { exact: true }).textContent()).toMatch(/\/set-password/);
    await page.getByRole('button', { name: 'I have stored it' }).click();
    await page.getByRole('button', { name: 'New token…' }).click();
    await page.getByLabel('Name').fill('her laptop');
    await page.getByRole('button', { name: 'Create', exact: true }).click();
    const token = (await page.getByLabel('the secret', { exact: true }).textContent()) ?? '';
    await page.getByRole('button', { name: 'I have stored it' }).click();
    await page.getByRole('row', { name: /her laptop.*good/ }).waitFor();
    await look(visitor, 'person-desktop');
    await visitor.goto('/settings/people');
    await page.getByRole('row', { name: /Rita Lind/ }).waitFor();
    await look(visitor, 'people-desktop');
    await visitor.close();

    // She may look: what she may not do stays visible, and says why.
    const hers = await visit('/fleet/gateways', token);
    await hers.page.getByText('No gateway has reported yet.').waitFor();
    const enrol = hers.page.getByRole('button', { name: 'Enrol a gateway…' });
    expect(await enrol.isDisabled()).toBe(true);
    await hers.page.getByRole('button', { name: 'Copy as command' }).focus();
    await hers.page.keyboard.press('Tab');
    await hers.page.getByRole('tooltip').waitFor();
    await look(hers, 'gateways-viewer-desktop');
    await hers.goto('/webhooks');
    await hers.page
      .getByText(/it takes the role admin/)
      .last()
      .waitFor();
    await look(hers, 'webhooks-viewer-desktop');
    expect(hers.takeComplaints()).toEqual([]);
    await hers.close();
    expect(found).toEqual(nothing);
  }, 120_000);

  it('chooses how times and colours look, and finds every step in the audit', async () => {
    const visitor = await visit('/settings/you');
    const { page } = visitor;
    await page.getByRole('heading', { name: 'Where you are signed in' }).waitFor();
    await page.getByRole('row', { name: /this one/ }).waitFor();
    await look(visitor, 'you-desktop');
    await page.getByRole('combobox', { name: 'Colours' }).selectOption('dark');
    expect(await page.evaluate('document.documentElement.dataset.mantineColorScheme')).toBe('dark');
    await page.getByRole('combobox', { name: 'Colours' }).selectOption('auto');
    const api = new Operator(server.baseUrl, server.adminToken);
    const hooks = (await api.call('GET', '/api/v1/webhooks')) as { items: { id: string; name: string }[] };
    await api.call('PATCH', `/api/v1/webhooks/${hooks.items[0]!.id}`, { name: 'pager duty' }, { 'if-match': '*' });
    await visitor.goto('/audit');
    await page.getByText(`name: ${hooks.items[0]!.name} → pager duty`).waitFor();
    await api.call(
      'PATCH',
      `/api/v1/webhooks/${hooks.items[0]!.id}`,
      { name: hooks.items[0]!.name },
      { 'if-match': '*' },
    );
    const line = page.getByRole('row', { name: /person.created/ });
    const berlin = await line.locator('time').textContent();
    await page.keyboard.press('t');
    await expect(
      page.waitForFunction(
        `document.querySelector('tbody time')?.title?.split(' yours')[0] === document.querySelector('tbody time')?.title?.match(/· ([^·]*) UTC/)?.[1]`,
      ),
    ).resolves.toBeDefined();
    expect(await line.locator('time').textContent()).not.toBe(berlin);
    await page.keyboard.press('t');
    await look(visitor, 'audit-desktop');
    const bar = page.getByRole('combobox', { name: 'Filter of the audit' });
    await bar.fill('action==webhook.*');
    await page.keyboard.press('Enter');
    await page.getByRole('row', { name: /webhook.created/ }).waitFor();
    await page.getByRole('row', { name: /person.created/ }).waitFor({ state: 'detached' });
    await page
      .getByRole('row', { name: /webhook.changed/ })
      .first()
      .click();
    await page.getByRole('table', { name: 'What it changed' }).getByText('pager duty').waitFor();
    await page.getByText('everything done to it').waitFor();
    await look(visitor, 'audit-line-desktop');
    await page.goBack();
    await page.getByRole('complementary', { name: 'Details' }).waitFor({ state: 'detached' });
    await bar.fill('color==red');
    await page.keyboard.press('Enter');
    await page.getByText(/There is no field color here/).waitFor();
    expect(visitor.takeComplaints()).toEqual([]);
    await visitor.close();
    const { items } = (await api.call('GET', '/api/v1/audit?action=webhook.*')) as { items: { action: string }[] };
    expect(items.every(({ action }) => action.startsWith('webhook.'))).toBe(true);
    expect(found).toEqual(nothing);
  }, 120_000);

  it('finds the same on a phone', async () => {
    const visitor = await visit('/audit', server.adminToken, PHONE);
    const { page } = visitor;
    await page.getByRole('row', { name: /person.created/ }).waitFor();
    await look(visitor, 'audit-phone');
    await visitor.goto('/webhooks');
    await page.getByRole('link', { name: 'chat' }).click();
    await page
      .getByRole('row', { name: /webhook.ping/ })
      .first()
      .waitFor();
    await look(visitor, 'webhook-phone', false);
    await visitor.goto('/settings/people');
    await page.getByRole('row', { name: /Rita Lind/ }).waitFor();
    await look(visitor, 'people-phone');
    await visitor.goto('/settings/you');
    await page.getByRole('row', { name: /this one/ }).waitFor();
    await look(visitor, 'you-phone');
    expect(visitor.takeComplaints()).toEqual([]);
    await visitor.close();
    expect(found).toEqual(nothing);
  }, 120_000);
});
