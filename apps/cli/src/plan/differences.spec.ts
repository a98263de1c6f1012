import { expect, it } from '@jest/globals';
import { Policy } from '@drydock/contracts';
import { differenceLines, differencesOf } from './differences.js';

const stored = (policy: object, note = '') => ({
  name: 'x',
  note,
  artifact: { sha256: 'a'.repeat(64) },
  selector: {},
  policy: Policy.parse(policy),
});

it('says in the words of the file what differs, and what is looser', () => {
  const before = stored({
    brake: { limit: 0.01 },
    approvals: 1,
    limits: { inFlight: 100 },
    windows: [{ rule: 'FREQ=DAILY', from: '2026-03-01T22:00', durationMs: 21_600_000 }],
  });
  const after = stored({ brake: { limit: 0.02 }, approvals: 2, limits: { inFlight: 50 }, acceptUnproven: true }, 'now');
  const found = differencesOf(before, after);
  expect(found.map(({ path, before: from, after: to, looser }) => [path, from, to, looser])).toEqual(
    expect.arrayContaining([
      ['note', null, 'now', false],
      ['brake.limit', '1%', '2%', true],
      ['approvals.needed', '1', '2', false],
      ['inFlight.campaign', '100', '50', false],
      ['acceptUnproven', 'false', 'true', true],
      ['windows[0].lasts', '6h', null, true],
    ]),
  );
  expect(differenceLines(found).find((line) => line.includes('brake.limit'))).toMatch(
    /^ {2}brake\.limit +1% → 2% {2}⚠ looser$/,
  );
  expect(differencesOf(before, before)).toEqual([]);
});
