/**
 * What a person may ask of a campaign: which devices (selector) and how (policy). The domain checks what a
 * form cannot (`apps/server/src/domain/campaign/check-policy.ts`); every number here has its unit in its name.
 */
import { z } from 'zod';
import { ModelName } from '../ids.js';
import { DeviceFilter } from './device-filter-api.js';
import { MAX_RAW_PORT_MINUTES } from './raw-port-api.js';
import { MaintenanceWindow } from './windows-api.js';

const DAY_MS = 86_400_000;

/**
 * Which devices. All given lists must match; within a list one is enough. Devices of another model than
 * the artifact's are never members, whatever the selector says (P7).
 */
export const Selector = z.strictObject({
  models: z.array(ModelName).max(64).optional(),
  /** Every tag given must be on the device, with this value. */
  tags: z.record(z.string().min(1).max(64), z.string().max(256)).optional(),
  /** Site names or ids. */
  sites: z.array(z.string().min(1).max(128)).max(1000).optional(),
  /** Gateway names or ids. */
  gateways: z.array(z.string().min(1).max(128)).max(1000).optional(),
  /** Versions as the running application states them. */
  runningVersions: z.array(z.string().max(128)).max(256).optional(),
  /** Device ids. */
  devices: z.array(z.uuid()).max(10_000).optional(),
  /** Id of a campaign: devices that run its artifact by it, or are at risk since it began with them. */
  updatedBy: z.uuid().optional(),
  /** A filter over devices (see `DeviceFilter`) that must match as well. */
  filter: DeviceFilter.optional(),
});
export type Selector = z.infer<typeof Selector>;

/** Opens the next stage. A gate that cannot be evaluated stays shut (P11). */
export const Gate = z.strictObject({
  /** Fewest known results (proven, failed, reverted; unproven where the policy accepts it). */
  minKnown: z.int().min(1).max(10_000_000).default(1),
  /** Greatest (failed + reverted + suspect) / (known + suspect), 0..1. */
  maxFailureShare: z.number().min(0).max(1).default(0.05),
  /** How long the stage is watched after its gate first held. */
  soakMs: z
    .int()
    .min(0)
    .max(90 * DAY_MS)
    .default(0),
  /** A person must approve before the gate opens. */
  approval: z.boolean().default(false),
  /**
   * Running versions (as they were before the update) of which at least one device must have a known result, in this
   * stage or an earlier one: `all` of the campaign, or those named.
   */
  strata: z.union([z.literal('all'), z.array(z.string().max(128)).min(1).max(64)]).optional(),
});
export type Gate = z.infer<typeof Gate>;

/**
 * One group of devices: a share, a number, or those that a filter matches. The last stage takes everything left and
 * may say nothing; where all stages are shares, they add up to 100.
 */
export const StagePolicy = z.strictObject({
  name: z.string().regex(/^[a-z0-9][a-z0-9.-]{0,62}$/),
  /** Share of the members, in percent. */
  percent: z.number().gt(0).max(100).optional(),
  /** Number of members. */
  count: z.int().min(1).max(10_000_000).optional(),
  /** Members that match. */
  filter: DeviceFilter.optional(),
  gate: Gate.prefault({}),
  /** After it the stage is held for a person. */
  deadlineMs: z
    .int()
    .min(1000)
    .max(366 * DAY_MS)
    .default(7 * DAY_MS),
});
export type StagePolicy = z.infer<typeof StagePolicy>;

const RetryRule = z.strictObject({
  /** Tries in all, the first included. */
  maxAttempts: z.int().min(1).max(20),
  /** Wait before the next try; doubles with each. */
  backOffMs: z.int().min(0).max(DAY_MS),
});
export type RetryRule = z.infer<typeof RetryRule>;

