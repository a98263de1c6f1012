/** An urgent campaign begins: what others may still start on its gateways is taken back. */
import { MAY_STILL_START_STATES } from '@drydock/contracts';
import { queryRows, type Queryable } from '../../adapters/database/rows.js';
import { lockGateways } from '../campaigns/deployment-rows.js';
import { bumpOrders } from './order-book.js';

/** Of campaigns that are not urgent; a device without an application keeps its rescue. */
const TAKEABLE = `dep.state = any($2) and dep.touched_at is null and not dep.needs_rescue and not dep.preempted
  and dep.campaign_id <> $1 and exists (
    select 1 from campaigns other where other.id = dep.campaign_id and not other.policy ? 'urgent')`;

/**
 * Orders without the grants go out at once; the devices are planned again when their gateways confirm it (P3).
 * @returns how many grants were taken back.
 */
export async function preemptOthers(tx: Queryable, campaignId: string): Promise<number> {
  const found = await queryRows<{ gateway_id: string }>(
    tx,
    `select distinct dep.gateway_id from deployments dep where ${TAKEABLE} and dep.gateway_id in (
       select dev.gateway_id from deployments own join devices dev on dev.id = own.device_id
       where own.campaign_id = $1 and own.state = 'planned')`,
    [campaignId, MAY_STILL_START_STATES],
  );
  const gateways = found.map((row) => row.gateway_id);
  if (gateways.length === 0) return 0;
  await lockGateways(tx, gateways);
  const taken = await queryRows<{ gateway_id: string }>(
    tx,
    `with chosen as (
       select dep.id from devices dev join deployments dep on dep.device_id = dev.id
       where ${TAKEABLE} and dep.gateway_id = any($3::uuid[]) order by dev.id for no key update of dev, dep)
     update deployments dep set preempted = true from chosen where dep.id = chosen.id returning dep.gateway_id`,
    [campaignId, MAY_STILL_START_STATES, gateways],
  );
  await bumpOrders(
    tx,
    taken.map((row) => row.gateway_id),
    true,
  );
  return taken.length;
}
