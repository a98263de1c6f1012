/** What the brake does to parts of a campaign: strata that stop, gateways and sites that are quarantined and probed. */
import { HOLDING_DEPLOYMENT_STATES } from '@drydock/contracts';
import { queryRows, type Queryable } from '../../adapters/database/rows.js';
import type { Decision } from '../../domain/campaign/decide.js';
import { timeOf } from '../campaigns/deployment-rows.js';
import type { CampaignRow } from './campaign-row.js';
import { bumpOrders } from './order-book.js';

type Say = (kind: string, params: Record<string, unknown>) => Promise<void>;

/** First look at a quarantined gateway; doubles with each that fails. */
const PROBE_AFTER_MS = 15 * 60_000;
const LONGEST_PROBE_MS = 24 * 3_600_000;

/** Grants that have not started are taken back: an order without them; what runs goes on, what failed stays counted. */
export async function applyFinding(
  tx: Queryable,
  campaign: CampaignRow,
  decision: Extract<Decision, { kind: 'stop-stratum' | 'quarantine' }>,
  say: Say,
): Promise<void> {
  if (decision.kind === 'stop-stratum') {
    const [stopped] = await queryRows<{ version: string }>(
      tx,
      `update campaign_strata set stopped_at = clock_timestamp(), stopped_note = $3
       where campaign_id = $1 and idx = $2 and stopped_at is null returning version`,
      [campaign.id, decision.stratum, decision.note],
    );
    if (!stopped) return;
    await takeBack(tx, campaign.id, 'dep.stratum_idx = $2', decision.stratum);
    await say('stratum.stopped', { version: stopped.version, note: decision.note });
    return;
  }
  const { kind, refId, note, evidence } = decision.found;
  const made = await queryRows(
    tx,
    `insert into campaign_quarantines (campaign_id, kind, ref_id, note, evidence, from_ordinal, probe_at)
     values ($1, $2, $3, $4, $5, $6, ${timeOf('$7::float8')}) on conflict do nothing returning id`,
    [
      campaign.id,
      kind,
      refId,
      note,
      JSON.stringify(evidence),
      campaign.nextOrdinal - 1,
      campaign.nowMs + PROBE_AFTER_MS,
    ],
  );
  if (made.length === 0) return;
  await takeBack(tx, campaign.id, `dep.${kind}_id = $2`, refId);
  await say(`${kind}.quarantined`, { [kind]: refId, note, evidence });
}

async function takeBack(tx: Queryable, campaignId: string, condition: string, value: unknown): Promise<void> {
  const gateways = await queryRows<{ gateway_id: string }>(
    tx,
    `with taken as (
       update deployments dep set preempted = true
       where dep.campaign_id = $1 and ${condition} and dep.state = any($3) and dep.touched_at is null
         and not dep.needs_rescue and dep.gateway_id is not null
       returning dep.gateway_id)
     select distinct gateway_id from taken`,
    [campaignId, value, HOLDING_DEPLOYMENT_STATES],
  );
  await bumpOrders(
    tx,
    gateways.map((row) => row.gateway_id),
    true,
  );
}

/** Strata of which none was in the first stage are open once one of them is proven. */
export async function openStrata(tx: Queryable, campaignId: string): Promise<void> {
  await queryRows(
    tx,
    `update campaign_strata s set opened_at = clock_timestamp()
     where s.campaign_id = $1 and s.in_first_stage = 0 and s.opened_at is null and s.tried > 0 and exists (
       select 1 from deployments d where d.campaign_id = s.campaign_id and d.stratum_idx = s.idx
         and d.stratum_ordinal is not null and d.state = 'proven')`,
    [campaignId],
  );
}

/**
 * One device is tried again after each back-off: proven, the quarantine ends; anything else doubles the back-off.
 * @returns whether something was lifted.
 */
export async function probeQuarantines(tx: Queryable, campaign: CampaignRow, say: Say): Promise<boolean> {
  if (campaign.state !== 'running') return false;
  const ended = await queryRows<{ id: string; kind: string; ref_id: string; state: string; probes: number }>(
    tx,
    `select q.id, q.kind, q.ref_id, d.state, q.probes from campaign_quarantines q
       join deployments d on d.id = q.probe_deployment_id
     where q.campaign_id = $1 and q.lifted_at is null
       and d.state in ('proven', 'unproven', 'failed', 'reverted', 'cancelled', 'skipped', 'lost', 'planned', 'rescue')
       and (d.state <> 'planned' or d.tries > 0 or d.not_before is not null)`,
    [campaign.id],
  );
  for (const probe of ended) {
    const proven = probe.state === 'proven';
    const waitMs = Math.min(LONGEST_PROBE_MS, PROBE_AFTER_MS * 2 ** (probe.probes + 1));
    await queryRows(
      tx,
      `update campaign_quarantines set probes = probes + 1, probe_deployment_id = null,
         lifted_at = case when $2 then clock_timestamp() end, lifted_by = case when $2 then 'engine' end,
         from_ordinal = case when $2 then $4::bigint else from_ordinal end,
         probe_at = case when $2 then null else ${timeOf('$3::float8')} end
       where id = $1`,
      [probe.id, proven, campaign.nowMs + waitMs, campaign.nextOrdinal - 1],
    );
    await say(proven ? `${probe.kind}.quarantine-lifted` : `${probe.kind}.probe-failed`, {
      [probe.kind]: probe.ref_id,
      result: probe.state,
    });
  }
  const chosen = await queryRows<{ kind: string; ref_id: string }>(
    tx,
    `update campaign_quarantines q set probe_deployment_id = p.id
     from campaign_quarantines w cross join lateral (
       select dep.id from deployments dep join devices dev on dev.id = dep.device_id
       where dep.campaign_id = w.campaign_id and dep.state = 'planned'
         and case w.kind when 'gateway' then dev.gateway_id = w.ref_id else dev.site_id = w.ref_id end
         and (dep.not_before is null or dep.not_before <= ${timeOf('$2::float8')})
       order by dep.stage_idx, dep.position limit 1) p
     where q.id = w.id and w.campaign_id = $1 and w.lifted_at is null and w.probe_deployment_id is null
       and w.probe_at <= ${timeOf('$2::float8')}
     returning q.kind, q.ref_id`,
    [campaign.id, campaign.nowMs],
  );
  for (const { kind, ref_id } of chosen) await say(`${kind}.probe`, { [kind]: ref_id });
  return ended.length > 0;
}
