import { describe, expect, it } from '@jest/globals';
import type { BrakeTestBody, Decision, PauseAnswer } from '@drydock/contracts';
import { brakeLines, evidenceWords, moreUntilHalt, nearestFirst, ringWords, smallShape } from './brake-steps.js';
import { decisionLines, lineSentence } from './decision-words.js';
import { endClock, exposureSentences, shortExposure, untilThePress } from './exposure-words.js';
import { gateSentence } from './gate-words.js';

const NOW = Date.UTC(2026, 10, 20, 13, 26, 10);

const test = (over: Partial<BrakeTestBody> = {}): BrakeTestBody => ({
  test: 'campaign',
  group: null,
  then: 'halt',
  limit: 0.02,
  logEvidence: Math.log(0.02),
  logBar: Math.log(20),
  failures: 1,
  tried: 10,
  rings: false,
  sentence: '',
  staircase: [
    { failures: 3, within: 16 },
    { failures: 4, within: 30 },
  ],
  path: [
    { tried: 0, failures: 0 },
    { tried: 4, failures: 1 },
    { tried: 10, failures: 1 },
  ],
  ...over,
});

describe('the brake’s table', () => {
  it('is read off: so many more failures in a row would ring it', () => {
    expect(moreUntilHalt(test())).toBe(2);
    // Two more would be 3 among 17: the first row ends at 16.
    expect(moreUntilHalt(test({ tried: 15 }))).toBe(3);
    expect(moreUntilHalt(test({ tried: 40 }))).toBeUndefined();
  });

  it('is sorted by how near a halt is, and says what a test does when it rings', () => {
    const rung = test({ test: 'gateway:1', group: 'gw-1', then: 'quarantine', rings: true });
    const none = test({ test: 'overdue', logEvidence: null });
    const near = test({ test: 'stratum:1.4.0', group: '1.4.0', then: 'stop', logEvidence: Math.log(9) });
    expect(nearestFirst([none, test(), near, rung]).map((one) => one.test)).toEqual([
      'gateway:1',
      'stratum:1.4.0',
      'campaign',
      'overdue',
    ]);
    expect([ringWords(rung), ringWords(near), ringWords(test({ tried: 40 }))]).toEqual([
      'it rang: it is set aside.',
      '2 more would stop this version.',
      'no row of failures in sight would halt the campaign.',
    ]);
  });

  it('is drawn small with the same steps, inside of its box', () => {
    const { halt, path, end } = smallShape(test(), 130, 40);
    // 13 tried wide, 4 failures high: the first step at 3 of them.
    expect(halt).toBe('M0 10H130V10');
    expect(path).toBe('M0 40H40V30H100V30');
    expect(end).toEqual({ x: 100, y: 30 });
    expect(smallShape(test({ staircase: [] }), 130, 40).halt).toBe('');
  });

  it('becomes a staircase right of whose last step nothing is claimed', () => {
    const { x, halt, path } = brakeLines(test(), 1000);
    const at = (tried: number) => x.indexOf(tried);
    expect([halt[at(0)], halt[at(16)], halt[at(30)]]).toEqual([3, 4, null]);
    expect([path[at(0)], path[at(4)], path[at(10)], path[at(16)]]).toEqual([0, 1, 1, null]);
  });

  it('shows evidence as numbers, not logarithms', () => {
    expect(evidenceWords(test())).toBe('0.02 of 20');
    expect(evidenceWords(test({ logEvidence: null }))).toBe('none yet, halts at 20');
    expect(evidenceWords(test({ logEvidence: 800 }))).toBe('over a million of 20');
  });
});

const part = { mayStillStart: 0, noneAfter: 0, running: 0, rescue: 0, doneBy: 0, gateways: 0 };
const exposure = (over: Partial<PauseAnswer> = {}): PauseAnswer => ({
  state: 'running',
  mayStillStart: 64,
  noneAfter: NOW + 6 * 60_000,
  running: 118,
  rescue: 0,
  doneBy: NOW + 30 * 60_000,
  mustFinish: 47,
  byReach: { connected: part, absent: part },
  ...over,
});

