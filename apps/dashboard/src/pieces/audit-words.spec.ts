import { expect, it } from '@jest/globals';
import { auditChanges, auditDetail } from './audit-words.js';

it('says what was there and what is there now, then the rest', () => {
  expect(
    auditDetail({
      zone: 'Europe/Oslo',
      hold: null,
      note: 'moved',
      empty: '',
      before: { zone: 'UTC', hold: { note: 'audit week' } },
    }),
  ).toBe('zone: UTC → Europe/Oslo, hold: “audit week” → none, note: moved');
  expect(
    auditDetail({ changed: [{ path: 'policy.pace.maxPerMinute', from: 60, to: 400 }, 'odd'], reason: 'night shift' }),
  ).toBe('policy.pace.maxPerMinute: 60 → 400, reason: night shift');
});

it('shows any parameters, and cuts what is long', () => {
  expect(auditDetail({ tags: { hall: '7' }, before: 'not ours', changed: 3 })).toBe(
    'tags: {"hall":"7"}, before: not ours, changed: 3',
  );
  expect(auditDetail({ text: 'x'.repeat(100) })).toBe(`text: ${'x'.repeat(80)}…`);
  expect(auditChanges({ before: null, changed: [null, { path: 3 }] })).toEqual([]);
});
