/**
 * Writes changed deployments as one set, and in the same transaction everything that counts them: attempts,
 * devices, the gateways' claims, campaign counters and failure counters (P10). The caller holds the locks.
 */
import { runTogether, type Part } from '../../adapters/database/one-statement.js';
import { queryRows, type Queryable } from '../../adapters/database/rows.js';
import type { AttemptPatch, DevicePatch } from '../../domain/deployment/apply-report.js';
import { holdsGrant, type DeploymentFacts } from '../../domain/deployment/deployment.js';
import { CLOCK_MARGIN_MS } from '../../domain/clock-margin.js';
import { markFailures } from '../dispatch/brake-marks.js';
import { recordDeviceOutcomes, type DeviceOutcome } from '../webhooks/record-event.js';
import { timeOf } from './deployment-rows.js';

export interface DeploymentChange {
  readonly before: DeploymentFacts;
  readonly next: DeploymentFacts;
  /** Into the row of the attempt that `next` (or `before`) names. */
  readonly attempt?: AttemptPatch | undefined;
  readonly device?:
    (DevicePatch & { readonly evidence?: { readonly epoch: string; readonly afterSeq: number } }) | undefined;
  /** The end of the attempt is known: the fence of the device falls. */
  readonly endKnown?: boolean;
}

/** @param beside changes of other tables that go into the same statement. */
export async function writeDeployments(
  tx: Queryable,
  changes: readonly DeploymentChange[],
  beside: readonly Part[] = [],
): Promise<void> {
  if (changes.length === 0) return runTogether(tx, beside);
  const takenBack = await failuresTakenBack(tx, changes);
  await runTogether(tx, [
    ...beside,
    updateDeployments(changes),
    updateAttempts(changes),
    updateDevices(changes),
    releaseGateways(changes),
  ]);
  await moveCounters(tx, changes, takenBack);
  await markFailures(tx, changes);
  await restartSoak(tx, changes);
  await recordDeviceOutcomes(tx, changes.flatMap(outcomeOf));
}

const TOLD = { failed: 'deployment.failed', lost: 'deployment.lost', reverted: 'device.reverted' } as const;

/** Ends that somebody may want to hear of. */
function outcomeOf({ before, next }: DeploymentChange): DeviceOutcome[] {
  const { state } = next;
  if (before.state === state || (state !== 'failed' && state !== 'lost' && state !== 'reverted')) return [];
  return [{ campaignId: next.campaignId, deviceId: next.deviceId, kind: TOLD[state], code: next.outcomeCode }];
}

/** A correction may overwrite an attempt that is counted as failed already: that failure is no longer one. */
async function failuresTakenBack(
  tx: Queryable,
  changes: readonly DeploymentChange[],
): Promise<readonly { campaign: string; code: string }[]> {
  const corrected = changes.filter(({ before, attempt }) => attempt?.ended && before.endedAtMs !== null);
  if (corrected.length === 0) return [];
  return queryRows<{ campaign: string; code: string }>(
    tx,
    `select a.campaign_id as campaign, a.code from attempts a
     join unnest($1::uuid[], $2::bigint[], $3::int[]) as x(id, reign, attempt)
       on a.deployment_id = x.id and a.reign = x.reign and a.attempt = x.attempt
     where a.outcome = 'failed' and a.code is not null`,
    [
      corrected.map(({ before }) => before.id),
      corrected.map(({ before }) => before.reign),
      corrected.map(({ before }) => before.attempt),
    ],
  );
}