/** Retry rules by the blame of the error code. Codes whose recovery is `none` are never tried again. */
export const RetryPolicy = z.strictObject({
  firmware: RetryRule.prefault({ maxAttempts: 2, backOffMs: 300_000 }),
  device: RetryRule.prefault({ maxAttempts: 3, backOffMs: 60_000 }),
  link: RetryRule.prefault({ maxAttempts: 5, backOffMs: 30_000 }),
  gateway: RetryRule.prefault({ maxAttempts: 5, backOffMs: 60_000 }),
  server: RetryRule.prefault({ maxAttempts: 5, backOffMs: 30_000 }),
  operator: RetryRule.prefault({ maxAttempts: 3, backOffMs: 60_000 }),
  /** The back-off never grows beyond it. */
  backOffMaxMs: z.int().min(0).max(DAY_MS).default(3_600_000),
});
export type RetryPolicy = z.infer<typeof RetryPolicy>;

/** A plain threshold beside the sequential test: bad devices among those tried. */
const BrakeThreshold = z.strictObject({
  minTried: z.int().min(1).max(10_000_000),
  maxFailureShare: z.number().gt(0).lt(1),
});

/** When a campaign halts by itself. One error level is shared by all tests that can ring. */
export const BrakePolicy = z.strictObject({
  /** Failure rate of devices that is still accepted, 0..1. */
  limit: z.number().gt(0).max(0.5).default(0.02),
  /** Probability that a campaign whose devices all keep the limit is ever halted. */
  alpha: z.number().min(0.0001).max(0.2).default(0.01),
  /** Share of devices that may use up their tries for reasons of the link. */
  transportLimit: z.number().gt(0).max(0.5).default(0.1),
  /** Lower the limit by what recent campaigns of the model showed, where there are enough of them. */
  baseline: z.boolean().default(true),
  thresholds: z.array(BrakeThreshold).max(8).default([]),
});
export type BrakePolicy = z.infer<typeof BrakePolicy>;

/** How quickly devices are started. */
export const PacePolicy = z.discriminatedUnion('kind', [
  z.strictObject({
    kind: z.literal('ramp'),
    /** Starts per minute at the beginning, doubling every `doublingMinutes` up to `maxPerMinute`. */
    startPerMinute: z.number().gt(0).max(100_000).default(60),
    doublingMinutes: z.number().min(1).max(10_080).default(30),
    maxPerMinute: z.number().gt(0).max(100_000).default(600),
  }),
  z.strictObject({
    kind: z.literal('steps'),
    /** Starts per minute, times `factor` for each `everyProven` proven devices. */
    startPerMinute: z.number().gt(0).max(100_000),
    factor: z.number().gt(1).max(10).default(2),
    everyProven: z.int().min(1).max(1_000_000),
    maxPerMinute: z.number().gt(0).max(100_000).default(600),
  }),
]);
export type PacePolicy = z.infer<typeof PacePolicy>;

/** Where an urgent campaign says nothing of stages: few devices first, and not for long. */
const URGENT_STAGES = [
  { name: 'canary', percent: 2, deadlineMs: 3_600_000 },
  { name: 'all', percent: 98 },
];

const DEFAULT_VENDOR_TOOL_MINUTES = 20;
/** Behind the end of the tool's time, for leaving the port. */
export const VENDOR_TOOL_GRACE_MS = 60_000;
const VENDOR_TOOL_STAGES = [{ name: 'device', percent: 100 }];

/** How many may be under way at once. */
export const Limits = z.strictObject({
  /** Deployments under way at once, campaign-wide. */
  inFlight: z.int().min(1).max(100_000).default(200),
  /** Under way at once before anything is proven; each proven device earns `earnedPerProven` more, up to `inFlight`. */
  firstInFlight: z.int().min(1).max(100_000).default(10),
  earnedPerProven: z.number().min(0).max(1_000).default(1),
  /** Under way at once on one gateway, whatever the campaign. */
  perGateway: z.int().min(1).max(32).default(4),
  /** Under way at once at one site, whatever the campaign. */
  perSite: z.int().min(1).max(100_000).optional(),
  /** Results that may stand unproven before nothing more is started; a person raises it. */
  unproven: z.int().min(1).max(10_000_000).optional(),
});
export type Limits = z.infer<typeof Limits>;

