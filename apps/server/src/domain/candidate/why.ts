/** P9: for every member of a campaign exactly one reason, from the same rules that decide. */
import type { CampaignState, Reason, StageState } from '@drydock/contracts';
import { WAITS_FOR_APPROVAL } from '../campaign/decide.js';
import type { DeploymentFacts } from '../deployment/deployment.js';
import { overAt } from '../deployment/silence.js';
import { whyNoCandidate, type CandidateFacts } from './rules.js';

export interface WhyCampaign {
  readonly state: CampaignState;
  readonly stateBy: string | null;
  readonly stateReason: string | null;
  readonly settlingUntilMs: number | null;
  readonly blobPresent: boolean;
  readonly startAtMs: number | null;
  readonly missingApprovals: number;
  readonly holding: number;
  readonly inFlightMax: number;
  readonly startTokens: number;
  readonly nextTokenMs: number | null;
  readonly ratePerMinute: number;
  /** Results that stand unproven or may become so, and how many may; null: no limit. */
  readonly unproven: { readonly count: number; readonly limit: number } | null;
  readonly brakes: 'unknown' | 'quiet' | 'amber';
  readonly stages: readonly { readonly name: string; readonly state: StageState; readonly note: string | null }[];
}

type WhyDeployment = Pick<
  DeploymentFacts,
  | 'state'
  | 'stageIdx'
  | 'attempt'
  | 'tries'
  | 'startByMs'
  | 'finishByMs'
  | 'outcomeCode'
  | 'outcomeReason'
  | 'outcomeParams'
  | 'afterRunning'
  | 'stateAtMs'
> & {
  /** Version that the device takes first; null where it takes the campaign's artifact. */
  readonly stepVersion: string | null;
};

const reason = (code: Reason['code'], params: Reason['params'] = {}, until?: number | null): Reason => ({
  code,
  params,
  ...(until !== undefined && until !== null && { until }),
});

/** @param gateway name of the gateway of the live attempt, if there is one. */
export function whyOf(
  deployment: WhyDeployment,
  candidate: CandidateFacts,
  campaign: WhyCampaign,
  gateway: string | null,
): Reason {
  const known = whyWithoutDevice(deployment, campaign, gateway, candidate.nowMs);
  if (known) return known;
  return deployment.state === 'rescue'
    ? (whyNoCandidate(candidate, 'rescue') ?? reason('state.rescue'))
    : whyWaiting(deployment, candidate, campaign);
}

/**
 * What deployment and campaign say by themselves; undefined where the rules about the device decide, whose facts are
 * dear to read. {@link whyOf} says the same first.
 */
export function whyWithoutDevice(
  deployment: WhyDeployment,
  campaign: WhyCampaign,
  gateway: string | null,
  nowMs: number,
): Reason | undefined {
  switch (deployment.state) {
    case 'planned':
      return whyShut(deployment, campaign, nowMs);
    case 'rescue':
      return whySettling(campaign, nowMs);
    case 'granted':
      return reason('state.granted', { gateway }, deployment.startByMs);
    case 'downloading':
      return reason('state.downloading', { gateway });
    case 'transferring':
      return onTheWay(deployment) ?? reason('state.transferring', { gateway }, overAt(deployment));
    case 'activating':
      return onTheWay(deployment) ?? reason('state.activating', {}, overAt(deployment));
    case 'proving':
      return onTheWay(deployment) ?? reason('state.proving', {}, overAt(deployment));
    case 'cancelling':
      return reason('state.cancelling', {}, overAt(deployment));
    case 'proven':
      return reason('end.proven');
    case 'unproven':
      return reason('end.unproven', { reason: deployment.outcomeReason });
    case 'failed':
      return reason('end.failed', { attempts: Math.max(1, deployment.tries), code: deployment.outcomeCode });
    case 'reverted':
      return reason('end.reverted', { running: nameRunning(deployment) });
    case 'cancelled':
      return reason('end.cancelled', { note: deployment.outcomeReason ?? deployment.outcomeCode });
    case 'skipped':
      if (deployment.outcomeReason === 'requires') {
        const { running = null, wanted = null } = deployment.outcomeParams ?? {};
        return reason('requires.missing', { running, wanted });
      }
      return reason('end.skipped', { reason: deployment.outcomeReason });
    case 'lost':
      return reason('end.lost', { attempt: deployment.attempt, since: deployment.stateAtMs });
  }
}

