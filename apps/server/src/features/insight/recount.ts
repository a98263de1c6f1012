/** P10: counters equal a recount, always. One statement, so that both sides are of the same moment. */
import type { Recount } from '@drydock/contracts';
import { HOLDING_DEPLOYMENT_STATES } from '@drydock/contracts';
import { queryRows, type Queryable } from '../../adapters/database/rows.js';

/**
 * Every counter that differs from what it counts.
 * @param campaignId one campaign; all of them, and the gateways' slots, when left out.
 */
export async function recount(tx: Queryable, campaignId?: string): Promise<Recount> {
  const differences = await queryRows<{ counter: string; counted: number; recounted: number }>(
    tx,
    `with states as (
       select campaign_id, stage_idx, state, count(*) as n from deployments
       where $1::uuid is null or campaign_id = $1 group by 1, 2, 3),
     counted as (select * from campaign_counters where $1::uuid is null or campaign_id = $1),
     failures as (
       select campaign_id, code, count(*) as n from attempts
       where outcome = 'failed' and code is not null and ($1::uuid is null or campaign_id = $1) group by 1, 2),
     failed as (select * from failure_counters where $1::uuid is null or campaign_id = $1),
     slots as (
       select gateway_id, count(*) as n from deployments where state = any($2) and gateway_id is not null group by 1)
     select * from (
       select format('campaign %s stage %s %s', coalesce(c.campaign_id, s.campaign_id), coalesce(c.stage_idx, s.stage_idx),
           coalesce(c.state, s.state)) as counter,
         coalesce(c.n, 0)::float8 as counted, coalesce(s.n, 0)::float8 as recounted
       from counted c full join states s using (campaign_id, stage_idx, state)
       union all
       select format('campaign %s failures %s', coalesce(c.campaign_id, f.campaign_id), coalesce(c.code, f.code)),
         coalesce(c.n, 0)::float8, coalesce(f.n, 0)::float8
       from failed c full join failures f using (campaign_id, code)
       union all
       select format('gateway %s in flight', g.id), g.in_flight::float8, coalesce(s.n, 0)::float8
       from gateways g left join slots s on s.gateway_id = g.id where $1::uuid is null
     ) all_counters where counted <> recounted order by counter limit 1000`,
    [campaignId ?? null, HOLDING_DEPLOYMENT_STATES],
  );
  return { equal: differences.length === 0, differences };
}
