/**
 * What the brake counts, one row per trial and test. Marks are written in the transaction of their cause and stay: a
 * device that failed once has failed, whatever a retry does (methods, section 1.4).
 */
import { ERROR_CODES, isErrorCode, type Blame } from '@drydock/contracts';
import { queryRows, type Queryable } from '../../adapters/database/rows.js';
import { countEvent, type TrialEvent } from '../../domain/brake/index.js';
import { isEnd, type DeploymentFacts } from '../../domain/deployment/deployment.js';
import type { AttemptPatch } from '../../domain/deployment/apply-report.js';
import { timeOf } from '../campaigns/deployment-rows.js';

export type BrakeTestName = 'firmware' | 'transport' | 'overdue' | 'any';

interface Change {
  readonly before: DeploymentFacts;
  readonly next: DeploymentFacts;
  readonly attempt?: AttemptPatch | undefined;
}

/** What a change of a deployment means to the brake; undefined: nothing new. `lost` is judged by {@link markSilent}. */
export function trialEventOf({ before, next, attempt }: Change): TrialEvent | undefined {
  if (next.state === 'reverted' && before.state !== 'reverted') return { kind: 'reverted' };
  if (attempt?.ended?.outcome === 'failed') {
    return { kind: 'failed', blame: blameOf(attempt.ended.code), attemptsLeft: !isEnd(next.state) };
  }
  return undefined;
}

function blameOf(code: string | null): Blame {
  return code !== null && isErrorCode(code) ? ERROR_CODES[code].blame : 'device';
}

/** Marks what the changes say. A trial that was never granted has no ordinal and is none. */
export async function markFailures(tx: Queryable, changes: readonly Change[]): Promise<void> {
  const marks = changes.flatMap((change) => {
    const event = trialEventOf(change);
    if (!event) return [];
    const counts = countEvent(event);
    const tests: BrakeTestName[] = [];
    if (counts.firmware > 0) tests.push('firmware');
    if (counts.transport > 0) tests.push('transport');
    if (counts.place > 0) tests.push('any');
    const gateway = change.before.gatewayId;
    const code = change.attempt?.ended?.code ?? (change.next.state === 'reverted' ? 'target.reverted' : null);
    const { id, reign, attempt } = change.before;
    return tests.map((test) => ({ id, reign, attempt, test, gateway, code }));
  });
  if (marks.length === 0) return;
  await queryRows(
    tx,
    `insert into brake_marks (campaign_id, test, deployment_id, ordinal, stratum_idx, stratum_ordinal, gateway_id, site_id, code,
       gateway_rank, site_rank)
     select dep.campaign_id, x.test, dep.id, dep.ordinal, dep.stratum_idx, coalesce(dep.stratum_ordinal, 1), x.gateway,
       dep.site_id, x.code, att.gateway_rank, att.site_rank
     from jsonb_to_recordset($1::jsonb) as x(id uuid, reign bigint, attempt int, test text, gateway uuid, code text)
       join deployments dep on dep.id = x.id
       left join attempts att on att.deployment_id = x.id and att.reign = x.reign and att.attempt = x.attempt
     where dep.ordinal is not null
     on conflict do nothing`,
    [JSON.stringify(marks)],
  );
}

/** An agent repeats a batch that nobody acknowledged after 30 s: by then it has said what it knew when it was heard again. */
const BACKLOG_MS = 35_000;

/**
 * Marks what only silence tells: devices at risk that are not proven in time (`overdue`), and lost ones whose gateway was
 * heard since (they vanished; a silent gateway says nothing of the firmware). After servers or the uplink were away, the
 * first word of a gateway comes before what it has to tell: a device is overdue only where reports were taken after its
 * time was up, or where the gateway, heard of otherwise, had the time to send them.
 */
export async function markSilent(
  tx: Queryable,
  campaign: { readonly id: string; readonly nowMs: number; readonly overdueMs: number },
): Promise<void> {
  await queryRows(
    tx,
    `with risk as materialized (
       select dep.*, greatest(gw.last_seen_at, told.at) > dep.at_risk_at as gateway_heard,
         greatest(told.at, gw.last_seen_at - interval '${BACKLOG_MS} milliseconds')
           > dep.at_risk_at + $3::float8 * interval '1 millisecond' as gateway_told
       from deployments dep left join gateways gw on gw.id = dep.gateway_id
         left join lateral (select max(c.last_at) as at from report_cursors c where c.gateway_id = dep.gateway_id) told on true
       where dep.campaign_id = $1 and dep.at_risk and dep.ordinal is not null
         and dep.state in ('planned', 'granted', 'downloading', 'transferring', 'activating', 'proving', 'cancelling',
           'rescue', 'lost'))
     insert into brake_marks (campaign_id, test, deployment_id, ordinal, stratum_idx, stratum_ordinal, gateway_id, site_id, code,
       gateway_rank, site_rank)
     select risk.campaign_id, t.test, risk.id, risk.ordinal, risk.stratum_idx, coalesce(risk.stratum_ordinal, 1),
       risk.gateway_id, risk.site_id, case when risk.state = 'lost' then 'deployment.lost' end,
       att.gateway_rank, att.site_rank
     from risk
       left join attempts att on att.deployment_id = risk.id and att.reign = risk.reign and att.attempt = risk.attempt
       cross join (values ('overdue'), ('firmware'), ('any')) as t(test)
     where risk.gateway_heard and (
         (t.test = 'overdue' and risk.gateway_told and risk.at_risk_at < ${timeOf('($2::float8 - $3::float8)')})
         or (t.test <> 'overdue' and risk.state = 'lost'))
       and not exists (select 1 from brake_marks k
         where k.campaign_id = risk.campaign_id and k.test = t.test and k.deployment_id = risk.id)
     on conflict do nothing`,
    [campaign.id, campaign.nowMs, campaign.overdueMs],
  );
}