describe('what a pause promises', () => {
  it('names the number, the end and what goes on', () => {
    const [sentence] = exposureSentences(exposure(), 500, NOW);
    expect(sentence).toMatch(
      /^At most 64 more devices may start, none after \d\d:\d\d:\d\d \(in 6 min\)\. 118 in flight will finish\.$/,
    );
    expect(shortExposure(exposure())).toBe('at most 64 more');
    // Only while the engine goes on granting is there more to come.
    expect((['running', 'paused', 'halted'] as const).map((state) => untilThePress(state).length)).toEqual([1, 0, 0]);
  });

  it('never says the end too early', () => {
    const end = (atMs: number) => Date.parse(`2026-11-26T${endClock(atMs)}`) % 60_000;
    const minute = Date.parse('2026-11-26T14:32:00Z');
    expect([0, 1, 999, 1_000, 10_396].map((ms) => end(minute + ms))).toEqual([0, 1_000, 1_000, 1_000, 11_000]);
  });

  it('says of those behind gateways that are away that they stop by themselves', () => {
    const absent = { ...part, mayStillStart: 47, gateways: 3 };
    expect(exposureSentences(exposure({ byReach: { connected: part, absent } }), 500, NOW)[1]).toBe(
      '47 of the 64 are on 3 gateways that are away; they stop by themselves at that time.',
    );
  });

  it('says so when nothing can start, and when nothing is known', () => {
    expect(exposureSentences(exposure({ mayStillStart: 0, running: 0 }), 500, NOW)).toEqual([
      'Nothing can start any more, and nothing is in flight.',
    ]);
    expect(exposureSentences(exposure({ mayStillStart: 0, running: 96 }), 500, NOW)[0]).toMatch(
      /^Nothing can start any more\. 96 still finish, the last by \d\d:\d\d:\d\d\.$/,
    );
    expect(exposureSentences(null, 500, NOW)).toEqual(['Not known right now; at most 500, the limit in flight.']);
  });
});

describe('lines of a gate', () => {
  const line = { have: null, need: 0, missing: null, until: null, names: [] };
  it.each([
    [
      { ...line, rule: 'known' as const, state: 'counting' as const, have: 1446, need: 2300 },
      '1\u202f446 finished of 2\u202f300 needed',
    ],
    [{ ...line, rule: 'share' as const, state: 'broken' as const, have: 0.031, need: 0.02 }, 'share 3.1 % > 2 %'],
    [
      { ...line, rule: 'share' as const, state: 'counting' as const, need: 0.02 },
      'share at most 2 %, nothing known yet',
    ],
    [{ ...line, rule: 'soak' as const, state: 'not-begun' as const, need: 6 * 3_600_000 }, 'soak 6 h, not begun'],
    [{ ...line, rule: 'approval' as const, state: 'met' as const, need: 1, names: ['R. Lind'] }, 'approved by R. Lind'],
    [
      { ...line, rule: 'known' as const, state: 'cannot-judge' as const, have: 3, need: 5 },
      '3 finished of 5 needed: cannot be judged, the gate stays shut',
    ],
  ])('%#', (given, sentence) => expect(gateSentence(given, NOW)).toBe(sentence));
});

describe('decisions', () => {
  const decision = (id: string, kind: string, params: Decision['params'] = {}): Decision => ({
    id,
    at: new Date(NOW).toISOString(),
    kind,
    by: null,
    params,
  });

  it('sum up grants that follow each other, and nothing across another decision', () => {
    const lines = decisionLines([
      decision('5', 'grants.given', { count: 2, gateways: 1, mode: 'update' }),
      decision('4', 'grants.given', { count: 3, gateways: 2, mode: 'update' }),
      decision('3', 'stage.opened', { stage: 'half' }),
      decision('2', 'grants.given', { count: 1, gateways: 1, mode: 'update' }),
    ]);
    expect(lines.map((line) => lineSentence(line, NOW))).toEqual([
      '5 devices may start, by 2 decisions',
      'stage half opened',
      '1 device may start on 1 gateway',
    ]);
  });

  it('show a kind that this page does not know as it came', () => {
    expect(lineSentence({ decision: decision('1', 'stage.painted', { colour: 'red' }), grants: 1 }, NOW)).toBe(
      'stage painted: colour red',
    );
  });
});
