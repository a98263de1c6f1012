import { expect, it } from '@jest/globals';
import { voidApprovals } from './void-approvals.js';

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
