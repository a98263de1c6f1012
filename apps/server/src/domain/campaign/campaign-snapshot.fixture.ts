/** For the specs of the campaign rules: snapshots as the engine sees them. */
import { Policy, type DeploymentState } from '@drydock/contracts';
import { sumsOf } from '../sums/sums.js';
import { decide, type CampaignSnapshot, type StageSnapshot } from './decide.js';

export const NOW = 1_000_000;
export const POLICY = Policy.parse({
  stages: [
    { name: 'canary', percent: 10, gate: { minKnown: 2, maxFailureShare: 0.2, soakMs: 1000 }, deadlineMs: 60_000 },
    { name: 'rest', percent: 90 },
  ],
});
export type Counts = Partial<Record<DeploymentState, number>>;
export const sums = (counts: Counts, suspect = 0) => sumsOf(counts, { suspect }, { acceptUnproven: false });
export const stage = (
  index: number,
  state: StageSnapshot['state'],
  counts: Counts,
  fields: Partial<StageSnapshot> = {},
) => ({
  index,
  state,
  deadlineAtMs: state === 'pending' ? null : NOW + 60_000,
  soakUntilMs: null,
  forgiven: 0,
  sums: sums(counts),
  approved: false,
  untriedStrata: [],
  ...fields,
});
export const snapshot = (stages: StageSnapshot[], fields: Partial<CampaignSnapshot> = {}): CampaignSnapshot => ({
  state: 'running',
  policy: POLICY,
  deadlineAtMs: null,
  stages,
  holding: 0,
  startAtMs: null,
  inFlightMax: 200,
  startTokens: 600,
  nextTokenMs: NOW + 5_000,
  brakes: { amber: false, halt: null, strata: [], quarantine: [] },
  settlingUntilMs: null,
  blobPresent: true,
  nextDueMs: null,
  ...fields,
});
export const kinds = (taken: CampaignSnapshot) => decide(taken, NOW).map((decision) => decision.kind);
