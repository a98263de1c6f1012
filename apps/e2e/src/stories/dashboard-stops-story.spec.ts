/**
 * Campaigns that stop at the dashboard: a brake halts one, a gate waits for a second person, a person pauses and aborts
 * one and takes it back. Every number is held against the devices' own log (P2) and the API (P10). The keyboard alone
 * does what people come to it for: pause, approve, why.
 */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { FailureGroups, PauseAnswer } from '@drydock/contracts';
import type { Browser } from 'playwright-core';
import { launchChromium } from '../browser/chromium.js';
import { focused, tabTo, transcript } from '../browser/keyboard.js';
import { PHONE, Visitor } from '../browser/visitor.js';
import { outsideGround } from '../fleet/fleet-lane.js';
import { untilTold } from '../fleet/fleet-run.js';
import { openFleet, type Fleet } from '../fleet/fleet-world.js';
import { judge } from '../judge.js';
import { RefusedByServer, until } from '../operator.js';

const PER_GATEWAY = 10;
/** Touches are stamped by this process, promises by Postgres; both read this machine's clock. */
const CLOCK_SLACK_MS = 100;
/** So long may devices behind the cut begin; each takes a quarter of it, so that some begin late and some never. */
const START_MS = 20_000;
const ONCE = { maxAttempts: 1, backOffMs: 0 };
const POLICY = {
  limits: { inFlight: 100, firstInFlight: 100, perGateway: 32 },
  pace: { kind: 'ramp', startPerMinute: 100_000, maxPerMinute: 100_000 },
  timeouts: { startMs: 10_000, downloadMs: 30_000, transferMs: 30_000, activateMs: 20_000, proveMs: 20_000 },
  retry: { firmware: ONCE, device: ONCE, link: { maxAttempts: 20, backOffMs: 500 } },
  brake: { limit: 0.05, transportLimit: 0.5, baseline: false },
} as const;

/** What is heard where a gate waits: what came of the stage, its lines, who has answered, and the verb. */
const HEARD_AT_THE_GATE = `- main:
  - navigation "Way back":
    - link "Approvals":
      - /url: /approvals
  - heading "Open what follows stage 1 of gated-2?" [level=1]
  - paragraph: Stage 1 canary waits for approval. With your approval stage 2 rest opens.
  - 'img "What ended of stage 1: 2 proven."'
  - term: proven
  - definition:
    - strong: "2"
    - text: of 2
  - term: failed or reverted
  - definition:
    - strong: "0"
    - text: of 2
  - term: not known
  - definition:
    - strong: "0"
    - text: of 2
  - 'img "stage canary: 2 proven."'
  - list "Gate":
    - listitem: 2 finished of 2 needed
    - listitem: share 0 % ≤ 50 %
    - listitem: 1 approval, awaited
  - paragraph:
    - link "Open the campaign":
      - /url: /campaigns/gated-2
  - region "0 of 1 approvals":
    - heading "0 of 1 approvals" [level=2]
    - list:
      - listitem: "1 of 1: you?"
  - region "Your decision":
    - text: Comment
    - paragraph: Optional; it stays in the decisions.
    - textbox "Comment"
    - button "Copy as command"
    - status
    - button "Open the next stage"`;

/** One reason first, the rule and its parameters, the tries; then what can be copied. */
const HEARD_OF_WHY = `- complementary "Details":
  - heading "Why? gN-dN · fleet-board · fleet · gateway-N" [level=2]
  - button "Close details": ✕
  - paragraph: failed
  - paragraph:
    - strong: "Failed after 1 attempt(s): target.reverted."
  - term: reason
  - definition: end.failed
  - term: attempts
  - definition: "1"
  - term: code
  - definition: target.reverted
  - region "Attempts":
    - heading "1 attempt" [level=3]
    - list:
      - listitem:
        - text: 1 ·
        - time: HH:MM
        - text: · gateway-N failed
        - code: target.reverted
        - text: ", 2.2 kB sent, T The device fell back to its former image. blame: firmware"
  - button "Copy link"
  - status
  - button "Copy JSON"
  - status
  - button "Copy as command"
  - status`;

