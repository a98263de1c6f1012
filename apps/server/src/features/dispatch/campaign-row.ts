/** One campaign as the engine works on it, under its lock. */
import { Policy, type CampaignState } from '@drydock/contracts';
import { queryRows, type Queryable } from '../../adapters/database/rows.js';
import { msOf } from '../campaigns/deployment-rows.js';
import type { BrakeCampaign, PastEpoch } from './brake-reader.js';
import type { ScanPlace } from './candidates.js';

export interface CampaignRow extends BrakeCampaign {
  readonly orgId: string;
  readonly name: string;
  readonly artifactId: string;
  readonly artifactSha256: string;
  readonly artifactModel: string;
  readonly state: CampaignState;
  readonly stateBy: string | null;
  readonly stateReason: string | null;
  readonly revision: number;
  readonly startAtMs: number | null;
  readonly deadlineAtMs: number | null;
  readonly brakeEpoch: number;
  /** Proven results when the brake epoch began: exposure is earned anew. */
  readonly provenBefore: number;
  readonly overdueMs: number;
  /** What the last look of the engine said of the brake. */
  readonly lastBrakes: 'unknown' | 'quiet' | 'amber';
  readonly pace: { readonly tokens: number; readonly openMs: number; readonly atMs: number | null };
  readonly scan: ScanPlace;
  /** The database's clock, read after the lock was given. */
  readonly nowMs: number;
}

/**
 * @param lock `skip` leaves a campaign alone that somebody else works on; `wait` waits for it. The lock does not
 *   hinder rows that refer to the campaign.
 */
export async function loadCampaign(
  tx: Queryable,
  id: string,
  lock: 'none' | 'skip' | 'wait',
): Promise<CampaignRow | undefined> {
  const suffix = { none: '', skip: 'for no key update of c skip locked', wait: 'for no key update of c' }[lock];
  const [row] = await queryRows<{
    id: string;
    org_id: string;
    name: string;
    artifact_id: string;
    sha256: string;
    model: string;
    state: CampaignState;
    state_by: string | null;
    state_reason: string | null;
    revision: number;
    policy: unknown;
    start_at: number | null;
    deadline_at: number | null;
    brake_limit: number | null;
    brake_epoch: number;
    brake_past: PastEpoch[];
    brake_proven: string;
    next_ordinal: string;
    overdue_ms: number | null;
    amber: boolean;
    brake_unknown: boolean;
    rate_tokens: number;
    open_ms: number;
    rate_at: number | null;
    scan_stage: number;
    scan_position: string;
  }>(
    tx,
    `select c.id, c.org_id, c.name, c.artifact_id, a.sha256, a.model, c.state, c.state_by, c.state_reason, c.revision,
       c.policy, ${msOf('c.start_at')} as start_at, ${msOf('c.deadline_at')} as deadline_at, c.brake_limit, c.brake_epoch,
       c.brake_past, c.brake_proven, c.next_ordinal, c.overdue_ms, c.amber, c.brake_unknown, c.rate_tokens, c.open_ms, ${msOf('c.rate_at')} as rate_at,
       c.scan_stage, c.scan_position
     from campaigns c join artifacts a on a.id = c.artifact_id where c.id = $1 ${suffix}`,
    [id],
  );
  if (!row) return undefined;
  const policy = Policy.parse(row.policy);
  const { activateMs, proveMs, transferMs } = policy.timeouts;
  return {
    id: row.id,
    orgId: row.org_id,
    name: row.name,
    artifactId: row.artifact_id,
    artifactSha256: row.sha256,
    artifactModel: row.model,
    state: row.state,
    stateBy: row.state_by,
    stateReason: row.state_reason,
    revision: row.revision,
    policy,
    startAtMs: row.start_at,
    deadlineAtMs: row.deadline_at,
    brakeLimit: row.brake_limit ?? policy.brake.limit,
    brakeEpoch: row.brake_epoch,
    brakePast: row.brake_past,
    provenBefore: Number(row.brake_proven),
    nextOrdinal: Number(row.next_ordinal),
    lastBrakes: row.brake_unknown ? 'unknown' : row.amber ? 'amber' : 'quiet',
    overdueMs: row.overdue_ms ?? transferMs + activateMs + proveMs,
    pace: { tokens: row.rate_tokens, openMs: row.open_ms, atMs: row.rate_at },
    scan: { stage: row.scan_stage, position: Number(row.scan_position) },
    nowMs: await nowOf(tx),
  };
}

/** The database's clock, whole milliseconds. */
export async function nowOf(tx: Queryable): Promise<number> {
  const [row] = await queryRows<{ ms: number }>(
    tx,
    `select floor(extract(epoch from clock_timestamp()) * 1000)::float8 as ms`,
  );
  return row!.ms;
}