/** Under way, but to a version that the artifact requires. */
function onTheWay(deployment: WhyDeployment): Reason | undefined {
  const version = deployment.stepVersion;
  return version === null ? undefined : reason('requires.step', { version }, overAt(deployment));
}

function nameRunning(deployment: WhyDeployment): string | null {
  const first = deployment.afterRunning?.[0];
  return first?.version ?? first?.hash ?? null;
}

function whySettling(campaign: WhyCampaign, nowMs: number): Reason | undefined {
  if (campaign.settlingUntilMs !== null && campaign.settlingUntilMs > nowMs) {
    return reason('server.settling', {}, campaign.settlingUntilMs);
  }
  return campaign.blobPresent ? undefined : reason('artifact.blob-missing');
}

/** Planned, and kept from starting by what concerns the whole campaign or the stage. */
function whyShut(deployment: WhyDeployment, campaign: WhyCampaign, nowMs: number): Reason | undefined {
  switch (campaign.state) {
    case 'draft':
      return reason('campaign.draft');
    case 'awaiting-approval':
      return reason('campaign.awaiting-approval', { missing: campaign.missingApprovals });
    case 'scheduled':
      return reason('campaign.scheduled', {}, campaign.startAtMs);
    case 'paused':
      return reason('campaign.paused', { by: campaign.stateBy });
    case 'halted':
      return reason('campaign.halted', { rule: campaign.stateReason });
    case 'aborting':
    case 'aborted':
    case 'completed':
      return reason('campaign.aborting');
    case 'running':
      break;
  }
  const settling = whySettling(campaign, nowMs);
  if (settling) return settling;
  const stage = campaign.stages[deployment.stageIdx];
  if (stage?.state === 'held' || stage?.state === 'failed') {
    return reason('stage.held', { stage: stage.name, note: stage.note });
  }
  if (campaign.brakes === 'unknown') return reason('stopped.brake');
  if (stage?.state === 'pending') {
    const open = campaign.stages.find((candidateStage) => candidateStage.state !== 'passed');
    if (open === stage && campaign.brakes === 'amber') return reason('stopped.amber');
    if (open?.state === 'held' && open.note === WAITS_FOR_APPROVAL) {
      return reason('stage.approval', { stage: stage.name, openStage: open.name });
    }
    if (open?.state === 'held' || open?.state === 'failed') {
      return reason('stage.behind-held', { stage: stage.name, openStage: open.name, note: open.note });
    }
    return reason('stage.pending', {
      stage: stage.name,
      openStage: open?.name ?? stage.name,
      openState: open?.state ?? stage.state,
    });
  }
  return undefined;
}

/** Planned in an open stage. */
function whyWaiting(deployment: WhyDeployment, candidate: CandidateFacts, campaign: WhyCampaign): Reason {
  const blocked = whyNoCandidate(candidate, 'update');
  if (blocked) return blocked;
  if (campaign.holding >= campaign.inFlightMax) {
    return reason('limit.in-flight', { running: campaign.holding, limit: campaign.inFlightMax });
  }
  if (campaign.unproven && campaign.unproven.count >= campaign.unproven.limit) {
    return reason('limit.unproven', campaign.unproven);
  }
  if (campaign.startTokens < 1) {
    return reason('limit.rate', { limit: Math.round(campaign.ratePerMinute * 10) / 10 }, campaign.nextTokenMs);
  }
  return deployment.stepVersion === null
    ? reason('engine.due')
    : reason('requires.step', { version: deployment.stepVersion });
}
