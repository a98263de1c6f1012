import { expect, it } from '@jest/globals';
import { applyReport, type AttemptReport, type ReportContext } from './apply-report.js';
import type { DeploymentFacts } from './deployment.js';

const GATEWAY = 'g1';
/** The third attempt of the second reign, as the gateway was given it. */
const facts = {
  state: 'granted',
  gatewayId: GATEWAY,
  reign: 2,
  attempt: 3,
  finishByMs: 1_000,
  needsRescue: false,
} as DeploymentFacts;
const context = { nowMs: 10, gatewayId: GATEWAY, epoch: 'e1', seq: 7 } as ReportContext;

// Numbers of attempts begin anew after a restore, so the reign belongs to the name (P3).
it.each([
  [2, 3, GATEWAY, 'applied', undefined],
  [2, 3, 'g2', 'refused', 'not-your-attempt'],
  [2, 2, GATEWAY, 'history', 'older-attempt'],
  [1, 3, GATEWAY, 'history', 'older-attempt'],
  [1, 9, GATEWAY, 'history', 'older-attempt'],
  [1, 3, 'g2', 'history', 'older-attempt'],
  [2, 4, GATEWAY, 'history', 'ahead'],
  [3, 1, GATEWAY, 'history', 'ahead'],
  [3, 3, GATEWAY, 'history', 'ahead'],
])('reign %i, attempt %i from %s: %s', (reign, attempt, gatewayId, disposition, note) => {
  const deployment = '11111111-1111-4111-8111-111111111111' as AttemptReport['ref']['deployment'];
  const report = { kind: 'downloading', seq: 7, atMs: 5, ref: { deployment, reign, attempt } } as AttemptReport;
  const effect = applyReport(facts, report, { ...context, gatewayId });
  expect(effect).toMatchObject({ disposition, ...(note !== undefined && { note }) });
  expect('ahead' in effect && effect.ahead === true).toBe(note === 'ahead');
});
