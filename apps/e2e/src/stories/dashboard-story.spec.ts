/** What people do at the dashboard, in a real browser, against a real server with simulated devices. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Browser } from 'playwright-core';
import { launchChromium } from '../browser/chromium.js';
import { PHONE, Visitor } from '../browser/visitor.js';
import { openWorld, type World } from '../world.js';

let world: World;
let browser: Browser;

beforeAll(async () => {
  browser = await launchChromium();
  world = await openWorld({
    imageBytes: 16 * 1024,
    sites: [{ name: 'north', sensors: [{}, {}], boards: [{}] }],
  });
}, 240_000);

afterAll(async () => {
  await browser?.close();
  await world?.close();
}, 60_000);

describe('a newcomer', () => {
  it('signs in with the token that the first start showed, on desktop and phone', async () => {
    for (const size of [undefined, PHONE]) {
      const visitor = await Visitor.open(browser, world.server.baseUrl, size ? { size } : {});
      const form = size ? 'phone' : 'desktop';
      await visitor.goto('/');
      await visitor.page.getByRole('heading', { name: 'Sign in' }).waitFor();
      expect(await visitor.accessibilityFaults()).toEqual([]);
      await visitor.picture(`sign-in-${form}`);
      await visitor.page.getByRole('button', { name: 'Use an API token' }).click();
      await visitor.page.getByLabel('API token').fill('dd_wrong');
      await visitor.page.getByRole('button', { name: 'Sign in', exact: true }).click();
      await visitor.page.getByText(/token/i).last().waitFor();
      await visitor.signIn(world.server.adminToken);
      await visitor.onPage('Overview');
      await visitor.page.getByText('Nothing needs you.').waitFor();
      expect(await visitor.accessibilityFaults()).toEqual([]);
      expect(await visitor.isWiderThanWindow()).toBe(false);
      await visitor.picture(`overview-empty-${form}`);
      expect(visitor.takeComplaints()).toEqual([]);
      await visitor.close();
    }
  }, 120_000);
});
