/** Everything that `decide` looks at: counts, pace, exposure, brakes. */
import { HOLDING_DEPLOYMENT_STATES, LIVE_DEPLOYMENT_STATES, type PacePolicy } from '@drydock/contracts';
import { queryRows, type Queryable } from '../../adapters/database/rows.js';
import type { CampaignSnapshot } from '../../domain/campaign/decide.js';
import { CLOCK_MARGIN_MS } from '../../domain/clock-margin.js';
import {
  inFlightMax,
  minutesToToken,
  newPace,
  refill,
  refillStepwise,
  stepwiseRate,
  type PaceState,
} from '../../domain/pace/index.js';
import { sumOf, type Sums } from '../../domain/sums/sums.js';
import { msOf } from '../campaigns/deployment-rows.js';
import { findingsOf, readBrakes, type BrakeState } from './brake-reader.js';
import type { CampaignRow } from './campaign-row.js';
import { loadStages, type NamedStage } from './campaign-stages.js';

const MINUTE_MS = 60_000;

export interface LoadedSnapshot extends CampaignSnapshot {
  readonly stages: readonly NamedStage[];
  readonly pace: PaceState;
  /** Starts a minute, now. */
  readonly ratePerMinute: number;
  readonly brakeState: BrakeState;
  readonly sums: Sums;
}

/** @param blobPresent whether the artifact's bytes are in the store. */
export async function loadSnapshot(
  tx: Queryable,
  campaign: CampaignRow,
  blobPresent: boolean,
): Promise<LoadedSnapshot> {
  const stages = await loadStages(tx, campaign);
  const sums = sumOf(stages.map((stage) => stage.sums));
  const holding = holdingOf(stages);
  const roomInFlight = roomOf(campaign, sums);
  const brakeState = await readBrakes(tx, campaign, sums, roomInFlight);
  const brakes = findingsOf(brakeState);
  const pace = paceNow(campaign, sums, isGoing(stages) && brakes?.amber === false);
  const [extra] = await queryRows<{ next_end: number | null; next_retry: number | null; settling: number | null }>(
    tx,
    `select
       (select ${msOf('min(finish_by)')} from deployments where campaign_id = $1 and state = any($3)) as next_end,
       (select ${msOf('min(not_before)')} from deployments where campaign_id = $1 and state in ('planned', 'rescue')
          and not_before > to_timestamp($2::float8 / 1000)) as next_retry,
       (select ${msOf('settling_until')} from installation) as settling`,
    [campaign.id, campaign.nowMs, LIVE_DEPLOYMENT_STATES],
  );
  const due = [extra!.next_end === null ? null : extra!.next_end + CLOCK_MARGIN_MS, extra!.next_retry].filter(
    (ms): ms is number => ms !== null,
  );
  return {
    state: campaign.state,
    policy: campaign.policy,
    startAtMs: campaign.startAtMs,
    deadlineAtMs: campaign.deadlineAtMs,
    stages,
    sums,
    holding,
    inFlightMax: roomInFlight,
    pace: pace.state,
    ratePerMinute: pace.ratePerMinute,
    startTokens: pace.state.tokens,
    nextTokenMs: campaign.nowMs + pace.toTokenMs,
    brakes,
    brakeState,
    settlingUntilMs: extra!.settling,
    blobPresent,
    nextDueMs: due.length === 0 ? null : Math.min(...due),
  };
}

/** What a person is told of a campaign's room and pace; the brake as the last look of the engine saw it. */
export interface CampaignOutlook {
  readonly stages: readonly NamedStage[];
  readonly sums: Sums;
  readonly holding: number;
  readonly inFlightMax: number;
  readonly startTokens: number;
  readonly nextTokenMs: number;
  readonly ratePerMinute: number;
  readonly settlingUntilMs: number | null;
}

/** Two small reads: no marks, no trials, no devices. */
export async function loadOutlook(tx: Queryable, campaign: CampaignRow): Promise<CampaignOutlook> {
  const stages = await loadStages(tx, campaign, 'counts-only');
  const [installation] = await queryRows<{ settling: number | null }>(
    tx,
    `select ${msOf('settling_until')} as settling from installation`,
  );
  const sums = sumOf(stages.map((stage) => stage.sums));
  const pace = paceNow(campaign, sums, isGoing(stages) && campaign.lastBrakes === 'quiet');
  return {
    stages,
    sums,
    holding: holdingOf(stages),
    inFlightMax: roomOf(campaign, sums),
    startTokens: pace.state.tokens,
    nextTokenMs: campaign.nowMs + pace.toTokenMs,
    ratePerMinute: pace.ratePerMinute,
    settlingUntilMs: installation?.settling ?? null,
  };
}

const isGoing = (stages: readonly NamedStage[]): boolean =>
  stages.some((stage) => stage.state === 'open' || stage.state === 'soaking' || stage.state === 'passed');

const holdingOf = (stages: readonly NamedStage[]): number =>
  stages.reduce(
    (sum, stage) => sum + HOLDING_DEPLOYMENT_STATES.reduce((n, state) => n + (stage.counts[state] ?? 0), 0),
    0,
  );

/** Earned by proven results of this brake epoch. */
function roomOf(campaign: CampaignRow, sums: Sums): number {
  const { limits } = campaign.policy;
  return inFlightMax(
    { first: limits.firstInFlight, perProven: limits.earnedPerProven, limit: limits.inFlight },
    Math.max(0, sums.proven - campaign.provenBefore),
  );
}

/** @param grows the campaign is open and nothing holds it: the rate may rise. */
function paceNow(
  campaign: CampaignRow,
  sums: Sums,
  grows: boolean,
): { state: PaceState; ratePerMinute: number; toTokenMs: number } {
  const rule = campaign.policy.pace;
  const { tokens, openMs, atMs } = campaign.pace;
  const running = campaign.state === 'running';
  const elapsed = atMs === null || !running ? 0 : Math.max(0, campaign.nowMs - atMs) / MINUTE_MS;
  const stored: PaceState | undefined = atMs === null ? undefined : { tokens, openMinutes: openMs / MINUTE_MS };
  if (rule.kind === 'steps') {
    const steps = stepsOf(rule);
    const rate = stepwiseRate(steps, sums.proven);
    const state = refillStepwise(steps, stored ?? { tokens: rate, openMinutes: 0 }, elapsed, sums.proven);
    return { state, ratePerMinute: rate, toTokenMs: ((1 - state.tokens) / rate) * MINUTE_MS };
  }
  const state = refill(rule, stored ?? newPace(rule), elapsed, !grows);
  const rate = Math.min(rule.maxPerMinute, rule.startPerMinute * 2 ** (state.openMinutes / rule.doublingMinutes));
  return { state, ratePerMinute: rate, toTokenMs: minutesToToken(rule, state) * MINUTE_MS };
}

const stepsOf = (rule: Extract<PacePolicy, { kind: 'steps' }>) => ({
  basePerMinute: rule.startPerMinute,
  factor: rule.factor,
  provenPerStep: rule.everyProven,
  maxPerMinute: rule.maxPerMinute,
});
