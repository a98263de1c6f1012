/** One device's way to the artifact, as the rules see it. Times are milliseconds of the server's clock. */
import {
  HOLDING_DEPLOYMENT_STATES,
  DEPLOYMENT_LIFECYCLE,
  mayMove,
  type DeploymentState,
  type IdentityFact,
  type RunningImageFact,
} from '@drydock/contracts';

export type Params = Readonly<Record<string, string | number | boolean | null>>;

export interface DeploymentStep {
  readonly kind: 'stone' | 'restore';
  readonly artifactId: string;
}

export interface DeploymentFacts {
  readonly id: string;
  readonly campaignId: string;
  readonly stageIdx: number;
  readonly deviceId: string;
  readonly gatewayId: string | null;
  readonly state: DeploymentState;
  readonly reign: number;
  /** Newest attempt granted; 0 before the first. */
  readonly attempt: number;
  /** Attempts that were really tried (unused grants are not). */
  readonly tries: number;
  readonly unusedGrants: number;
  /** The gateway said that it holds the present attempt. An agent touches nothing before that is committed. */
  readonly heard: boolean;
  readonly startByMs: number | null;
  readonly finishByMs: number | null;
  readonly notBeforeMs: number | null;
  readonly touchedAtMs: number | null;
  /** The application was erased or the new image activated, and it is not proven since. */
  readonly atRisk: boolean;
  readonly atRiskAtMs: number | null;
  readonly needsRescue: boolean;
  readonly cancelMode: 'before-start' | 'safe-point' | null;
  readonly outcomeCode: string | null;
  readonly outcomeReason: string | null;
  readonly outcomeParams: Params | null;
  readonly beforeRunning: readonly RunningImageFact[] | null;
  readonly afterRunning: readonly RunningImageFact[] | null;
  readonly corrected: boolean;
  /** What is granted instead of the campaign's artifact: a version on the way, or what an abort restores. */
  readonly step: DeploymentStep | null;
  readonly resultEpoch: string | null;
  readonly resultSeq: number | null;
  readonly stateAtMs: number;
  readonly endedAtMs: number | null;
}

export interface DeviceFacts {
  readonly identity: IdentityFact;
}

const HOLDING: ReadonlySet<string> = new Set(HOLDING_DEPLOYMENT_STATES);
const ENDS: ReadonlySet<string> = new Set(DEPLOYMENT_LIFECYCLE.ends);

/** A grant is out: it takes a slot of the gateway and of the campaign, and fences the device. */
export function holdsGrant(state: DeploymentState): boolean {
  return HOLDING.has(state);
}

export function isEnd(state: DeploymentState): boolean {
  return ENDS.has(state);
}

/**
 * Moves a deployment along its lifecycle.
 * @param evidence admits the corrections of an end.
 * @returns undefined where the table does not allow the move.
 */
export function moveTo(
  facts: DeploymentFacts,
  state: DeploymentState,
  nowMs: number,
  evidence = false,
): DeploymentFacts | undefined {
  if (!mayMove(DEPLOYMENT_LIFECYCLE, facts.state, state, evidence)) return undefined;
  return {
    ...facts,
    state,
    stateAtMs: nowMs,
    endedAtMs: isEnd(state) ? nowMs : null,
    corrected: facts.corrected || isEnd(facts.state),
  };
}
