import { expect, it } from '@jest/globals';
import type { Campaign, GateLine } from '@drydock/contracts';
import { nextDecision } from './next-decision.js';

const NOW = Date.parse('2026-11-26T13:00:00Z');
type Stage = Campaign['stages'][number];
const known: GateLine = { rule: 'known', have: 1795, need: 2300, state: 'counting' } as GateLine;
const soak = (until: string | null): GateLine => ({ rule: 'soak', need: 6, state: 'counting', until }) as GateLine;
const approval: GateLine = { rule: 'approval', need: 1, names: [], state: 'counting' } as unknown as GateLine;

function words(state: Campaign['state'], stage: Partial<Stage>, more: Partial<Campaign> = {}): string | undefined {
  const stages = [
    { index: 0, state: 'passed' },
    { index: 2, state: 'open', gateLines: [], ...stage },
  ] as Stage[];
  return nextDecision({ state, stages, startAt: null, ends: null, ...more }, '2026-11-26T12:08:00Z', NOW);
}

it('says until when nothing is decided: by a number, by a time, by a person', () => {
  expect(words('running', { gateLines: [known, soak(null)] })).toMatch(
    /^Nothing decided since \d\d:08; next possible: gate of stage 3 at 2.300 finished \(1.795 now\)\.$/,
  );
  expect(words('running', { state: 'soaking', gateLines: [known, soak('2026-11-26T13:15:00Z')] })).toMatch(
    /gate of stage 3 when its soak ends, \d\d:15\.$/,
  );
  expect(words('running', { state: 'held', gateLines: [known] })).toMatch(/a person approves the gate of stage 3\.$/);
  expect(words('running', { gateLines: [approval] })).toMatch(/a person approves the gate of stage 3\.$/);
  expect(words('paused', {})).toMatch(/a person resumes it\.$/);
});

it('of the last stage the end of the campaign; of one that is over, nothing', () => {
  expect(words('running', {}, { ends: { p10: null, p50: '2026-11-26T14:20:00Z', p90: null } })).toMatch(
    /the end of the campaign, about \d\d:20\.$/,
  );
  expect(words('running', {})).toMatch(/the end of the campaign\.$/);
  expect(words('completed', {})).toBeUndefined();
  expect(words('draft', {})).toBeUndefined();
});
