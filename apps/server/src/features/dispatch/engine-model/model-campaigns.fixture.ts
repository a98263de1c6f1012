/** For the engine's model test: what is drafted at the beginning of every history. */
import { Artifact, CreatedApiToken, Person, type Campaign } from '@drydock/contracts';
import type { TestServer } from '../../../testing.js';
import { call, freshName } from '../../fleet/fleet.fixture.js';
import { draftOf, makeCampaign, uploadArtifact } from '../../reports/scripted-gateway.fixture.js';

export type Kind = 'a' | 'b';
export interface ModelCampaign {
  readonly id: string;
  readonly kind: Kind;
  readonly artifact: Artifact;
}

/**
 * In this order: A with a canary that wants soak and approval; B in halves; C, another file for the devices of A, with less
 * room than gateways; U, an urgent patch for those of B. A and B are begun by every history, C and U by some.
 * @returns them, and two people who may approve U.
 */
export async function draftCampaigns(
  http: TestServer,
  models: Record<Kind, string>,
): Promise<{ campaigns: ModelCampaign[]; approvers: string[] }> {
  const all = { name: 'all', gate: { minKnown: 1, maxFailureShare: 1 } };
  const made: ModelCampaign[] = [];
  const draft = async (kind: Kind, stages: object[], limits: object, more: object = {}): Promise<void> => {
    const artifact = await uploadArtifact(http, models[kind]);
    const campaign: Campaign = await makeCampaign(http, draftOf(artifact, { ...policyOf(stages, limits), ...more }));
    made.push({ id: campaign.id, kind, artifact });
  };
  await draft(
    'a',
    [{ name: 'first', count: 1, gate: { minKnown: 1, maxFailureShare: 0.5, soakMs: 60_000, approval: true } }, all],
    { inFlight: 3, firstInFlight: 1, perGateway: 2 },
  );
  await draft(
    'b',
    [
      { name: 'half', percent: 50, gate: { minKnown: 1, maxFailureShare: 0.4 } },
      { ...all, name: 'rest', percent: 50 },
    ],
    { inFlight: 4, firstInFlight: 3, perGateway: 2 },
  );
  await draft('a', [all], { inFlight: 4, firstInFlight: 1, perGateway: 2 });
  const cve = 'CVE-2026-10001';
  await call(http, 'POST', '/api/v1/advisories', {
    body: { cve, title: 'Overflow', severity: 'critical', models: [{ model: models.b, affected: '<9.0.0' }] },
  });
  await draft('b', [all], { inFlight: 2, firstInFlight: 1, perGateway: 2 }, { urgent: { advisory: cve } });
  return { campaigns: made, approvers: [await approver(http), await approver(http)] };
}

async function approver(http: TestServer): Promise<string> {
  const body = { name: freshName('who'), roles: ['approver'] };
  const person = (await call(http, 'POST', '/api/v1/people', { body })).json(Person);
  const answer = await call(http, 'POST', `/api/v1/people/${person.id}/tokens`, { body: { name: 'x' } });
  return answer.json(CreatedApiToken).token;
}

function policyOf(stages: object[], limits: object): Record<string, unknown> {
  const often = { maxAttempts: 20, backOffMs: 5_000 };
  return {
    stages: stages.map((stage) => ({ ...stage, deadlineMs: 2 * 3_600_000 })),
    timeouts: { startMs: 60_000, downloadMs: 60_000, transferMs: 90_000, activateMs: 60_000, proveMs: 60_000 },
    retry: {
      firmware: often,
      device: often,
      link: often,
      gateway: often,
      server: often,
      operator: often,
      backOffMaxMs: 20_000,
    },
    pace: { kind: 'ramp', startPerMinute: 1000, maxPerMinute: 1000 },
    limits,
    allowDowngrade: true,
  };
}