/** The number and its end come before the reason; the safe button before the verb. */
const HEARD_OF_PAUSE = `- dialog "Pause hurry-3?":
  - heading "Pause hurry-3?" [level=2]
  - paragraph: At most N more devices may start, none after HH:MM:SS (in T). N in flight will finish.
  - paragraph: N of the N are on 1 gateway that is away; they stop by themselves at that time.
  - paragraph: "That is as of this moment: more may be granted until you press. The answer is the number that holds."
  - text: Reason (optional)
  - textbox "Reason (optional)"
  - button "Keep running"
  - button "‖ Pause now"`;

let fleet: Fleet;
let browser: Browser;
let secondPerson: string;
const open: Visitor[] = [];

beforeAll(async () => {
  browser = await launchChromium();
  fleet = await openFleet({
    gateways: 2,
    devicesPerGateway: PER_GATEWAY,
    seed: 7,
    cutShare: 0.5,
    // Few at once: what is granted waits at the gateway, where only its own clock can stop it.
    parallel: 2,
    outside: outsideGround(),
    linkLoss: 0,
    firstVersion: (_, device) => ['1.0.0', '1.5.0', '1.6.0'][device % 3]!,
  });
  const person = await call<{ id: string }>('POST', '/api/v1/people', {
    name: 'M. Okafor',
    roles: ['viewer', 'approver'],
  });
  secondPerson = (await call<{ token: string }>('POST', `/api/v1/people/${person.id}/tokens`, { name: 'browser' }))
    .token;
}, 240_000);

afterAll(async () => {
  await browser?.close();
  await fleet?.close();
}, 60_000);

beforeEach(async () => {
  for (const visitor of open.splice(0)) await visitor.close();
});

async function call<T>(method: string, path: string, body?: unknown): Promise<T> {
  return (await fleet.operator.call(method, path, body)) as T;
}

async function visit(path: string, size?: typeof PHONE, token = fleet.ground.adminToken): Promise<Visitor> {
  const visitor = await Visitor.open(browser, fleet.ground.baseUrl, size ? { size } : {});
  open.push(visitor);
  await visitor.signIn(token, path);
  return visitor;
}

/** No fault for axe in either scheme, nothing wider than its window, nothing that the page says against itself. */
async function expectSound(visitor: Visitor): Promise<void> {
  expect(await visitor.wholePage(() => visitor.accessibilityFaults())).toEqual([]);
  expect(await visitor.isWiderThanWindow()).toBe(false);
  expect(visitor.takeComplaints()).toEqual([]);
}

async function start(name: string, artifactId: string, policy: Record<string, unknown>): Promise<string> {
  const { id } = await fleet.operator.createCampaign({ name, artifactId, policy: { ...POLICY, ...policy } });
  await fleet.operator.startCampaign(id);
  return id;
}

const untilState = (id: string, ...states: string[]) =>
  until(`the campaign to be ${states.join(' or ')}`, 90_000, async () => {
    const campaign = await fleet.operator.campaign(id);
    return states.includes(campaign.state) ? campaign : undefined;
  }).catch(async (error: unknown) => {
    const { state, stateReason, parts, stages } = await fleet.operator.campaign(id);
    throw new Error(`${String(error)} ${JSON.stringify([state, stateReason, parts, stages])}\n${fleet.ground.words()}`);
  });

