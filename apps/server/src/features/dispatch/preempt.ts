/** What others may still start where an urgent campaign's devices wait is taken back: at its start, and at each look. */
import { MAY_STILL_START_STATES } from '@drydock/contracts';
import { queryRows, type Queryable } from '../../adapters/database/rows.js';
import { groupIsShut } from '../../domain/candidate/rules.js';
import { lockGateways } from '../campaigns/deployment-rows.js';
import { bumpOrders } from './order-book.js';

/** Of campaigns that are not urgent; a device without an application keeps its rescue. */
const TAKEABLE = `dep.state = any($2) and dep.touched_at is null and not dep.needs_rescue and not dep.preempted
  and dep.campaign_id <> $1 and exists (
    select 1 from campaigns other where other.id = dep.campaign_id and not other.policy ? 'urgent')`;

/** A device that waits for its redundancy group takes nobody's place at its gateway but its partners' own. */
const STANDS_BEFORE = `(dep.gateway_id in (select gateway_id from waiting where shut_group is null)
  or dep.device_id in (select id from waiting)
  or exists (select 1 from waiting w join devices mate on mate.redundancy_group_id = w.shut_group
    where mate.id = dep.device_id and w.gateway_id = dep.gateway_id))`;

/** Its own devices that wait: at the start all; later those of open stages, unless somebody keeps them from it. */
const WAITING = {
  all: `own.campaign_id = $1 and own.state = 'planned'`,
  open: `own.campaign_id = $1 and own.state = 'planned' and dev.state = 'active' and dev.approved and dev.hold_note is null
    and exists (select 1 from campaign_stages s where s.campaign_id = own.campaign_id and s.idx = own.stage_idx
      and s.state in ('open', 'soaking', 'passed'))`,
} as const;

/** At the start a place is made for all; what others are given afterwards where nothing can start yet stays theirs. */
const SHUT_GROUP = {
  all: `null::uuid`,
  open: `case when ${groupIsShut('dev')} then dev.redundancy_group_id end`,
} as const;

/**
 * Orders without the grants go out at once; the devices are planned again when their gateways confirm it (P3). Taken is
 * what lies at a gateway of a device that waits, and what holds such a device itself, wherever it was seen before.
 * @param whose `open` for a campaign under way: stages that open, members that join, grants that another look was just
 *   giving while the campaign began.
 * @returns how many grants were taken back.
 */
export async function preemptOthers(tx: Queryable, campaignId: string, whose: 'all' | 'open'): Promise<number> {
  const waiting = `waiting as materialized (
    select distinct dev.id, dev.gateway_id, ${SHUT_GROUP[whose]} as shut_group
    from deployments own join devices dev on dev.id = own.device_id
    where ${WAITING[whose]})`;
  const found = await queryRows<{ gateway_id: string }>(
    tx,
    `with ${waiting} select distinct dep.gateway_id from deployments dep where ${TAKEABLE} and ${STANDS_BEFORE}`,
    [campaignId, MAY_STILL_START_STATES],
  );
  const gateways = found.map((row) => row.gateway_id);
  if (gateways.length === 0) return 0;
  await lockGateways(tx, gateways);
  const taken = await queryRows<{ gateway_id: string }>(
    tx,
    `with ${waiting}, chosen as (
       select dep.id from devices dev join deployments dep on dep.device_id = dev.id
       where ${TAKEABLE} and dep.gateway_id = any($3::uuid[]) and ${STANDS_BEFORE} order by dev.id for no key update of dev, dep)
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

/** What others were granted since an urgent campaign began; its number grows with it. @returns how many. */
export async function preemptSince(tx: Queryable, campaignId: string): Promise<number> {
  const running = await queryRows(tx, `select 1 from campaigns where id = $1 and state = 'running'`, [campaignId]);
  const count = running.length > 0 ? await preemptOthers(tx, campaignId, 'open') : 0;
  if (count > 0) {
    await queryRows(tx, 'update campaigns set preempted = coalesce(preempted, 0) + $2 where id = $1', [
      campaignId,
      count,
    ]);
  }
  return count;
}
