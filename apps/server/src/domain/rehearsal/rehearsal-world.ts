/** What a rehearsal plays with: the members of a campaign as they are now, and how their world is drawn. */
import type { DeploymentState, Policy, StageState } from '@drydock/contracts';
import type { FittedHistory, RunOutcome } from '../forecast/index.js';

export interface RehearsalDevice {
  /** Index of its gateway; null: none knows a link to it, so it is out of reach. */
  readonly gateway: number | null;
  readonly stage: number;
  /** Index of its stratum (running version). */
  readonly stratum: number;
  /** Index of its redundancy group; null for none. */
  readonly group: number | null;
}

export interface RehearsalGateway {
  readonly id: string;
  readonly site: number;
  readonly online: boolean;
}

export interface RehearsalFleet {
  /** In the order of the campaign: stage by stage. */
  readonly devices: readonly RehearsalDevice[];
  readonly gateways: readonly RehearsalGateway[];
  readonly sites: readonly { readonly id: string; readonly zone: string }[];
  readonly strata: readonly string[];
  /** Members that may be out of service at once, by group. */
  readonly groups: readonly number[];
}

export interface RehearsalInput {
  readonly fleet: RehearsalFleet;
  /** As saved; a sample's pace and limits are scaled by `scale`. */
  readonly policy: Policy;
  /** Devices played / devices of the campaign. */
  readonly scale: number;
  /** Failure rate that the brake accepts. */
  readonly brakeLimit: number;
  readonly model: string;
  readonly artifactBytes: number;
  readonly history: FittedHistory;
  /** Bytes a second that the air of one gateway carries; null: its links are independent. */
  readonly gatewayBytesPerSecond: number | null;
  readonly startMs: number;
  /** Where the campaign stands by now, by stage; undefined: it has not begun. Counts of ended members, of the sample. */
  readonly begun?: readonly BegunStage[];
}

export interface BegunStage {
  readonly state: StageState;
  readonly ended: Readonly<Partial<Record<DeploymentState, number>>>;
}

/** One run, and what it asked of server and gateways. */
export interface RunResult extends RunOutcome {
  readonly started: number;
  /** Devices that the firmware failed on, those under way at a halt included. */
  readonly hit: number;
  readonly orders: number;
  readonly peakOrdersPerSecond: number;
  /** Over the links of each gateway that was used. */
  readonly linkBytes: readonly number[];
  /** Why nothing went on, where a person would have been needed. */
  readonly held: string | null;
}

/** The policy as a sample of the fleet meets it: pace and limits shrink with the fleet, shares do not. */
export function scaledPolicy(policy: Policy, scale: number): Policy {
  if (scale >= 1) return policy;
  const most = (n: number): number => Math.max(1, Math.round(n * scale));
  const { limits, pace } = policy;
  return {
    ...policy,
    stages: policy.stages.map((stage) => ({
      ...stage,
      gate: { ...stage.gate, minKnown: most(stage.gate.minKnown) },
    })),
    limits: {
      ...limits,
      inFlight: most(limits.inFlight),
      firstInFlight: most(limits.firstInFlight),
      ...(limits.unproven !== undefined && { unproven: most(limits.unproven) }),
    },
    pace: {
      ...pace,
      startPerMinute: pace.startPerMinute * scale,
      maxPerMinute: pace.maxPerMinute * scale,
      ...(pace.kind === 'steps' && { everyProven: most(pace.everyProven) }),
    },
  };
}