function updateDeployments(changes: readonly DeploymentChange[]): Part {
  const rows = changes.map(({ next }) => ({
    id: next.id,
    state: next.state,
    reign: next.reign,
    attempt: next.attempt,
    tries: next.tries,
    unused_grants: next.unusedGrants,
    heard: next.heard,
    gateway_id: next.gatewayId,
    start_by: next.startByMs,
    finish_by: next.finishByMs,
    not_before: next.notBeforeMs,
    touched_at: next.touchedAtMs,
    at_risk: next.atRisk,
    at_risk_at: next.atRiskAtMs,
    needs_rescue: next.needsRescue,
    cancel_mode: next.cancelMode,
    outcome_code: next.outcomeCode,
    outcome_reason: next.outcomeReason,
    outcome_params: next.outcomeParams,
    before_running: next.beforeRunning,
    after_running: next.afterRunning,
    corrected: next.corrected,
    step_kind: next.step?.kind ?? null,
    step_artifact_id: next.step?.artifactId ?? null,
    result_epoch: next.resultEpoch,
    result_seq: next.resultSeq,
    state_at: next.stateAtMs,
    ended_at: next.endedAtMs,
  }));
  return (param) =>
    `update deployments d set state = x.state, reign = x.reign, attempt = x.attempt, tries = x.tries,
       unused_grants = x.unused_grants, heard = x.heard, gateway_id = x.gateway_id, start_by = ${timeOf('x.start_by')},
       finish_by = ${timeOf('x.finish_by')}, not_before = ${timeOf('x.not_before')},
       touched_at = ${timeOf('x.touched_at')}, at_risk = x.at_risk, at_risk_at = ${timeOf('x.at_risk_at')},
       needs_rescue = x.needs_rescue, cancel_mode = x.cancel_mode, outcome_code = x.outcome_code,
       outcome_reason = x.outcome_reason, outcome_params = x.outcome_params, before_running = x.before_running,
       after_running = x.after_running, corrected = x.corrected, step_kind = x.step_kind, step_artifact_id = x.step_artifact_id,
       result_epoch = x.result_epoch,
       result_seq = x.result_seq, state_at = ${timeOf('x.state_at')}, ended_at = ${timeOf('x.ended_at')}
     from jsonb_to_recordset(${param(JSON.stringify(rows))}::jsonb) as x(id uuid, state text, reign bigint, attempt int, tries int, unused_grants int, heard boolean,
       gateway_id uuid, start_by float8, finish_by float8, not_before float8, touched_at float8, at_risk boolean,
       at_risk_at float8, needs_rescue boolean, cancel_mode text, outcome_code text, outcome_reason text,
       outcome_params jsonb, before_running jsonb, after_running jsonb, corrected boolean, step_kind text, step_artifact_id uuid, result_epoch text,
       result_seq bigint, state_at float8, ended_at float8)
     where d.id = x.id`;
}

function updateAttempts(changes: readonly DeploymentChange[]): Part | undefined {
  const rows = changes.flatMap(({ before, next, attempt }) =>
    attempt
      ? [
          {
            id: before.id,
            reign: before.reign,
            attempt: before.attempt,
            touched_at: attempt.touchedAtMs ?? null,
            ended_at: attempt.ended ? next.stateAtMs : null,
            outcome: attempt.ended?.outcome ?? null,
            code: attempt.ended?.code ?? null,
            params: attempt.ended?.params ?? null,
            blame: attempt.ended?.blame ?? null,
            sent_bytes: attempt.ended?.sentBytes ?? null,
            duration_ms: attempt.ended?.durationMs ?? null,
            rssi_dbm: attempt.link?.rssiDbm ?? null,
            lowest_rssi_dbm: attempt.link?.lowestRssiDbm ?? null,
            bytes_per_second: attempt.link?.bytesPerSecond ?? null,
          },
        ]
      : [],
  );
  if (rows.length === 0) return undefined;
  return (param) =>
    `update attempts a set touched_at = coalesce(a.touched_at, ${timeOf('x.touched_at')}),
       ended_at = coalesce(${timeOf('x.ended_at')}, a.ended_at), outcome = coalesce(x.outcome, a.outcome),
       code = case when x.outcome is null then a.code else x.code end,
       params = case when x.outcome is null then a.params else x.params end,
       blame = case when x.outcome is null then a.blame else x.blame end,
       sent_bytes = coalesce(x.sent_bytes, a.sent_bytes), duration_ms = coalesce(x.duration_ms, a.duration_ms),
       rssi_dbm = coalesce(x.rssi_dbm, a.rssi_dbm), lowest_rssi_dbm = coalesce(x.lowest_rssi_dbm, a.lowest_rssi_dbm),
       bytes_per_second = coalesce(x.bytes_per_second, a.bytes_per_second)
     from jsonb_to_recordset(${param(JSON.stringify(rows))}::jsonb) as x(id uuid, reign bigint, attempt int, touched_at float8, ended_at float8,
       outcome text, code text, params jsonb, blame text, sent_bytes bigint, duration_ms bigint, rssi_dbm int, lowest_rssi_dbm int,
       bytes_per_second float8)
     where a.deployment_id = x.id and a.reign = x.reign and a.attempt = x.attempt`;
}