describe('a release that is bad for two versions of three', () => {
  it('is halted by the brake: the numbers, what gathers where, why by keyboard, and a reason before it goes on', async () => {
    const artifact = await fleet.badRelease(1, ({ runs }) => runs?.version !== '1.0.0');
    const id = await start('bad-1', artifact, {
      stages: [{ name: 'all', percent: 100, gate: { minKnown: 1, maxFailureShare: 0.5 } }],
    });
    await untilState(id, 'halted');
    // What is in flight ends; from then on nothing changes.
    const halted = await until('the last to end', 60_000, async () => {
      const campaign = await fleet.operator.campaign(id);
      return campaign.parts.inFlight + campaign.parts.mayStillStart === 0 ? campaign : undefined;
    });
    const { failure } = halted.shares;
    const path = `/api/v1/campaigns/${id}/failures/groups?by=version`;
    const { group } = (await call<FailureGroups>('GET', path)).items[0]!;
    expect(failure.n).toBe(halted.parts.failed);
    expect(group).toMatchObject({ name: expect.stringMatching(/^1\.[56]\.0$/) });
    expect(group!.there.n + group!.elsewhere.n).toBe(failure.n);
    for (const size of [undefined, PHONE]) {
      const visitor = await visit('/campaigns/bad-1', size);
      const { page } = visitor;
      await page.getByText(`No, the brake halted it: ${failure.n} of ${failure.of} tried failed or reverted`).waitFor();
      const standing = page.getByRole('region', { name: 'It stands still' });
      await standing.getByText('halted').waitFor();
      const evidence = `^${failure.n} of ${failure.of} tried failed.*; limit 5 %; evidence (over a million|[\\d.]+) of [\\d.]+\\.`;
      await standing.getByText(new RegExp(evidence)).waitFor();
      await standing.getByText('Nothing can start any more. Nothing is in flight.').waitFor();
      if (size) await page.getByText('What failed', { exact: true }).click();
      await page.getByRole('combobox', { name: /^by\b/ }).selectOption('version');
      const row = page.getByRole('row', { name: /target\.reverted/ });
      await row.getByText(`${group!.there.n} of ${group!.there.of} at ${group!.name}`).waitFor();
      await row.getByText(`${group!.elsewhere.n} of ${group!.elsewhere.of} elsewhere`).first().waitFor();
      await expectSound(visitor);
      await visitor.picture(`campaign-halted-${size ? 'phone' : 'desktop'}`);
    }

    // Why, without a mouse: the number is a door to its devices, a row answers, and the focus comes back to it.
    const visitor = await visit('/campaigns/bad-1?q=state==failed');
    const { page } = visitor;
    await page.getByText(`${failure.n} match`).waitFor();
    const row = await tabTo(page, /^g\d-d\d.*failed/, 150);
    await page.keyboard.press('w');
    const why = page.getByRole('complementary', { name: 'Details' });
    await why.getByRole('heading', { name: '1 attempt' }).waitFor();
    await why.getByRole('button', { name: 'Copy JSON' }).waitFor();
    const heard = (await transcript(why)).replace(/g\d-d\d/, 'gN-dN').replaceAll(/gateway-\d/g, 'gateway-N');
    expect(heard).toBe(HEARD_OF_WHY);
    await page.keyboard.press('Escape');
    await why.waitFor({ state: 'detached' });
    expect(await focused(page)).toEqual(row);

    await tabTo(page, /^Resume with a reason…$/, 150);
    await page.keyboard.press('Enter');
    const dialog = page.getByRole('dialog', { name: 'Resume bad-1?' });
    const resume = dialog.getByRole('button', { name: 'Resume', exact: true });
    await dialog.getByText(`I saw: ${failure.n} of ${failure.of} failed`).waitFor();
    await page.keyboard.press('Shift+Tab');
    expect(await resume.isDisabled()).toBe(true);
    await dialog.getByLabel('Reason').fill('only two versions are hit, and those are left alone');
    expect(await resume.isDisabled()).toBe(true);
    await dialog.getByLabel(/^I saw/).check();
    await resume.click();
    await dialog.waitFor({ state: 'detached' });
    const { items } = await call<{ items: object[] }>('GET', `/api/v1/campaigns/${id}/decisions?limit=200`);
    const params = { reason: 'only two versions are hit, and those are left alone' };
    expect(items).toContainEqual(
      expect.objectContaining({ kind: 'campaign.resumed', by: 'admin', params: expect.objectContaining(params) }),
    );
    expect(visitor.takeComplaints()).toEqual([]);
    // Where all had been tried by then, it completes.
    await call('POST', `/api/v1/campaigns/${id}/abort`, { reason: 'the next one mends it' }).catch((error: unknown) => {
      if (!(error instanceof RefusedByServer) || error.problem.code !== 'campaign.state') throw error;
    });
    await untilState(id, 'aborted', 'completed');
  }, 180_000);
});

