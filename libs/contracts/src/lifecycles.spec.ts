import { describe, expect, it } from '@jest/globals';
import { CAMPAIGN_LIFECYCLE, DEPLOYMENT_LIFECYCLE, STAGE_LIFECYCLE, type Lifecycle } from './lifecycles.js';

const all: readonly Lifecycle<string>[] = [
  CAMPAIGN_LIFECYCLE as Lifecycle<string>,
  STAGE_LIFECYCLE as Lifecycle<string>,
  DEPLOYMENT_LIFECYCLE as Lifecycle<string>,
];

describe.each(all.map((lifecycle) => [lifecycle.name, lifecycle] as const))('lifecycle %s', (_, lifecycle) => {
  const states = Object.keys(lifecycle.moves);

  it('reaches every state from the start', () => {
    const seen = new Set([lifecycle.start]);
    for (const state of seen) for (const next of lifecycle.moves[state] ?? []) seen.add(next);
    expect([...seen].sort()).toEqual([...states].sort());
  });

  it('lets no end go on but by a named correction', () => {
    for (const end of lifecycle.ends) expect(lifecycle.moves[end]).toEqual([]);
    for (const from of Object.keys(lifecycle.corrections)) expect(lifecycle.ends).toContain(from);
  });

  it('has an end reachable from every state', () => {
    const good = new Set<string>(lifecycle.ends);
    for (let grew = true; grew;) {
      grew = false;
      for (const state of states) {
        if (!good.has(state) && lifecycle.moves[state]!.some((next) => good.has(next))) {
          good.add(state);
          grew = true;
        }
      }
    }
    expect([...good].sort()).toEqual([...states].sort());
  });

  it('bounds every state that is no end, and silence leads along an allowed move (P8)', () => {
    for (const state of states) {
      if (lifecycle.ends.includes(state)) continue;
      const deadline = lifecycle.deadlines[state];
      expect(deadline).toBeDefined();
      if (deadline!.next !== 'person') expect(lifecycle.moves[state]).toContain(deadline!.next);
    }
  });
});
