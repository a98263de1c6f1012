import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { CampaignDraft } from '../http/campaigns-api.js';
import { Policy, Selector } from '../http/campaign-policy.js';
import {
  campaignFileJsonSchema,
  formatDuration,
  formatShare,
  parseDuration,
  parseShare,
  problemLines,
  readCampaignFile,
  writeCampaignFile,
} from './index.js';

const ARTIFACT = '9f2c41d7a0be'.padEnd(64, '0');
const IDS = { artifactId: '0b5d5a4c-1f5e-4a3e-9f5a-0c2a1f6b7d8e', restoreId: '3f6c2b9e-5d0a-4b7b-8b1e-2a9d4c6e8f01' };

/** Every line of the example in docs/cli.md has its meaning here. */
const EXAMPLE = `apiVersion: drydock/v1
kind: Campaign
name: bc127-6.1.2-europe
note: Fixes the codec hang, FW-882
artifact: sha256:9f2c41d7a0be
devices:
  where: model=in=(BC127-A,BC127-B);version=range=">=5.0.0 <6.1.2";site=in=(berlin,oslo)
  membership: frozen
stages:
  - {name: canary, take: 50, gate: {minKnown: 45, maxFailureShare: 4%, soak: 2h, approval: true}}
  - {name: first, take: 5%, gate: {minKnown: 280, maxFailureShare: 2%, soak: 6h}}
  - {name: oslo, where: site==oslo, deadline: 2d}
  - {name: rest, take: rest}
brake: {limit: 2%, falseHalt: 1%, thresholds: [{minTried: 20, maxFailureShare: 10%}]}
pace: {startPerMinute: 10, doubleEvery: 30m, upTo: 60}
inFlight: {first: 10, perProven: 1, campaign: 500, site: 100, gateway: 8}
windows: [{rule: FREQ=DAILY, from: 2026-03-01T22:00, lasts: 6h}]
time: {start: 2026-11-24T20:00:00+01:00, deadline: 14d}
timeouts: {download: 30m, transfer: 45m, activate: 5m, prove: 15m}
retry: {link: {attempts: 5, backOff: 10m}, upTo: 6h}
urgent: null
onAbort: restore:sha256:aaaaaaaaaaaa
approvals: {needed: 1}
minBattery: 30%
`;

const read = (text: string) => {
  const found = readCampaignFile(text);
  if (!found.ok) throw new Error(JSON.stringify(found.problems, null, 1));
  return found;
};
const problems = (text: string) => {
  const found = readCampaignFile(text);
  if (found.ok) throw new Error('it was taken');
  return found.problems;
};
const short = (text: string) =>
  problems(text).map(({ line, column, path, message }) => `${line}:${column} ${path}: ${message}`);