describe('a gate that wants a person', () => {
  it('holds its stage until a second person opens the next one, by keyboard', async () => {
    const artifact = await fleet.release(2);
    const id = await start('gated-2', artifact, {
      stages: [
        { name: 'canary', count: 2, gate: { minKnown: 2, maxFailureShare: 0.5, approval: true } },
        { name: 'rest', gate: { minKnown: 1, maxFailureShare: 0.5 } },
      ],
    });
    await until('the gate to wait for a person', 60_000, async () =>
      (await fleet.operator.campaign(id)).stages[0]!.gateLines.some(
        ({ rule, state }) => rule === 'approval' && state === 'counting',
      ),
    );
    const desk = await visit('/campaigns/gated-2');
    await desk.page.getByRole('button', { name: '◇ Review gate' }).waitFor();
    await expectSound(desk);
    await desk.picture('campaign-held-desktop');

    const visitor = await visit('/approvals', undefined, secondPerson);
    const { page } = visitor;
    await page.getByText('1 thing waits for you.').waitFor();
    await expectSound(visitor);
    await tabTo(page, /^Review gated-2$/);
    await page.keyboard.press('Enter');
    await visitor.onPage('Open what follows stage 1 of gated-2?');
    await page.getByRole('button', { name: 'Open the next stage' }).waitFor();
    expect(await transcript(page.getByRole('main'))).toBe(HEARD_AT_THE_GATE);
    await expectSound(visitor);
    await visitor.picture('approval-gate-desktop');
    await tabTo(page, /^Open the next stage$/);
    await page.keyboard.press('Enter');
    await page.getByText(/waits for approval here any more/).waitFor();
    const done = await untilState(id, 'completed');
    expect(done.sums.proven).toBe(2 * PER_GATEWAY);
    await desk.page.getByText('approved by M. Okafor').waitFor();
  }, 120_000);
});