const PolicyFields = z.strictObject({
  stages: z
    .array(StagePolicy)
    .min(1)
    .max(32)
    .prefault([
      { name: 'canary', percent: 5 },
      { name: 'all', percent: 95 },
    ]),
  /** `frozen`: those that match at the start. `dynamic`: also those that match later; they join the last stage. */
  membership: z.enum(['frozen', 'dynamic']).default('frozen'),
  limits: Limits.prefault({}),
  pace: PacePolicy.prefault({ kind: 'ramp' }),
  brake: BrakePolicy.prefault({}),
  /** Nothing starts outside of them, nor what would not end within; empty: always. Urgent campaigns ignore them. */
  windows: z.array(MaintenanceWindow).max(16).default([]),
  /** Not before this moment. */
  startAt: z.iso.datetime({ offset: true }).optional(),
  /** People who must approve before it starts, each another one. Urgent campaigns need two. */
  approvals: z.int().min(0).max(5).default(0),
  /** Least charge of devices that state one, in percent. */
  minBatteryPercent: z.int().min(1).max(100).optional(),
  timeouts: z
    .strictObject({
      /** From the grant until the first touch at the latest; renewed while the gateway fetches. */
      startMs: z.int().min(5_000).max(900_000).default(300_000),
      downloadMs: z
        .int()
        .min(1000)
        .max(7 * DAY_MS)
        .default(900_000),
      transferMs: z.int().min(1000).max(DAY_MS).default(1_800_000),
      activateMs: z.int().min(1000).max(DAY_MS).default(120_000),
      proveMs: z.int().min(1000).max(DAY_MS).default(120_000),
    })
    .prefault({}),
  retry: RetryPolicy.prefault({}),
  /** `unproven` results count as known and not failed. Needed for models that can only be unproven. */
  acceptUnproven: z.boolean().default(false),
  allowDowngrade: z.boolean().default(false),
  /** Where the protocol has a trial boot: confirm after the proof, or at once. */
  confirm: z.enum(['after-proof', 'at-once']).default('after-proof'),
  /**
   * What an abort does with devices that have no running application: go on rescuing them with the campaign's artifact,
   * with another one (`restore`, usually what ran before), or leave them.
   */
  onAbort: z.union([z.enum(['finish', 'leave']), z.strictObject({ restore: z.uuid() })]).default('finish'),
  /** From the start; then the campaign is paused for a person. */
  deadlineMs: z
    .int()
    .min(1000)
    .max(366 * DAY_MS)
    .default(30 * DAY_MS),
  /** A security patch: names the advisory, needs two approvers, ignores windows, preempts grants not yet started. */
  urgent: z
    .strictObject({
      /** Its CVE number or its id. */
      advisory: z.string().min(1).max(128),
    })
    .optional(),
  /**
   * Not updated by Drydock: the raw port of the one device that the selector names goes to its vendor's tool, which joins
   * over the server. Role admin; the gateway's site file must open the port.
   */
  vendorTool: z
    .strictObject({
      /** The tool's time, from the moment both ends have joined. */
      minutes: z.int().min(1).max(MAX_RAW_PORT_MINUTES).default(DEFAULT_VENDOR_TOOL_MINUTES),
    })
    .optional(),
});

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** What a kind of campaign says where its policy says nothing. */
function withKindDefaults(policy: unknown): unknown {
  if (!isRecord(policy)) return policy;
  if (policy['urgent'] !== undefined) return { ...policy, stages: policy['stages'] ?? URGENT_STAGES };
  const { vendorTool, timeouts } = policy;
  if (!isRecord(vendorTool)) return policy;
  const minutes = vendorTool['minutes'] ?? DEFAULT_VENDOR_TOOL_MINUTES;
  return {
    ...policy,
    stages: policy['stages'] ?? VENDOR_TOOL_STAGES,
    ...(typeof minutes === 'number' && {
      timeouts: {
        transferMs: minutes * 60_000 + VENDOR_TOOL_GRACE_MS,
        // Joining takes people and their tools a while; a module that comes back from its loader, minutes.
        startMs: 900_000,
        activateMs: 300_000,
        ...(isRecord(timeouts) && timeouts),
      },
    }),
  };
}

/**
 * Left out, stages are a canary of 5 % and the rest; of 2 % and one hour where the campaign is urgent; the one device of a
 * campaign for a vendor's tool.
 */
export const Policy = z.preprocess(withKindDefaults, PolicyFields);
export type Policy = z.infer<typeof Policy>;