describe('a campaign file', () => {
  it('becomes the body of the API, in its units, and leaves out what it does not say', () => {
    const found = read(EXAMPLE);
    expect(found.artifact).toEqual({ kind: 'sha256', prefix: '9f2c41d7a0be' });
    expect(found.restore).toBe('aaaaaaaaaaaa');
    expect(found.draft(IDS)).toEqual({
      name: 'bc127-6.1.2-europe',
      note: 'Fixes the codec hang, FW-882',
      artifactId: IDS.artifactId,
      selector: { filter: 'model=in=(BC127-A,BC127-B);version=range=">=5.0.0 <6.1.2";site=in=(berlin,oslo)' },
      policy: {
        membership: 'frozen',
        stages: [
          {
            name: 'canary',
            count: 50,
            gate: { minKnown: 45, maxFailureShare: 0.04, soakMs: 7_200_000, approval: true },
          },
          { name: 'first', percent: 5, gate: { minKnown: 280, maxFailureShare: 0.02, soakMs: 21_600_000 } },
          { name: 'oslo', filter: 'site==oslo', deadlineMs: 172_800_000 },
          { name: 'rest' },
        ],
        brake: { limit: 0.02, alpha: 0.01, thresholds: [{ minTried: 20, maxFailureShare: 0.1 }] },
        pace: { kind: 'ramp', startPerMinute: 10, doublingMinutes: 30, maxPerMinute: 60 },
        limits: { firstInFlight: 10, earnedPerProven: 1, inFlight: 500, perSite: 100, perGateway: 8 },
        windows: [{ rule: 'FREQ=DAILY', from: '2026-03-01T22:00', durationMs: 21_600_000 }],
        startAt: '2026-11-24T20:00:00+01:00',
        deadlineMs: 1_209_600_000,
        timeouts: { downloadMs: 1_800_000, transferMs: 2_700_000, activateMs: 300_000, proveMs: 900_000 },
        retry: { link: { maxAttempts: 5, backOffMs: 600_000 }, backOffMaxMs: 21_600_000 },
        onAbort: { restore: IDS.restoreId },
        approvals: 1,
        minBatteryPercent: 30,
      },
    });
  });

  it('names a firmware file, with what an upload wants to know', () => {
    const text = EXAMPLE.replace('sha256:9f2c41d7a0be', '{file: ../out/fw.zip, model: BC127-A}');
    expect(read(text).artifact).toEqual({ kind: 'file', path: '../out/fw.zip', model: 'BC127-A' });
  });

  it('tells everything that is wrong with the form at once, each with its place', () => {
    const text = EXAMPLE.replace('falseHalt', 'falsHalt')
      .replace('lasts: 6h', 'lasts: 6')
      .replace('approval: true', 'approval: "yes"')
      .replace('name: bc127-6.1.2-europe\n', '');
    expect(short(text)).toEqual([
      '1:1 name: name is missing. Write text; put it in quotes where it looks like a number.',
      '9:92 stages[0].gate.approval: Write true or false.',
      '13:20 brake.falsHalt: There is no falsHalt here. Did you mean falseHalt?',
      '16:61 windows[0].lasts: Write a length of time with its unit, e.g. 90s, 30m, 6h or 14d.',
    ]);
  });

  it('tells what the API would refuse in the units of the file', () => {
    const text = EXAMPLE.replace('maxFailureShare: 4%', 'maxFailureShare: 120%')
      .replace('lasts: 6h', 'lasts: 0s')
      .replace('gateway: 8', 'gateway: 99')
      .replace('name: canary', 'name: Canary');
    expect(short(text)).toEqual([
      '10:12 stages[0].name: Canary is no name here. Write lower-case letters, digits, dots and hyphens, at most 63.',
      '10:68 stages[0].gate.maxFailureShare: 120% is too much. Write at most 100%.',
      '16:72 inFlight.gateway: 99 is too much. Write at most 32.',
      '17:61 windows[0].lasts: 0s is too little. Write at least 1m.',
    ]);
  });

  it('refuses other versions, keys twice, and what is no YAML, with the place', () => {
    expect(short(EXAMPLE.replace('drydock/v1', 'drydock/v2'))).toEqual([
      '1:13 apiVersion: Write drydock/v1: other versions are not known here.',
    ]);
    expect(short(`${EXAMPLE}name: other\n`)[0]).toMatch(/^25:1 : This is no YAML: Map keys must be unique/);
    expect(short('a: [1, 2')[0]).toMatch(/^1:9 : This is no YAML: /);
    expect(short('')[0]).toMatch(/^1:1 : /);
  });

  it('puts what the API found at its place in the file, within a filter too', () => {
    const found = read(EXAMPLE);
    const places = found.problemsOf([
      { path: 'selector.filter', message: 'no operator', at: 67, length: 4, nearest: '=in=' },
      { path: 'policy.stages[1].gate.minKnown', message: 'too many' },
      { path: 'body.policy.stages.1.percent', message: 'too small' },
      { path: 'artifactId', message: 'unknown' },
      { path: 'policy.onAbort.restore', message: 'of another model' },
      { path: 'policy.limits', message: 'a group' },
      { path: 'policy', message: 'as a whole' },
      { path: 'selector', message: 'matches nothing' },
      { path: 'policy.stages[3]', message: 'a stage' },
    ]);
    expect(places.map(({ line, column, length, path }) => [line, column, length, path])).toEqual([
      [7, 77, 4, 'devices.where'],
      [11, 46, 3, 'stages[1].gate.minKnown'],
      [11, 25, 2, 'stages[1].take'],
      [5, 11, 19, 'artifact'],
      [22, 1, 7, 'onAbort.restore'],
      [16, 11, expect.any(Number), 'inFlight'],
      [1, 1, expect.any(Number), 'policy'],
      [7, 3, expect.any(Number), 'devices'],
      [13, 5, expect.any(Number), 'stages[3]'],
    ]);
    expect(problemLines('campaign.yaml', places[0]!)).toEqual([
      'campaign.yaml:7:77  devices.where',
      ' 7 | …l=in=(BC127-A,BC127-B);version=range=">=5.0.0 <6.1.2";site=in=(berlin,oslo)',
      '   |                                                                 ^^^^',
      '  no operator',
    ]);
  });

  it('shows no control character of the file', () => {
    const lines = problemLines('x', problems('name: "\u001b[31m\u202e')[0]!).join('\n');
    expect(lines).not.toMatch(/[\u001b\u202e]/);
  });

  it('has a JSON Schema that names every key and wants what must be there', () => {
    const schema = campaignFileJsonSchema() as {
      required: string[];
      properties: Record<string, { description?: string }>;
    };
    expect(schema.required).toEqual(['apiVersion', 'kind', 'name', 'artifact']);
    expect(Object.keys(schema.properties)).toContain('unprovenAtMost');
    expect(JSON.stringify(schema)).toContain('"maxFailureShare"');
  });
});

