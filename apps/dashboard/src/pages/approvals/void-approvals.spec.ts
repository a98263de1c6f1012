import { expect, it } from '@jest/globals';
import { versionAt, voidApprovals } from './void-approvals.js';

let n = 0;
const decided = (kind: string, by: string | null = null, params: Record<string, unknown> = {}) => ({
  id: String(n++),
  at: `2026-01-01T00:00:${String(n % 60).padStart(2, '0')}.000Z`,
  kind,
  by,
  params,
});

it('names who approved what was taken back last, each once, and nobody whose approval stands', () => {
  const stands = decided('campaign.approved', 'C');
  const late = decided('campaign.approved', 'A');
  const list = [
    stands,
    decided('campaign.start-pressed', 'M'),
    decided('campaign.declined', 'B'),
    late,
    decided('campaign.approved', 'A'),
    decided('campaign.approved', null, { by: 'D' }),
    decided('campaign.withdrawn', 'M'),
    decided('campaign.approved', 'E'),
  ];
  expect(voidApprovals(list).map(({ by }) => by)).toEqual(['A', 'D']);
  expect(voidApprovals(list)[0]!.at).toBe(late.at);
  expect(voidApprovals([stands])).toEqual([]);
});

it('finds the version that was up for approval: the newest that was used by then', () => {
  const version = (n: number, usedAt: string | null) => ({ n, usedAt });
  const list = [version(3, null), version(2, '2026-01-01T12:00:00.000Z'), version(1, '2026-01-01T10:00:00.000Z')];
  const at = (time: string) => versionAt(list, `2026-01-01T${time}:00.000Z`)?.n;
  expect([at('09:00'), at('10:00'), at('11:59'), at('12:30')]).toEqual([undefined, 1, 1, 2]);
});
