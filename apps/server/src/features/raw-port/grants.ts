/** What the database says about a raw port: whether a tool may wait for it, whether an agent may bring it. */
import type { AttemptRef } from '@drydock/contracts';
import { queryRows, type Queryable } from '../../adapters/database/rows.js';
import { ProblemError } from '../../http/problem-error.js';
import { msOf } from '../campaigns/deployment-rows.js';

export interface RawPortFacts {
  readonly orgId: string;
  readonly campaignId: string;
  readonly deviceId: string;
  readonly gatewayId: string | null;
  readonly gateway: string;
  /** The tool's time. */
  readonly limitMs: number;
  /** Until nothing may be written any more, from now. */
  readonly leftMs: number;
}

interface Row {
  org_id: string;
  campaign_id: string;
  device_id: string;
  gateway_id: string | null;
  gateway: string | null;
  state: string;
  campaign_state: string;
  is_touched: boolean;
  minutes: number;
  left_ms: number | null;
  is_asked_for: boolean;
  is_granting: boolean;
}

/** States in which a tool may come and wait; it is given its port in the next attempt. */
const BEFORE_TOUCH = ['planned', 'granted', 'downloading', 'rescue'];
const RUNNING = ['granted', 'downloading', 'transferring'];

async function read(tx: Queryable, deployment: string, ref?: AttemptRef): Promise<Row | undefined> {
  const [row] = await queryRows<Row>(
    tx,
    `select camp.org_id, dep.campaign_id, dep.device_id, dep.gateway_id, gw.name as gateway, dep.state,
       camp.state as campaign_state, dep.touched_at is not null as is_touched,
       (camp.policy->'vendorTool'->>'minutes')::float8 as minutes,
       ${msOf('dep.finish_by')} - ${msOf('clock_timestamp()')} as left_ms,
       coalesce(dep.reign = $2 and dep.attempt = $3, false) as is_asked_for,
       dep.cancel_mode is null and not dep.preempted
         and (camp.state = 'running' or dep.needs_rescue or dep.touched_at is not null) as is_granting
     from deployments dep join campaigns camp on camp.id = dep.campaign_id
       left join gateways gw on gw.id = dep.gateway_id
     where dep.id = $1 and camp.policy->'vendorTool' is not null`,
    [deployment, ref?.reign ?? null, ref?.attempt ?? null],
  );
  return row;
}

const factsOf = (row: Row): RawPortFacts => ({
  orgId: row.org_id,
  campaignId: row.campaign_id,
  deviceId: row.device_id,
  gatewayId: row.gateway_id,
  gateway: row.gateway ?? '',
  limitMs: row.minutes * 60_000,
  leftMs: row.left_ms ?? 0,
});

const notFound = (id: string): ProblemError =>
  new ProblemError('request.not-found', { what: 'deployment with a raw port', id });

/** @throws ProblemError `request.not-found`, `request.conflict` */
export async function requireForTool(tx: Queryable, deployment: string, orgId: string): Promise<RawPortFacts> {
  const row = await read(tx, deployment);
  if (!row || row.org_id !== orgId) throw notFound(deployment);
  if (['draft', 'completed', 'aborting', 'aborted'].includes(row.campaign_state)) {
    throw new ProblemError('request.conflict', { detail: `its campaign is ${row.campaign_state}` });
  }
  if (!BEFORE_TOUCH.includes(row.state)) {
    throw new ProblemError('request.conflict', { detail: `the deployment is ${row.state}` });
  }
  return factsOf(row);
}

/**
 * The agent brings the port of an attempt that it holds and has not touched the device in.
 * @throws ProblemError `request.not-found` when it is none of its own, `request.conflict` when it is over
 */
export async function requireForAgent(tx: Queryable, ref: AttemptRef, gatewayId: string): Promise<RawPortFacts> {
  const row = await read(tx, ref.deployment, ref);
  if (!row || row.gateway_id !== gatewayId) throw notFound(ref.deployment);
  const isOpen = row.is_asked_for && row.is_granting && !row.is_touched && RUNNING.includes(row.state);
  if (!isOpen || (row.left_ms ?? 0) <= 0) {
    throw new ProblemError('request.conflict', { detail: `this attempt is not open; the deployment is ${row.state}` });
  }
  return factsOf(row);
}

/** Whether a session that runs may go on. */
export async function isStillGranted(tx: Queryable, ref: AttemptRef): Promise<boolean> {
  const row = await read(tx, ref.deployment, ref);
  return row !== undefined && row.is_asked_for && row.is_granting && RUNNING.includes(row.state);
}