describe('a person in a hurry', () => {
  it('pauses by keyboard with a number that devices out of reach keep, too; aborts by its name, and takes it back (P2)', async () => {
    for (const unit of fleet.units) unit.transferMs = START_MS / 4;
    const artifact = await fleet.release(3);
    const startedMs = Date.now();
    const id = await start('hurry-3', artifact, {
      timeouts: { ...POLICY.timeouts, startMs: START_MS },
      stages: [{ name: 'all', percent: 100, gate: { minKnown: 1, maxFailureShare: 0.5 } }],
    });
    const firstTouches = () =>
      fleet.units.flatMap(({ serial, touches }) => {
        const first = touches.find(({ atMs, what }) => what === 'touched' && atMs > startedMs);
        return first ? [{ serial, atMs: first.atMs }] : [];
      });
    const visitor = await visit('/campaigns/hurry-3');
    const { page } = visitor;
    await until('devices behind the cut to be touched', 60_000, () =>
      Promise.resolve(firstTouches().some(({ serial }) => fleet.behindCut.has(serial))),
    );
    fleet.ground.cutOff(true);
    await until('the gateway to be away', 60_000, async () => {
      const now = await call<PauseAnswer>('GET', `/api/v1/campaigns/${id}/exposure`);
      return now.byReach.absent.mayStillStart > 0;
    });
    await page
      .locator('#pause-number')
      .getByText(/^at most \d+ more$/)
      .waitFor();
    await tabTo(page, /^‖ Pause…$/);
    await page.keyboard.press('Enter');
    const dialog = page.getByRole('dialog', { name: 'Pause hurry-3?' });
    await dialog.getByText(/on 1 gateway that is away/).waitFor();
    const spoken = await transcript(dialog);
    const before = /At most (\d+) more devices? may start/.exec((await dialog.textContent())!)!;
    const pressedMs = Date.now();
    await page.keyboard.press('Enter');
    const standing = page.getByRole('region', { name: 'It stands still' });
    const promise = standing.getByText(/At most \d+ more may start · none after \d\d:\d\d:\d\d/);
    await promise.waitFor();
    const shownMs = Date.now();
    const [, after, end, left] = /At most (\d+) more may start · none after (\d\d:\d\d:\d\d) · (\d+:\d\d) left/.exec(
      (await promise.textContent())!,
    )!;
    const { noneAfter } = await call<PauseAnswer>('GET', `/api/v1/campaigns/${id}/exposure`);
    await dialog.waitFor({ state: 'detached' });
    expect((await focused(page)).name).toBe('Resume…');
    expect(await standing.getByRole('progressbar', { name: `None after ${end}` }).count()).toBe(1);
    await until('the countdown to go on', 30_000, async () => !(await promise.textContent())!.includes(`${left} left`));
    const phone = await visit('/campaigns/hurry-3', PHONE);
    await phone.page.getByRole('region', { name: 'It stands still' }).waitFor();
    await expectSound(visitor);
    await expectSound(phone);
    await visitor.picture('campaign-counting-down-desktop');
    await until('the end', 60_000, () => Promise.resolve(Date.now() > noneAfter + 1_000));
    for (const each of [page, phone.page]) {
      await each.getByRole('region', { name: 'It stands still' }).getByText('Nothing can start any more.').waitFor();
    }

    // The page said: at most so many, none after that second. Judged by the devices, half of which hear nothing.
    const touched = firstTouches();
    const later = (sinceMs: number) => touched.filter(({ atMs }) => atMs > sinceMs).map(({ serial }) => serial);
    expect(later(pressedMs).length).toBeLessThanOrEqual(Number(before[1]));
    expect(later(shownMs).length).toBeLessThanOrEqual(Number(after));
    expect(later(shownMs).some((serial) => fleet.behindCut.has(serial))).toBe(true);
    expect(touched.length).toBeLessThan(fleet.units.length);
    // To the second, and never said too early.
    const endMs = Math.ceil(noneAfter / 1_000) * 1_000;
    const clock = new Intl.DateTimeFormat('en-GB', { timeStyle: 'medium', timeZone: 'Europe/Berlin' });
    expect(end).toBe(clock.format(endMs));
    expect(later(endMs + CLOCK_SLACK_MS)).toEqual([]);
    const numbers = /(?<=At most )\d+|(?<=\. )\d+(?= in flight)|(?<=: )\d+(?= of)|(?<=of the )\d+/g;
    expect(spoken.replace(numbers, 'N')).toBe(HEARD_OF_PAUSE);

    fleet.ground.cutOff(false);
    await phone.page.getByRole('button', { name: 'More actions' }).click();
    await phone.page.getByRole('menuitem', { name: 'Abort…' }).click();
    const abort = phone.page.getByRole('dialog', { name: 'Abort hurry-3?' });
    const act = abort.getByRole('button', { name: 'Abort', exact: true });
    await abort.getByLabel('Reason').fill('the wrong week');
    expect(await act.isDisabled()).toBe(true);
    await abort.getByLabel('Type hurry-3 to abort').fill('hurry');
    expect(await act.isDisabled()).toBe(true);
    await abort.getByLabel('Type hurry-3 to abort').fill('hurry-3');
    await expectSound(phone);
    await phone.picture('abort-dialog-phone', { whole: false });
    await act.click();
    const aborted = await untilState(id, 'aborted');
    await phone.page.getByText(/^In the end/).waitFor();

    await page.getByRole('button', { name: 'More actions' }).click();
    await page.getByRole('menuitem', { name: 'Roll back…' }).click();
    const back = page.getByRole('dialog', { name: 'Draft a roll-back of hurry-3?' });
    await back.getByText(`for the ${aborted.parts.proven} devices that this one updated`).waitFor();
    await back.getByLabel('Reason').fill('so that all run the same');
    await expectSound(visitor);
    await back.getByRole('button', { name: 'Draft the roll-back' }).click();
    await page.getByText('Yes: somebody starts it.').waitFor();
    const name = new URL(page.url()).pathname.split('/').at(-1)!;
    const { items } = await call<{ items: { id: string }[] }>('GET', `/api/v1/campaigns?name=${name}`);
    const draft = await fleet.operator.campaign(items[0]!.id);
    expect(draft).toMatchObject({ state: 'draft', artifact: { version: '2.2.0' } });
    expect(visitor.takeComplaints()).toEqual([]);
    await untilTold(fleet);
    expect(await judge(fleet.ground.databaseUrl, [fleet.site], fleet.stateDirs)).toEqual([]);
  }, 180_000);
});
