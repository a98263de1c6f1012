/** P8: what takes longer than the policy allows is called back where it still can be; its end stays the gateway's to say. */
import { queryRows, type Queryable } from '../../adapters/database/rows.js';
import { CLOCK_MARGIN_MS } from '../../domain/clock-margin.js';
import { moveTo } from '../../domain/deployment/deployment.js';
import { actionDue, OVERDUE } from '../../domain/deployment/state-timeouts.js';
import { lockWhere, timeOf } from '../campaigns/deployment-rows.js';
import { writeDeployments, type DeploymentChange } from '../campaigns/deployment-writer.js';
import type { CampaignRow } from './campaign-row.js';
import { bumpOrders } from './order-book.js';

/** The states that a cancellation can reach (`timeoutOf`), with the policy's time for each. */
const WAITING = `dep.campaign_id = $1 and (
  (dep.state = 'downloading' and dep.state_at < ${timeOf('($2::float8 - $3::float8)')})
  or (dep.state = 'transferring' and coalesce(dep.touched_at, dep.state_at) < ${timeOf('($2::float8 - $4::float8)')}))`;

/** @returns whether orders are due: a cancellation names each attempt, and ends none (P3). */
export async function callBackOverdue(
  tx: Queryable,
  campaign: CampaignRow,
  say: (kind: string, params: Record<string, unknown>) => Promise<void>,
): Promise<boolean> {
  const { timeouts } = campaign.policy;
  const params = [campaign.id, campaign.nowMs - CLOCK_MARGIN_MS, timeouts.downloadMs, timeouts.transferMs];
  // Counted, not "limit 1": where nothing is late, a plan that hopes for an early row reads the whole campaign.
  const [due] = await queryRows<{ n: number }>(
    tx,
    `select count(*)::int as n from deployments dep where ${WAITING}`,
    params,
  );
  if (due!.n === 0) return false;
  const late = await lockWhere(tx, WAITING, params);
  const changes = late.flatMap(({ facts }): DeploymentChange[] => {
    const action = actionDue(facts, timeouts, campaign.deadlineAtMs, campaign.nowMs);
    const next = action?.do === 'cancel' ? moveTo(facts, 'cancelling', campaign.nowMs) : undefined;
    if (action?.do !== 'cancel' || !next) return [];
    return [{ before: facts, next: { ...next, cancelMode: action.mode, outcomeReason: OVERDUE } }];
  });
  if (changes.length === 0) return false;
  await writeDeployments(tx, changes);
  await bumpOrders(
    tx,
    changes.flatMap(({ before }) => (before.gatewayId === null ? [] : [before.gatewayId])),
    true,
  );
  const of = (state: string): number => changes.filter(({ before }) => before.state === state).length;
  await say('deployments.overdue', { downloading: of('downloading'), transferring: of('transferring') });
  return true;
}
