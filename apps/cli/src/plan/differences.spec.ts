import { expect, it } from '@jest/globals';
import { differenceLines, differencesOf } from './differences.js';

const WINDOW = { rule: 'FREQ=DAILY', from: '2026-03-01T22:00', durationMs: 21_600_000 };

it('says what the server found in the words of the file, and what is looser', () => {
  const found = differencesOf({
    against: { id: 'c', name: 'before' },
    lines: [
      { path: 'policy.brake.limit', from: 0.01, to: 0.02, looser: true },
      { path: 'policy.approvals', from: 1, to: 2, looser: false },
      { path: 'policy.limits.inFlight', from: 100, to: 50, looser: false },
      { path: 'policy.acceptUnproven', from: false, to: true, looser: true },
      { path: 'policy.stages[0].gate.soakMs', from: 7_200_000, to: null, looser: null },
      { path: 'policy.windows[0]', from: WINDOW, to: null, looser: true },
      { path: 'selector.filter', from: null, to: 'model==a', looser: null },
      { path: 'artifact', from: 'a'.repeat(64), to: 'b'.repeat(64), looser: null },
    ],
  });
  expect(found.map(({ path, before, after, looser }) => [path, before, after, looser])).toEqual([
    ['brake.limit', '1%', '2%', true],
    ['approvals.needed', '1', '2', false],
    ['inFlight.campaign', '100', '50', false],
    ['acceptUnproven', 'false', 'true', true],
    ['stages[0].gate.soak', '2h', null, false],
    ['windows[0]', '{rule: FREQ=DAILY, from: 2026-03-01T22:00, lasts: 6h}', null, true],
    ['devices.where', null, 'model==a', false],
    ['artifact', 'a'.repeat(64), 'b'.repeat(64), false],
  ]);
  expect(differenceLines(found)[0]).toMatch(/^ {2}brake\.limit +1% → 2% {2}⚠ looser$/);
  expect(differencesOf({ against: null, lines: [] })).toEqual([]);
});
