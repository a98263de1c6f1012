/**
 * What the rules about single devices compare with, read once per look: limits of the policy, and in which zones a
 * maintenance window is open and long enough now. Rules themselves stand in `domain/candidate/rules`.
 */
import type { Policy } from '@drydock/contracts';
import { queryRows, type Queryable } from '../../adapters/database/rows.js';
import { openZones, type OpenZones } from '../../domain/windows/open-times.js';

export interface RuleFacts {
  readonly perGateway: number;
  readonly perSite: number | null;
  readonly minBattery: number | null;
  /** Null: no windows, or the campaign ignores them. */
  readonly openZones: readonly string[] | null;
  /** By zone of the sites; null without windows. */
  readonly zones: OpenZones | null;
}

/** Proven attempts from which on the 90th percentile of their durations is used. */
const LEAST_DURATIONS = 20;

export async function loadRuleFacts(
  tx: Queryable,
  campaign: { readonly id: string; readonly orgId: string; readonly policy: Policy; readonly nowMs: number },
): Promise<RuleFacts> {
  const { limits, windows, urgent, minBatteryPercent } = campaign.policy;
  const plain = {
    perGateway: limits.perGateway,
    perSite: limits.perSite ?? null,
    minBattery: minBatteryPercent ?? null,
  };
  if (windows.length === 0 || urgent) return { ...plain, openZones: null, zones: null };
  const sites = await queryRows<{ zone: string }>(tx, 'select distinct zone from sites where org_id = $1', [
    campaign.orgId,
  ]);
  const zones = openZones(
    windows,
    sites.map((site) => site.zone),
    campaign.nowMs,
    await durationP90(tx, campaign),
  );
  return { ...plain, openZones: [...zones.open.keys()], zones };
}

/** 90th percentile of an attempt's duration; while too few are known, all that the policy allows one. */
async function durationP90(tx: Queryable, campaign: { readonly id: string; readonly policy: Policy }): Promise<number> {
  const [row] = await queryRows<{ n: number; p90: number | null }>(
    tx,
    `select count(*)::int as n, percentile_cont(0.9) within group (order by duration_ms) as p90 from (
       select duration_ms from attempts where campaign_id = $1 and outcome = 'proven' and duration_ms is not null
       order by granted_at desc limit 500) recent`,
    [campaign.id],
  );
  const { transferMs, activateMs, proveMs } = campaign.policy.timeouts;
  return row && row.n >= LEAST_DURATIONS && row.p90 !== null ? row.p90 : transferMs + activateMs + proveMs;
}