function updateDevices(changes: readonly DeploymentChange[]): Part | undefined {
  const rows = changes.flatMap(({ before, next, device, endKnown }) => {
    const out = outOfService(before, next);
    return device?.running || device?.needsRescue !== undefined || endKnown || out !== null
      ? [
          {
            id: next.deviceId,
            running: device?.running ?? null,
            version: device?.running?.[0]?.version ?? null,
            hash: device?.running?.[0]?.hash ?? null,
            epoch: device?.evidence?.epoch ?? null,
            after_seq: device?.evidence?.afterSeq ?? null,
            needs_rescue: device?.needsRescue ?? null,
            end_known: endKnown ?? false,
            late_for: device?.late ? next.id : null,
            out_of_service: out,
          },
        ]
      : [];
  });
  if (rows.length === 0) return undefined;
  return (param) =>
    `update devices d set
       running = coalesce(x.running, d.running),
       running_version = case when x.running is null then d.running_version else x.version end,
       running_hash = case when x.running is null then d.running_hash else x.hash end,
       read_epoch = case when x.running is null then d.read_epoch else x.epoch end,
       read_after_seq = case when x.running is null then d.read_after_seq else x.after_seq end,
       mode = case when x.running is null then d.mode else 'application' end,
       needs_rescue = coalesce(x.needs_rescue, d.needs_rescue),
       fenced_until = case when x.end_known then null else d.fenced_until end,
       out_of_service = coalesce(x.out_of_service, d.out_of_service)
     from jsonb_to_recordset(${param(JSON.stringify(rows))}::jsonb) as x(id uuid, running jsonb, version text, hash text, epoch text, after_seq bigint,
       needs_rescue boolean, end_known boolean, late_for uuid, out_of_service boolean)
     where d.id = x.id and (x.late_for is null or not exists (
       select 1 from deployments own join deployments newer on newer.device_id = own.device_id
       where own.id = x.late_for and newer.granted_at > own.granted_at))`;
}

/** For redundancy groups: what a result says of the unit. Its application, seen later, puts it back into service. */
function outOfService(before: DeploymentFacts, next: DeploymentFacts): boolean | null {
  if (before.state === next.state) return null;
  if (next.state === 'lost' || next.state === 'rescue') return true;
  if (next.state === 'failed') return next.touchedAtMs !== null || before.touchedAtMs !== null || next.needsRescue;
  return next.state === 'proven' || next.state === 'unproven' || next.state === 'reverted' ? false : null;
}

/** Slots come back when a deployment no longer holds a grant. The gateways are locked already. */
function releaseGateways(changes: readonly DeploymentChange[]): Part | undefined {
  const freed = new Map<string, number>();
  for (const { before, next } of changes) {
    if (before.gatewayId !== null && holdsGrant(before.state) && !holdsGrant(next.state)) {
      freed.set(before.gatewayId, (freed.get(before.gatewayId) ?? 0) + 1);
    }
  }
  if (freed.size === 0) return undefined;
  const ids = [...freed.keys()].sort();
  return (param) =>
    `update gateways g set in_flight = g.in_flight - x.n from unnest(${param(ids)}::uuid[], ${param(ids.map((id) => freed.get(id)!))}::int[]) as x(id, n) where g.id = x.id`;
}

