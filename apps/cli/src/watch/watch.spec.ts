import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { endsCell, type Campaign } from '../commands/campaign/sentences.js';
import { Kept } from '../testing.fixture.js';
import { barOf, cellsOf } from './bar.js';
import { factLine } from './frame.js';
import { isReached, parseGoal, statusOf, waitsForPerson } from './goal.js';
import { Times } from '../output/format.js';
import { Output } from '../output/output.js';
import { failuresToHalt, forecastWords } from './outlook.js';
import { Screen } from './screen.js';

type Sums = Campaign['sums'];
const NO_SUMS: Sums = {
  total: 0,
  planned: 0,
  granted: 0,
  running: 0,
  rescue: 0,
  proven: 0,
  unproven: 0,
  failed: 0,
  reverted: 0,
  cancelled: 0,
  skipped: 0,
  lost: 0,
  known: 0,
  suspect: 0,
  unresolved: 0,
  failureShare: null,
  successRate: null,
};
const campaignOf = (state: Campaign['state'], sums: Partial<Sums> = {}, stages: string[] = []): Campaign =>
  ({
    name: 'x',
    state,
    stateBy: 'M. Okafor',
    sums: { ...NO_SUMS, ...sums },
    exposure: { state, mayStillStart: 64, noneAfter: 1_764_163_930_000, running: 118, rescue: 0, doneBy: 0 },
    stages: stages.map((stage, index) => ({ index, name: `s${index}`, state: stage })),
  }) as unknown as Campaign;

describe('the bar', () => {
  it('adds up to its width, and shows whatever there is', () => {
    fc.assert(
      fc.property(
        fc.array(fc.nat(100_000), { minLength: 8, maxLength: 8 }),
        fc.integer({ min: 8, max: 60 }),
        (counts, width) => {
          const cells = cellsOf(counts, width);
          expect(cells.reduce((sum, n) => sum + n, 0)).toBe(width);
          for (const [index, n] of counts.entries()) {
            if (n > 0) expect(cells[index]).toBeGreaterThan(0);
            else if (counts.some((other) => other > 0)) expect(cells[index]).toBe(0);
          }
        },
      ),
    );
  });

  it('is full only when every device is proven', () => {
    expect(barOf({ sums: { ...NO_SUMS, proven: 5999, failed: 1 } }, 20)).toBe(`[${'█'.repeat(19)}✕]`);
    expect(barOf({ sums: { ...NO_SUMS, proven: 3 } }, 5)).toBe('[█████]');
    expect(barOf({ sums: NO_SUMS }, 5)).toBe('[     ]');
  });
});

describe('the end of watching', () => {
  it('is what was asked for', () => {
    expect(isReached(parseGoal('running'), campaignOf('scheduled'))).toBe(false);
    expect(isReached(parseGoal('running'), campaignOf('halted'))).toBe(true);
    expect(isReached(parseGoal('stage:2'), campaignOf('running', {}, ['passed', 'pending']))).toBe(false);
    expect(isReached(parseGoal('stage:2'), campaignOf('running', {}, ['passed', 'open']))).toBe(true);
    expect(isReached(parseGoal('ended'), campaignOf('halted'))).toBe(false);
    expect(isReached(parseGoal('ended'), campaignOf('aborted'))).toBe(true);
    expect(() => isReached(parseGoal('stage:3'), campaignOf('running', {}, ['open']))).toThrow(
      expect.objectContaining({ exit: 6 }),
    );
    for (const text of ['stage', 'stage:0', 'stage:x', 'done', ''])
      expect(() => parseGoal(text)).toThrow(expect.objectContaining({ exit: 2 }));
  });

  it('has a status that says how', () => {
    const ended = parseGoal('ended');
    expect(statusOf(campaignOf('completed', { total: 5, proven: 5 }), ended)).toBe(0);
    expect(statusOf(campaignOf('completed', { total: 5, proven: 4, skipped: 1 }), ended)).toBe(0);
    expect(statusOf(campaignOf('completed', { total: 5, proven: 4, lost: 1 }), ended)).toBe(10);
    expect(statusOf(campaignOf('completed', { total: 5, proven: 4, cancelled: 1 }), ended)).toBe(10);
    expect(statusOf(campaignOf('halted'), ended)).toBe(11);
    expect(statusOf(campaignOf('aborted'), ended)).toBe(12);
    expect(statusOf(campaignOf('paused'), ended)).toBe(13);
    expect(statusOf(campaignOf('awaiting-approval'), ended)).toBe(13);
    expect(statusOf(campaignOf('running'), parseGoal('running'))).toBe(0);
    expect(waitsForPerson(campaignOf('running', {}, ['held', 'pending']))).toBe(true);
    expect(waitsForPerson(campaignOf('running', { running: 1 }, ['held', 'pending']))).toBe(false);
  });
});

