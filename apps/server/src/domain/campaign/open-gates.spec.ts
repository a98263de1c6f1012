/** Gates that wait for nothing more, and campaigns that stay open. */
import { describe, expect, it } from '@jest/globals';
import { Policy } from '@drydock/contracts';
import { sumsOf } from '../sums/sums.js';
import { kinds, NOW, snapshot, stage } from './campaign-snapshot.fixture.js';
import { decide } from './decide.js';

describe('decide', () => {
  it('says of a gate that waits for nothing more what is missing, and what a person can do about unproven', () => {
    const rest = stage(1, 'pending', { planned: 45 });
    const note = (...given: Parameters<typeof snapshot>): unknown => {
      const held = decide(snapshot(...given), NOW).find(
        (each) => each.kind === 'hold-stage' || each.kind === 'fail-stage',
      );
      return held && 'note' in held ? held.note : undefined;
    };
    expect(note([stage(0, 'open', { unproven: 5 }), rest])).toBe(
      'too few results are known: 0 of 2; 5 ended unproven, which is no result unless a person says so: ' +
        'resume with acceptUnproven to take unproven as known and not failed, or abort',
    );
    expect(note([stage(0, 'open', { skipped: 4, cancelled: 1, proven: 0, unproven: 1 }), rest])).toContain(
      '1 ended unproven',
    );
    const late = stage(0, 'open', { proven: 1, unproven: 1, granted: 3 }, { deadlineAtMs: NOW });
    expect(note([late, rest])).toMatch(/^past its deadline: 1 known, 3 without a result; 1 ended unproven/);
    // Accepted by name they are results, and nothing is missing.
    const policy = Policy.parse({
      stages: [{ name: 'canary', count: 5 }, { name: 'all' }],
      acceptUnproven: true,
    });
    const accepted = {
      ...stage(0, 'open', {}),
      sums: sumsOf({ unproven: 5 }, { suspect: 0 }, { acceptUnproven: true }),
    };
    expect(kinds(snapshot([accepted, rest], { policy }))[0]).toBe('pass-stage');
  });

  it('keeps a campaign of dynamic membership open with nobody left, until its deadline or a person ends it', () => {
    const policy = Policy.parse({
      membership: 'dynamic',
      stages: [{ name: 'canary', count: 1 }, { name: 'all' }],
    });
    const empty = [stage(0, 'open', {}), stage(1, 'pending', {})];
    expect(kinds(snapshot(empty, { policy, deadlineAtMs: NOW + 1 }))).toEqual([
      'pass-stage',
      'open-stage',
      'renew',
      'wake',
    ]);
    const all = [stage(0, 'passed', { proven: 1 }), stage(1, 'open', { proven: 4, unproven: 1 })];
    expect(kinds(snapshot(all, { policy, deadlineAtMs: NOW + 1 }))).not.toContain('complete');
    expect(kinds(snapshot(all, { policy, deadlineAtMs: NOW }))).toEqual(['complete']);
    // The gate of the last stage goes on to judge those who join.
    expect(kinds(snapshot(all, { policy, deadlineAtMs: NOW + 1 }))).not.toContain('pass-stage');
    const bad = [all[0]!, stage(1, 'open', { proven: 1, failed: 40 })];
    expect(kinds(snapshot(bad, { policy, deadlineAtMs: NOW + 1 }))).toEqual(['fail-stage', 'halt']);
    const late = [all[0]!, stage(1, 'open', { proven: 4, planned: 1 })];
    expect(kinds(snapshot(late, { policy, deadlineAtMs: NOW }))).toEqual(['pause', 'give-up-rescues']);
    expect(kinds(snapshot(all, { policy: { ...policy, membership: 'frozen' } }))).toContain('complete');
  });
});