/** A device that falls back re-arms the gate of its stage: what had soaked begins anew. */
async function restartSoak(tx: Queryable, changes: readonly DeploymentChange[]): Promise<void> {
  const reverted = changes.filter(({ before, next }) => next.state === 'reverted' && before.state !== 'reverted');
  if (reverted.length === 0) return;
  await queryRows(
    tx,
    `update campaign_stages s set state = 'open', soak_until = null
     from unnest($1::uuid[], $2::int[]) as x(campaign_id, idx)
     where s.campaign_id = x.campaign_id and s.idx = x.idx and s.state = 'soaking'`,
    [reverted.map(({ next }) => next.campaignId), reverted.map(({ next }) => next.stageIdx)],
  );
}

/** P10: counters move in the transaction of what they count. Rows are locked in key order. */
async function moveCounters(
  tx: Queryable,
  changes: readonly DeploymentChange[],
  takenBack: readonly { campaign: string; code: string }[],
): Promise<void> {
  const moves = new Map<string, { campaign: string; stage: number; state: string; n: number }>();
  const add = (facts: DeploymentFacts, n: number): void => {
    const key = `${facts.campaignId} ${facts.stageIdx} ${facts.state}`;
    const entry = moves.get(key) ?? { campaign: facts.campaignId, stage: facts.stageIdx, state: facts.state, n: 0 };
    entry.n += n;
    moves.set(key, entry);
  };
  const failures = new Map<string, { campaign: string; code: string; n: number }>();
  const fail = (campaign: string, code: string, n: number): void => {
    const entry = failures.get(`${campaign} ${code}`) ?? { campaign, code, n: 0 };
    entry.n += n;
    failures.set(`${campaign} ${code}`, entry);
  };
  for (const { campaign, code } of takenBack) fail(campaign, code, -1);
  for (const { before, next, attempt } of changes) {
    if (before.state !== next.state) {
      add(before, -1);
      add(next, 1);
    }
    if (attempt?.ended?.outcome === 'failed' && attempt.ended.code !== null) {
      fail(before.campaignId, attempt.ended.code, 1);
    }
  }
  await addToCounters(tx, [...moves.values()]);
  if (failures.size > 0) {
    const rows = [...failures.values()].sort((a, b) => compare(`${a.campaign} ${a.code}`, `${b.campaign} ${b.code}`));
    await queryRows(
      tx,
      `insert into failure_counters (campaign_id, code, n)
       select * from unnest($1::uuid[], $2::text[], $3::bigint[])
       on conflict (campaign_id, code) do update set n = failure_counters.n + excluded.n`,
      [rows.map((row) => row.campaign), rows.map((row) => row.code), rows.map((row) => row.n)],
    );
  }
}

/** Counter rows of a campaign all exist from its start on, so this only updates. */
export async function addToCounters(
  tx: Queryable,
  moves: readonly { campaign: string; stage: number; state: string; n: number }[],
): Promise<void> {
  const changed = moves.filter((move) => move.n !== 0);
  if (changed.length === 0) return;
  await queryRows(
    tx,
    `with x as (select * from unnest($1::uuid[], $2::int[], $3::text[], $4::bigint[]) as x(campaign_id, stage_idx, state, n)),
     locked as (
       select c.campaign_id, c.stage_idx, c.state, x.n from campaign_counters c join x using (campaign_id, stage_idx, state)
       order by 1, 2, 3 for no key update of c)
     update campaign_counters c set n = c.n + locked.n from locked
     where c.campaign_id = locked.campaign_id and c.stage_idx = locked.stage_idx and c.state = locked.state`,
    [
      changed.map((move) => move.campaign),
      changed.map((move) => move.stage),
      changed.map((move) => move.state),
      changed.map((move) => move.n),
    ],
  );
}

/** The fence that goes onto a device with a grant, milliseconds. */
export function fenceOf(finishByMs: number): number {
  return finishByMs + CLOCK_MARGIN_MS;
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