const DAY = 86_400_000;
const ms = (min: number, max: number) => fc.integer({ min, max });
const share = (min: number, max: number) =>
  fc.oneof(
    fc.double({ min, max, noNaN: true }),
    fc.integer({ min: 1, max: 99 }).map((n) => Math.min(max, Math.max(min, n / 100))),
  );
const word = fc.stringMatching(/^[a-z0-9][a-z0-9.-]{0,20}$/);
const anyText = fc.string({ maxLength: 40, unit: 'grapheme' }).filter((text) => !/[\p{Cc}\p{Surrogate}]/u.test(text));
const filter = fc.constantFrom('model==a*', 'version=range=">=1 <2";tag==x:1', "name=='a: b #c'");
const gate = fc.record(
  {
    minKnown: fc.integer({ min: 1, max: 1000 }),
    maxFailureShare: share(0, 1),
    soakMs: ms(0, 90 * DAY),
    approval: fc.boolean(),
    strata: fc.oneof(fc.constant('all' as const), fc.array(anyText, { minLength: 1, maxLength: 3 })),
  },
  { requiredKeys: [] },
);
const stage = fc
  .tuple(
    word,
    fc.oneof(
      fc.record({ percent: fc.double({ min: 0.001, max: 100, noNaN: true }) }),
      fc.record({ count: fc.integer({ min: 1, max: 1000 }) }),
      fc.record({ filter }),
      fc.constant({}),
    ),
    fc.record({ gate, deadlineMs: ms(1000, 366 * DAY) }, { requiredKeys: [] }),
  )
  .map(([name, who, more]) => ({ name, ...who, ...more }));
const rate = fc.double({ min: 0.01, max: 100_000, noNaN: true });
const pace = fc.oneof(
  fc.record({
    kind: fc.constant('ramp' as const),
    startPerMinute: rate,
    doublingMinutes: fc.double({ min: 1, max: 10_080, noNaN: true }),
    maxPerMinute: rate,
  }),
  fc.record({
    kind: fc.constant('steps' as const),
    startPerMinute: rate,
    factor: fc.double({ min: 1.001, max: 10, noNaN: true }),
    everyProven: fc.integer({ min: 1, max: 1000 }),
    maxPerMinute: rate,
  }),
);
const rule = fc.record({ maxAttempts: fc.integer({ min: 1, max: 20 }), backOffMs: ms(0, DAY) });
const policy = fc.record(
  {
    stages: fc.array(stage, { minLength: 1, maxLength: 4 }),
    membership: fc.constantFrom('frozen' as const, 'dynamic' as const),
    limits: fc.record(
      {
        inFlight: fc.integer({ min: 1, max: 1000 }),
        earnedPerProven: share(0, 1000),
        unproven: fc.integer({ min: 1, max: 9 }),
      },
      { requiredKeys: [] },
    ),
    pace,
    brake: fc.record(
      {
        limit: share(0.001, 0.5),
        alpha: share(0.0001, 0.2),
        baseline: fc.boolean(),
        thresholds: fc.array(
          fc.record({ minTried: fc.integer({ min: 1, max: 99 }), maxFailureShare: share(0.01, 0.99) }),
          {
            maxLength: 2,
          },
        ),
      },
      { requiredKeys: [] },
    ),
    windows: fc.array(
      fc.record({
        rule: fc.constant('FREQ=WEEKLY;BYDAY=SA,SU'),
        from: fc.constant('2026-03-01T02:30'),
        durationMs: ms(60_000, 7 * DAY),
      }),
      { maxLength: 2 },
    ),
    startAt: fc.constant('2026-11-24T20:00:00+01:00'),
    approvals: fc.integer({ min: 0, max: 5 }),
    minBatteryPercent: fc.integer({ min: 1, max: 100 }),
    timeouts: fc.record({ startMs: ms(5000, 900_000), proveMs: ms(1000, DAY) }, { requiredKeys: [] }),
    retry: fc.record({ firmware: rule, link: rule, backOffMaxMs: ms(0, DAY) }, { requiredKeys: [] }),
    acceptUnproven: fc.boolean(),
    allowDowngrade: fc.boolean(),
    confirm: fc.constantFrom('after-proof' as const, 'at-once' as const),
    onAbort: fc.constantFrom('finish' as const, 'leave' as const, { restore: IDS.restoreId }),
    deadlineMs: ms(1000, 366 * DAY),
    urgent: fc.constant({ advisory: 'CVE-2026-21417' }),
    vendorTool: fc.record({ minutes: fc.integer({ min: 1, max: 60 }) }, { requiredKeys: [] }),
  },
  { requiredKeys: [] },
);
const selector = fc.record(
  {
    models: fc.array(fc.constantFrom('BC127-A', 'x'), { maxLength: 2 }),
    tags: fc.dictionary(fc.stringMatching(/^[a-z]{1,8}$/), anyText, { maxKeys: 3 }),
    sites: fc.array(word, { maxLength: 2 }),
    runningVersions: fc.array(fc.oneof(anyText, fc.constantFrom('1.0', '010', 'null', '1e3')), { maxLength: 3 }),
    devices: fc.array(fc.constant(IDS.restoreId), { maxLength: 1 }),
    filter,
  },
  { requiredKeys: [] },
);

