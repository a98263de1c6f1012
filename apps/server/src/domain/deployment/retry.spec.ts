import { describe, expect, it } from '@jest/globals';
import {
  DEPLOYMENT_LIFECYCLE,
  DEPLOYMENT_STATES,
  ERROR_CODE_LIST,
  LIVE_DEPLOYMENT_STATES,
  mayMove,
  Policy,
  type DeploymentState,
} from '@drydock/contracts';
import fc from 'fast-check';
import { CLOCK_MARGIN_MS } from '../clock-margin.js';
import { decideRetry, factsOfCode, MAX_TRIES, nextTryAt, unitOf } from './retry.js';
import { actionDue, isOverdue, timeoutOf } from './state-timeouts.js';

const { retry, timeouts } = Policy.parse({
  retry: { link: { maxAttempts: 5, backOffMs: 1000 }, device: { maxAttempts: 2, backOffMs: 100 }, backOffMaxMs: 3000 },
});

describe('retry', () => {
  it.each([
    [1, 1000, 4],
    [2, 2000, 3],
    [3, 3000, 2],
    [4, 3000, 1],
  ])('after %i failures of the link the wait is at most %i ms, and %i tries are left', (ofFamily, ceilingMs, left) => {
    const decision = decideRetry('link.lost', { all: ofFamily, ofFamily }, retry, 'd:1', 50);
    expect(decision).toMatchObject({ retry: true, ceilingMs, left });
  });

  it('ends when the family has used up its tries, when trying is of no use, and after all tries together', () => {
    const decide = (code: string, all: number, ofFamily?: number) =>
      decideRetry(code, { all, ...(ofFamily !== undefined && { ofFamily }) }, retry, 'd:1', 0);
    expect(decide('link.lost', 5, 5)).toEqual({ retry: false, because: 'family', blame: 'link', limit: 5 });
    // Failures of other families do not use up the tries of this one.
    expect(decide('target.busy', 5, 1)).toMatchObject({ retry: true, left: 1 });
    expect(decide('target.busy', 5, 2)).toMatchObject({ retry: false, because: 'family' });
    // Where the families were not counted apart, all count.
    expect(decide('target.busy', 5)).toMatchObject({ retry: false, because: 'family' });
    expect(decide('target.wrong-image-runs', 1, 1)).toMatchObject({ retry: false, because: 'recovery' });
    expect(decide('link.lost', MAX_TRIES, 1)).toEqual({
      retry: false,
      because: 'device',
      blame: 'link',
      limit: MAX_TRIES,
    });
    expect(decide('from.a.newer.agent', 1)).toMatchObject({ retry: true, left: 1 });
  });

  it('always ends, whatever the errors and the policy', () => {
    const rule = fc.record({
      maxAttempts: fc.integer({ min: 1, max: 20 }),
      backOffMs: fc.integer({ min: 0, max: 86_400_000 }),
    });
    const policy = fc.record({
      firmware: rule,
      device: rule,
      link: rule,
      gateway: rule,
      server: rule,
      operator: rule,
      backOffMaxMs: fc.integer({ min: 0, max: 86_400_000 }),
    });
    const codes = fc.array(fc.constantFrom(...ERROR_CODE_LIST, 'from.a.newer.agent'), { minLength: 30, maxLength: 30 });
    fc.assert(
      fc.property(policy, codes, fc.uuid(), (any, errors, id) => {
        const failed = new Map<string, number>();
        const ended = errors.findIndex((code, index) => {
          const { blame } = factsOfCode(code);
          failed.set(blame, (failed.get(blame) ?? 0) + 1);
          const decision = decideRetry(
            code,
            { all: index + 1, ofFamily: failed.get(blame)! },
            any,
            `${id}:${index}`,
            1000,
          );
          if (!decision.retry) return true;
          expect(decision.ceilingMs).toBeLessThanOrEqual(any.backOffMaxMs);
          expect(decision.atMs).toBeGreaterThanOrEqual(1000);
          expect(decision.atMs).toBeLessThanOrEqual(1000 + decision.ceilingMs);
          return false;
        });
        expect(ended).toBeGreaterThanOrEqual(0);
        expect(ended).toBeLessThan(MAX_TRIES);
      }),
    );
  });

  it('waits are spread evenly, and the same for the same try', () => {
    const waits = Array.from({ length: 4000 }, (_, n) =>
      nextTryAt('link.lost', { all: 3 }, retry, `device-${n}:3`, 0)!,
    );
    const tenths = Array.from(
      { length: 10 },
      (_, tenth) => waits.filter((wait) => Math.floor(wait / 300.1) === tenth).length,
    );
    // 400 expected in each; six standard deviations.
    for (const count of tenths) expect(Math.abs(count - 400)).toBeLessThan(6 * Math.sqrt(400 * 0.9));
    expect(nextTryAt('link.lost', { all: 3 }, retry, 'device-7:3', 0)).toBe(waits[7]);
    expect(nextTryAt('link.lost', { all: 3 }, retry, 'device-7:4', 0)).not.toBe(waits[7]);
  });

  it('the draw is the hash of the seed', () => {
    // SHA-256 of the empty text and of "abc" (FIPS 180-4 examples): e3b0c44298fc…, ba7816bf8f01….
    expect(unitOf('')).toBe(0xe3b0c44298fc / 2 ** 48);
    expect(unitOf('abc')).toBe(0xba7816bf8f01 / 2 ** 48);
  });
});

