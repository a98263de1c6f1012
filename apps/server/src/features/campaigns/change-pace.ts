/** Pace and limits of a campaign that is under way. What people approved bounds it: below that it may be changed freely. */
import { Policy, type ChangePace } from '@drydock/contracts';
import type { EntityManager } from 'typeorm';
import { queryRows } from '../../adapters/database/rows.js';
import { checkReach } from '../../domain/campaign/check-policy.js';
import { diffPlans, type Json, type PlanLine } from '../../domain/campaign/plan-diff.js';
import { ProblemError } from '../../http/problem-error.js';
import { expectRevision } from '../../http/revision.js';
import type { Actor } from '../access/actor.js';
import type { CampaignRow } from '../dispatch/campaign-row.js';
import { neededApprovals } from './approvals.js';
import { approvedPolicy, keepPlan } from './plan-versions.js';

const CHANGEABLE: readonly CampaignRow['state'][] = ['scheduled', 'running', 'paused', 'halted'];

/**
 * Writes the new pace and limits; the engine goes by them from its next look on. Grants that were given stay.
 * @param campaign locked by the caller. @param expected the revision that the person saw.
 * @returns what was changed, a line for each field; empty where it is the same.
 * @throws ProblemError `campaign.state`, `request.stale`, `campaign.policy`; `request.conflict` where it would be looser than
 *   what was approved.
 */
export async function changePace(
  tx: EntityManager,
  actor: Actor,
  campaign: CampaignRow,
  { pace, limits }: ChangePace,
  expected: number | undefined,
): Promise<PlanLine[]> {
  if (!CHANGEABLE.includes(campaign.state)) {
    throw new ProblemError('campaign.state', { actual: campaign.state, wanted: 'changed in its pace' });
  }
  expectRevision(campaign.revision, expected);
  const policy = { ...campaign.policy, pace, limits };
  const faults = checkReach(policy);
  if (faults.length > 0) throw new ProblemError('campaign.policy', { detail: faults[0]!.message }, faults);
  const lines = diffPlans(steering(campaign.policy), steering(policy));
  if (lines.length === 0) return [];
  if (neededApprovals(campaign.policy) > 0) {
    const approved = await approvedPolicy(tx, campaign.id);
    // What a resume let through since is not taken back by slowing down: only what this change itself loosens counts.
    const loosened = new Set(lines.filter((line) => line.looser === true).map((line) => line.path));
    const looser = diffPlans(
      steering(approved === undefined ? campaign.policy : Policy.parse(approved)),
      steering(policy),
    ).filter((line) => line.looser === true && loosened.has(line.path));
    if (looser.length > 0) {
      throw new ProblemError(
        'request.conflict',
        { detail: 'it would be looser than the plan that was approved; stay within it, or make a campaign of its own' },
        looser.map((line) => ({
          path: line.path.replace(/^policy\./, ''),
          message: `Approved: ${JSON.stringify(line.from)}. Asked for: ${JSON.stringify(line.to)}.`,
        })),
      );
    }
  }
  await queryRows(
    tx,
    `update campaigns set policy = policy || jsonb_build_object('pace', $2::jsonb, 'limits', $3::jsonb),
       revision = revision + 1, dirty = true, wake_at = clock_timestamp() where id = $1`,
    [campaign.id, JSON.stringify(pace), JSON.stringify(limits)],
  );
  await keepPlan(tx, campaign.id, actor, true);
  return lines;
}

function steering({ pace, limits }: Pick<Policy, 'pace' | 'limits'>): Json {
  return JSON.parse(JSON.stringify({ policy: { pace, limits } })) as Json;
}