describe('a stored campaign', () => {
  it('is written as a file that means the same to the last bit', () => {
    fc.assert(
      fc.property(word, anyText, selector, policy, (name, note, chosen, given) => {
        const stored = {
          name,
          note,
          artifact: { sha256: ARTIFACT },
          selector: Selector.parse(chosen),
          policy: Policy.parse(given),
        };
        const text = writeCampaignFile(stored, ARTIFACT);
        const draft = CampaignDraft.parse(read(text).draft(IDS));
        expect(draft).toEqual({
          name,
          note,
          artifactId: IDS.artifactId,
          selector: stored.selector,
          policy: stored.policy,
        });
      }),
      { numRuns: 150 },
    );
  });

  it('leaves nothing to the defaults of a release', () => {
    const policyOfToday = Policy.parse({});
    const stored = { name: 'x', note: '', artifact: { sha256: ARTIFACT }, selector: {}, policy: policyOfToday };
    const draft = read(writeCampaignFile(stored)).draft(IDS);
    expect(draft.policy).toEqual(policyOfToday);
  });
});

describe('quantities', () => {
  it('are read as they are written', () => {
    expect(['90s', '2h30m', '14d', '1w', '1500ms', '0s', '1.5h'].map(parseDuration)).toEqual([
      90_000, 9_000_000, 1_209_600_000, 604_800_000, 1500, 0, 5_400_000,
    ]);
    expect(['', '5', 'h', '-5m', '5 m', '6H', '1mm'].map(parseDuration)).toEqual(Array(7).fill(undefined));
    expect(['2%', '0.5%', '100%', '0%'].map(parseShare)).toEqual([0.02, 0.005, 1, 0]);
    expect([0.02, 0.07, 0.29, 1 / 3, 1e-7].map(formatShare)).toEqual(['2%', '7%', '29%', expect.anything(), 1e-7]);
  });

  it('come back, whatever they are', () => {
    fc.assert(fc.property(fc.integer({ min: 0, max: 400 * DAY }), (n) => parseDuration(formatDuration(n)) === n));
  });
});

describe('noise', () => {
  it('is survived: any text gives a campaign or places', () => {
    const pieces = fc.constantFrom(
      '[',
      '{',
      '&a ',
      '*a',
      ': ',
      '- ',
      '"',
      "'",
      '|\n',
      '\n',
      ' ',
      '\t',
      'stages',
      'name',
      '!!x',
      '#',
      '? ',
      '%',
      '\0',
      '\ufeff',
      '---\n',
      '<<: ',
      '1',
      '2%',
    );
    const text = fc.oneof(
      fc.string({ unit: 'binary', maxLength: 200 }),
      fc.array(pieces, { maxLength: 60 }).map((all) => all.join('')),
      // One place of a good file is spoilt.
      fc
        .tuple(fc.nat(EXAMPLE.length), fc.nat(30), pieces)
        .map(([at, cut, piece]) => EXAMPLE.slice(0, at) + piece + EXAMPLE.slice(at + cut)),
    );
    fc.assert(
      fc.property(text, (noise) => {
        const found = readCampaignFile(noise);
        if (found.ok) return;
        expect(found.problems.length).toBeGreaterThan(0);
        for (const problem of found.problems) {
          expect(problem.line).toBeGreaterThan(0);
          expect(problemLines('f', problem).join('')).not.toMatch(/[\0-\u001f]/);
        }
      }),
      { numRuns: 800 },
    );
  });

  it('is survived where it nests or repeats itself without end', () => {
    for (const text of [
      '['.repeat(100_000),
      'a: '.repeat(50_000),
      `a: &a [x]\nb: [${'*a,'.repeat(5000)}]`,
      'x'.repeat(600_000),
    ]) {
      expect(problems(text).length).toBeGreaterThan(0);
    }
  });
});
