/**
 * Deployments in Postgres: read with their locks, written as sets.
 *
 * Every transaction that changes deployments takes its locks in this order, so that none waits for another in a
 * circle: campaign (the tick and people's actions only), gateways by id, devices by id with their deployments,
 * orders, counters.
 */
import type { Queryable } from '../../adapters/database/rows.js';
import { queryRows } from '../../adapters/database/rows.js';
import type { DeploymentFacts, Params } from '../../domain/deployment/deployment.js';
import type { DeploymentState, IdentityFact, RunningImageFact } from '@drydock/contracts';

/** A deployment as locked, with the unit it belongs to. */
export interface LockedDeployment {
  readonly facts: DeploymentFacts;
  readonly orgId: string;
  readonly identity: IdentityFact;
  /** Newest evidence of what the device runs: epoch and number it was read after. */
  readonly readEpoch: string | null;
  readonly readAfterSeq: number;
}

/** Milliseconds of a timestamptz column, null stays null. */
export const msOf = (column: string): string => `round(extract(epoch from ${column}) * 1000)::float8`;
/** The other way: a float8 of milliseconds as timestamptz. */
export const timeOf = (value: string): string => `to_timestamp(${value} / 1000.0)`;

const COLUMNS = `dep.id, dep.org_id, dep.campaign_id, dep.stage_idx, dep.device_id, dep.gateway_id, dep.state, dep.reign,
  dep.attempt, dep.tries, dep.unused_grants, dep.heard, ${msOf('dep.start_by')} as start_by, ${msOf('dep.finish_by')} as finish_by,
  ${msOf('dep.not_before')} as not_before, ${msOf('dep.touched_at')} as touched_at, dep.at_risk,
  ${msOf('dep.at_risk_at')} as at_risk_at, dep.needs_rescue, dep.cancel_mode, dep.outcome_code, dep.outcome_reason,
  dep.outcome_params, dep.before_running, dep.after_running, dep.corrected, dep.step_kind,
  dep.step_artifact_id, dep.result_epoch, dep.result_seq,
  ${msOf('dep.state_at')} as state_at, ${msOf('dep.ended_at')} as ended_at,
  dev.identity_kind, dev.identity_value, dev.read_epoch, dev.read_after_seq`;

interface Row {
  id: string;
  org_id: string;
  campaign_id: string;
  stage_idx: number;
  device_id: string;
  gateway_id: string | null;
  state: DeploymentState;
  reign: string;
  attempt: number;
  tries: number;
  unused_grants: number;
  heard: boolean;
  start_by: number | null;
  finish_by: number | null;
  not_before: number | null;
  touched_at: number | null;
  at_risk: boolean;
  at_risk_at: number | null;
  needs_rescue: boolean;
  cancel_mode: 'before-start' | 'safe-point' | null;
  outcome_code: string | null;
  outcome_reason: string | null;
  outcome_params: Params | null;
  before_running: RunningImageFact[] | null;
  after_running: RunningImageFact[] | null;
  corrected: boolean;
  step_kind: 'stone' | 'restore' | null;
  step_artifact_id: string | null;
  result_epoch: string | null;
  result_seq: string | null;
  state_at: number;
  ended_at: number | null;
  identity_kind: IdentityFact['kind'];
  identity_value: string;
  read_epoch: string | null;
  read_after_seq: string;
}

function toLocked(row: Row): LockedDeployment {
  return {
    facts: {
      id: row.id,
      campaignId: row.campaign_id,
      stageIdx: row.stage_idx,
      deviceId: row.device_id,
      gatewayId: row.gateway_id,
      state: row.state,
      reign: Number(row.reign),
      attempt: row.attempt,
      tries: row.tries,
      unusedGrants: row.unused_grants,
      heard: row.heard,
      startByMs: row.start_by,
      finishByMs: row.finish_by,
      notBeforeMs: row.not_before,
      touchedAtMs: row.touched_at,
      atRisk: row.at_risk,
      atRiskAtMs: row.at_risk_at,
      needsRescue: row.needs_rescue,
      cancelMode: row.cancel_mode,
      outcomeCode: row.outcome_code,
      outcomeReason: row.outcome_reason,
      outcomeParams: row.outcome_params,
      beforeRunning: row.before_running,
      afterRunning: row.after_running,
      corrected: row.corrected,
      step:
        row.step_kind === null || row.step_artifact_id === null
          ? null
          : { kind: row.step_kind, artifactId: row.step_artifact_id },
      resultEpoch: row.result_epoch,
      resultSeq: row.result_seq === null ? null : Number(row.result_seq),
      stateAtMs: row.state_at,
      endedAtMs: row.ended_at,
    },
    orgId: row.org_id,
    identity: { kind: row.identity_kind, value: row.identity_value },
    readEpoch: row.read_epoch,
    readAfterSeq: Number(row.read_after_seq),
  };
}

/** Locks gateways in id order. Comes before any device. */
export async function lockGateways(tx: Queryable, ids: readonly string[]): Promise<void> {
  if (ids.length === 0) return;
  await queryRows(tx, 'select id from gateways where id = any($1::uuid[]) order by id for no key update', [
    [...new Set(ids)].sort(),
  ]);
}

/**
 * Locks devices and their deployments, devices in id order.
 * @param filter further condition on `dep` that is looked at again under the lock.
 */
export async function lockDeployments(
  tx: Queryable,
  ids: readonly string[],
  filter = 'true',
): Promise<LockedDeployment[]> {
  if (ids.length === 0) return [];
  const rows = await queryRows<Row>(
    tx,
    `select ${COLUMNS} from devices dev join deployments dep on dep.device_id = dev.id
     where dep.id = any($1::uuid[]) and ${filter} order by dev.id, dep.id for no key update of dev, dep`,
    [ids],
  );
  return rows.map(toLocked);
}

/** Ids first, then gateways, then the rows: for sets that are found by a condition. */
export async function lockWhere(
  tx: Queryable,
  condition: string,
  params: unknown[],
  limit = 5_000,
): Promise<LockedDeployment[]> {
  const found = await queryRows<{ id: string; gateway_id: string | null }>(
    tx,
    `select dep.id, dep.gateway_id from deployments dep where ${condition} order by dep.id limit ${limit}`,
    params,
  );
  await lockGateways(
    tx,
    found.flatMap((row) => (row.gateway_id === null ? [] : [row.gateway_id])),
  );
  return lockDeployments(
    tx,
    found.map((row) => row.id),
  );
}
