/**
 * What the rules about single devices compare with, read once per look: limits of the policy, and in which zones a
 * maintenance window is open and long enough now. Rules themselves stand in `domain/candidate/rules`.
 */
import type { Policy } from '@drydock/contracts';
import { queryRows, type Queryable } from '../../adapters/database/rows.js';
import { DEFAULT_GAP_MS, startWithinMs, type LeaseFacts } from '../../domain/pace/index.js';
import { openZones, type OpenZones } from '../../domain/windows/open-times.js';
import { readSessionTimes, type SessionTimes } from './session-times.js';

export interface RuleFacts {
  /** From a grant to its last moment to start. */
  readonly startMs: number;
  readonly perGateway: number;
  readonly perSite: number | null;
  readonly minBattery: number | null;
  /** Null: no windows, or the campaign ignores them. */
  readonly openZones: readonly string[] | null;
  /** Urgent campaigns that go first; null where there is none, or the campaign is urgent itself. */
  readonly urgentOthers: readonly string[] | null;
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
  const sessions = knownEnough(await readSessionTimes(tx, campaign));
  const plain = {
    startMs: startWithinMs(
      campaign.policy.timeouts.startMs,
      urgent !== undefined,
      leaseFacts(sessions, limits.perGateway),
    ),
    perGateway: limits.perGateway,
    perSite: limits.perSite ?? null,
    minBattery: minBatteryPercent ?? null,
    urgentOthers: urgent ? null : await urgentCampaigns(tx, campaign.orgId),
  };
  if (windows.length === 0 || urgent) return { ...plain, openZones: null, zones: null };
  const sites = await queryRows<{ zone: string }>(tx, 'select distinct zone from sites where org_id = $1', [
    campaign.orgId,
  ]);
  const zones = openZones(
    windows,
    sites.map((site) => site.zone),
    campaign.nowMs,
    sessions?.p90 ?? longestSession(campaign.policy),
  );
  return { ...plain, openZones: [...zones.open.keys()], zones };
}

async function urgentCampaigns(tx: Queryable, orgId: string): Promise<readonly string[] | null> {
  const rows = await queryRows<{ id: string }>(
    tx,
    `select id from campaigns where org_id = $1 and state = 'running' and policy ? 'urgent'`,
    [orgId],
  );
  return rows.length === 0 ? null : rows.map((row) => row.id);
}

/** All that the policy allows one. */
function longestSession({ timeouts }: Policy): number {
  return timeouts.transferMs + timeouts.activateMs + timeouts.proveMs;
}

/** The way of an order there and back is not measured: what the publisher waits before it sends one again stands for it. */
const ROUND_TRIP_MS = 5_000;

interface KnownTimes {
  readonly p50: number;
  readonly p90: number;
}

function knownEnough({ n, p50, p90 }: SessionTimes): KnownTimes | undefined {
  return n < LEAST_DURATIONS || p50 === null || p90 === null ? undefined : { p50, p90 };
}

function leaseFacts(sessions: KnownTimes | undefined, slots: number): Omit<LeaseFacts, 'urgent'> | undefined {
  if (!sessions) return undefined;
  return {
    session90Ms: sessions.p90,
    session50Ms: sessions.p50,
    parallelSlots: slots,
    gapMs: DEFAULT_GAP_MS,
    roundTrip99Ms: ROUND_TRIP_MS,
  };
}