it('halts at the step of the staircase that reaches so far', () => {
  const staircase = [
    { failures: 3, within: 16 },
    { failures: 4, within: 40 },
  ];
  expect([0, 16, 17, 41].map((tried) => failuresToHalt(staircase, tried))).toEqual([3, 3, 4, null]);
});

it('says when it is done, or why that is not known', () => {
  const out = new Output({
    stdout: new Kept(),
    stderr: new Kept(),
    json: false,
    quiet: false,
    debug: false,
    color: false,
    timeZone: 'UTC',
    pager: undefined,
    now: () => Date.parse('2026-11-26T13:26:10Z'),
  });
  const at = '2026-11-26T13:26:00Z';
  const known = {
    at,
    p10: '2026-11-26T22:50:00Z',
    p50: '2026-11-26T23:50:00Z',
    p90: '2026-11-27T01:20:00Z',
    sentence: '',
  };
  expect(forecastWords(out, known)).toBe('95 % done 22:50:00–27 Nov 01:20 (8 in 10)');
  expect(forecastWords(out, { ...known, p90: null })).toBe('95 % done about 23:50:00');
  expect(forecastWords(out, { ...known, p50: null })).toBe('no forecast: not before its deadline');
  expect(forecastWords(out, { ...known, at: null, sentence: 'nothing started in the last hour.' })).toBe(
    'no forecast: nothing started in the last hour.',
  );
});

it('says when each campaign of a list ends, or since when it stands', () => {
  const times = new Times(() => Date.parse('2026-11-26T13:26:10Z'), 'UTC');
  const ends = { p10: '2026-11-26T22:50:00Z', p50: '2026-11-26T23:50:00Z', p90: '2026-11-27T01:20:00Z' };
  const cell = (of: Partial<Parameters<typeof endsCell>[1]>) =>
    endsCell({ times }, { state: 'running', ends, stateAt: '2026-11-26T09:12:00Z', ...of });
  expect(cell({})).toBe('22:50:00–27 Nov 01:20');
  expect(cell({ ends: { ...ends, p90: null } })).toBe('about 23:50:00');
  expect(cell({ ends: { p10: null, p50: null, p90: null } })).toBe('past its deadline');
  expect(cell({ ends: null })).toBe('no forecast');
  expect(cell({ state: 'halted', ends: null })).toBe('halted 09:12:00');
});

it('says a campaign in one line of facts', () => {
  expect(
    factLine(
      campaignOf(
        'paused',
        { total: 6000, proven: 1732, failed: 17, reverted: 3, unproven: 43, lost: 7, failureShare: 0.0111 },
        ['open'],
      ),
    ),
  ).toBe(
    'paused by="M. Okafor" stage=1/1 stageState=open proven=1732 of=6000 failed=17 reverted=3 share=1.1% notKnown=50 running=0 waiting=0 mayStillStart=64 noneAfter=2025-11-26T13:32:10.000Z',
  );
});

it('draws at most four times a second, finished lines above', () => {
  const terminal = new Kept(true);
  let now = 0;
  const screen = new Screen(terminal, () => now);
  screen.show(['a', 'b']);
  expect(terminal.text).toBe('a\nb\n');
  for (now = 10; now < 240; now += 10) screen.show([`a${now}`, 'b']);
  expect(terminal.text).toBe('a\nb\n');
  screen.line('14:08 quarantine');
  screen.close();
  expect(terminal.text).toBe('a\nb\n\u001b[2A\r\u001b[J14:08 quarantine\na230\nb\n');
});