describe('timeouts of states (P8)', () => {
  const T = 1_000_000;
  const facts = (state: DeploymentState, fields: Partial<Parameters<typeof timeoutOf>[0]> = {}) => ({
    state,
    stateAtMs: T,
    startByMs: T + timeouts.startMs,
    finishByMs: T + 10_000_000,
    touchedAtMs: null,
    ...fields,
  });
  const overMs = T + 10_000_000 + CLOCK_MARGIN_MS;

  it('every state that is no end has one end, as the lifecycle names it', () => {
    for (const state of DEPLOYMENT_STATES) {
      const timeout = timeoutOf(facts(state), timeouts, T + 20_000_000);
      expect([state, timeout?.next]).toEqual([state, DEPLOYMENT_LIFECYCLE.deadlines[state]?.next]);
      if (!timeout) continue;
      expect(timeout.overAtMs).toBeGreaterThan(T);
      expect(mayMove(DEPLOYMENT_LIFECYCLE, state, timeout.next)).toBe(true);
      expect(actionDue(facts(state), timeouts, T + 20_000_000, T)).toBeUndefined();
      expect(actionDue(facts(state), timeouts, T + 20_000_000, timeout.overAtMs!)).toMatchObject({
        do: 'end',
        next: timeout.next,
      });
    }
  });

  it.each<[DeploymentState, number | null, string]>([
    ['granted', timeouts.startMs, 'watch'],
    ['downloading', timeouts.downloadMs, 'before-start'],
    ['transferring', timeouts.transferMs, 'safe-point'],
    ['activating', timeouts.activateMs, 'watch'],
    ['proving', timeouts.proveMs, 'watch'],
    ['cancelling', null, 'watch'],
    ['rescue', null, 'watch'],
  ])('%s is overdue after %s ms, then: %s', (state, limitMs, onOverdue) => {
    const overdueAtMs = limitMs === null ? null : T + limitMs + CLOCK_MARGIN_MS;
    expect(timeoutOf(facts(state), timeouts, null)).toMatchObject({ overdueAtMs, onOverdue });
    expect(isOverdue(facts(state), timeouts, (overdueAtMs ?? overMs) - 1)).toBe(false);
    if (overdueAtMs === null) return;
    expect(isOverdue(facts(state), timeouts, overdueAtMs)).toBe(true);
    const expected = onOverdue === 'watch' ? undefined : { do: 'cancel', mode: onOverdue };
    expect(actionDue(facts(state), timeouts, null, overdueAtMs)).toEqual(expected);
    // Once it is being cancelled, the cancellation is not asked for again.
    expect(actionDue(facts('cancelling'), timeouts, null, overdueAtMs)).toBeUndefined();
  });

  it('a transfer counts from the first touch; nothing live ends before its fence is over (P3)', () => {
    const touched = facts('transferring', { touchedAtMs: T - 60_000 });
    expect(timeoutOf(touched, timeouts, null)!.overdueAtMs).toBe(T - 60_000 + timeouts.transferMs + CLOCK_MARGIN_MS);
    for (const state of LIVE_DEPLOYMENT_STATES.filter((live) => live !== 'rescue')) {
      const before = actionDue(facts(state), timeouts, T, overMs - 1);
      expect([state, before?.do === 'end']).toEqual([state, false]);
      expect(actionDue(facts(state), timeouts, T, overMs)).toEqual({
        do: 'end',
        next: 'lost',
        code: 'deployment.lost',
      });
    }
  });
});
