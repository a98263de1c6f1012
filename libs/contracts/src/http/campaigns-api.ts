/**
 * `/api/v1/campaigns`: what people and tools say about campaigns.
 *
 * - `POST   campaigns`                      CampaignDraft -> Campaign (201)          operator
 * - `GET    campaigns`                      CampaignPage                             viewer
 * - `GET    campaigns/{id}`                 Campaign, `ETag` = revision              viewer
 * - `PUT    campaigns/{id}`                 CampaignDraft, `If-Match` -> Campaign    operator
 * - `POST   campaigns/{id}/start`           StartCampaign -> Campaign                operator
 * - `POST   campaigns/{id}/pause|halt`      StopCampaign -> PauseAnswer              operator
 * - `POST   campaigns/{id}/abort`           AbortCampaign -> PauseAnswer             operator
 * - `POST   campaigns/{id}/resume`          ResumeCampaign -> Campaign               operator
 * - `GET    campaigns/{id}/exposure`        PauseAnswer, as of now                   viewer
 * - `GET    campaigns/{id}/deployments`     DeploymentPage                           viewer
 * - `POST   campaigns/{id}/devices/{device}/cancel`  CancelDeployment -> Deployment  operator
 */
import { z } from 'zod';
import { CAMPAIGN_STATES, DEPLOYMENT_STATES, STAGE_STATES } from '../lifecycles.js';
import { RunningImageFact } from '../wire/device-facts.js';
import { ModelName } from '../ids.js';
import { DeviceFilter } from './device-filter-api.js';

/** A code of `REASON_CODES` with its parameters and the sentence made from both. */
export const ReasonBody = z.object({
  code: z.string(),
  params: z.record(z.string(), z.union([z.string(), z.number(), z.boolean(), z.null()])),
  /** When it changes by itself, where that is known (milliseconds, server's clock). */
  until: z.number().optional(),
  sentence: z.string(),
});
export type ReasonBody = z.infer<typeof ReasonBody>;

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
  /** A filter over devices (see `DeviceFilter`) that must match as well. */
  filter: DeviceFilter.optional(),
});
export type Selector = z.infer<typeof Selector>;

const DAY_MS = 86_400_000;

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
});
export type Gate = z.infer<typeof Gate>;

export const StagePolicy = z.strictObject({
  name: z.string().regex(/^[a-z0-9][a-z0-9.-]{0,62}$/),
  /** Share of the members, in percent. The shares of all stages add up to 100. */
  percent: z.number().gt(0).max(100),
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

export const Policy = z.strictObject({
  stages: z
    .array(StagePolicy)
    .min(1)
    .max(32)
    .prefault([
      { name: 'canary', percent: 5 },
      { name: 'all', percent: 95 },
    ]),
  limits: z
    .strictObject({
      /** Deployments under way at once, campaign-wide. */
      inFlight: z.int().min(1).max(100_000).default(200),
      /** Under way at once on one gateway, whatever the campaign. */
      perGateway: z.int().min(1).max(32).default(4),
      /** Grants in any 60 s. */
      startsPerMinute: z.int().min(1).max(100_000).default(600),
    })
    .prefault({}),
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
  /** What an abort does with devices that have no running application: go on rescuing them, or leave them. */
  onAbort: z.enum(['finish', 'leave']).default('finish'),
  /** From the start; then the campaign is paused for a person. */
  deadlineMs: z
    .int()
    .min(1000)
    .max(366 * DAY_MS)
    .default(30 * DAY_MS),
});
export type Policy = z.infer<typeof Policy>;

export const CampaignDraft = z.strictObject({
  name: z.string().regex(/^[a-z0-9][a-z0-9.-]{0,62}$/),
  note: z.string().max(2000).default(''),
  artifactId: z.uuid(),
  selector: Selector.prefault({}),
  policy: Policy.prefault({}),
});
export type CampaignDraft = z.infer<typeof CampaignDraft>;

const reason = z.string().trim().min(1).max(500);
export const StartCampaign = z.strictObject({ reason: reason.optional() });
export const StopCampaign = z.strictObject({ reason });
export const AbortCampaign = z.strictObject({
  reason,
  /** What happens to updates under way: they finish, or leave at the next point where the device still works. */
  running: z.enum(['finish', 'safe-point']).default('finish'),
});
/** A person answers for going on: halted campaigns and stages that failed or are held go on with it. */
export const ResumeCampaign = z.strictObject({ reason });
export const CancelDeployment = z.strictObject({
  reason,
  mode: z.enum(['before-start', 'safe-point']).default('before-start'),
});
export type StartCampaign = z.infer<typeof StartCampaign>;
export type StopCampaign = z.infer<typeof StopCampaign>;
export type AbortCampaign = z.infer<typeof AbortCampaign>;
export type ResumeCampaign = z.infer<typeof ResumeCampaign>;
export type CancelDeployment = z.infer<typeof CancelDeployment>;

/** P2. Times are milliseconds of the server's clock. Holds for agents that keep the protocol. */
export const PauseAnswer = z.object({
  state: z.enum(CAMPAIGN_STATES),
  /** Devices not yet known to be touched whose grant still allows it: an upper bound that only falls. */
  mayStillStart: z.int().min(0),
  /** At this moment `mayStillStart` is 0, even with every gateway cut off; the clock margin is included. */
  noneAfter: z.int(),
  /** Touched and not ended. */
  running: z.int().min(0),
  /** Without a running application; they are granted a rescue even while paused. */
  rescue: z.int().min(0),
  /** Everything under way is over by then, or counts as lost. */
  doneBy: z.int(),
});
export type PauseAnswer = z.infer<typeof PauseAnswer>;

/** Deployments by state, zeros left out; the sum over all states is the number of members. */
export const StateCounts = z.partialRecord(z.enum(DEPLOYMENT_STATES), z.int().min(0));
export type StateCounts = z.infer<typeof StateCounts>;

/** The sums of the design, the same for gates, API and screens. */
export const SumsBody = z.object({
  total: z.int(),
  planned: z.int(),
  /** Granted and not known to be touched. */
  granted: z.int(),
  running: z.int(),
  rescue: z.int(),
  proven: z.int(),
  unproven: z.int(),
  failed: z.int(),
  reverted: z.int(),
  cancelled: z.int(),
  skipped: z.int(),
  lost: z.int(),
  /** proven + failed + reverted (+ unproven where accepted). */
  known: z.int(),
  /** Erased or activated, heard of since, and neither proven nor ended otherwise. */
  suspect: z.int(),
  /** Not finished, or lost behind a silent gateway. */
  unresolved: z.int(),
  /** (failed + reverted + suspect) / (known + suspect); null while nothing is known. */
  failureShare: z.number().nullable(),
  /** proven / known; null while nothing is known. */
  successRate: z.number().nullable(),
});
export type SumsBody = z.infer<typeof SumsBody>;

export const StageBody = z.object({
  index: z.int(),
  name: z.string(),
  percent: z.number(),
  gate: Gate,
  state: z.enum(STAGE_STATES),
  note: z.string().nullable(),
  size: z.int().nullable(),
  openedAt: z.iso.datetime().nullable(),
  endedAt: z.iso.datetime().nullable(),
  deadlineAt: z.iso.datetime().nullable(),
  sums: SumsBody,
});
export type StageBody = z.infer<typeof StageBody>;

export const Campaign = z.object({
  id: z.uuid(),
  name: z.string(),
  note: z.string(),
  artifact: z.object({
    id: z.uuid(),
    sha256: z.string(),
    fileName: z.string(),
    model: z.string(),
    version: z.string(),
    format: z.string(),
  }),
  selector: Selector,
  policy: Policy,
  state: z.enum(CAMPAIGN_STATES),
  stateBy: z.string().nullable(),
  stateReason: z.string().nullable(),
  stateAt: z.iso.datetime(),
  /** For `If-Match`. */
  revision: z.int(),
  createdAt: z.iso.datetime(),
  startedAt: z.iso.datetime().nullable(),
  endedAt: z.iso.datetime().nullable(),
  deadlineAt: z.iso.datetime().nullable(),
  counts: StateCounts,
  sums: SumsBody,
  stages: z.array(StageBody),
  exposure: PauseAnswer.nullable(),
});
export type Campaign = z.infer<typeof Campaign>;

export const CampaignSummary = Campaign.omit({ selector: true, policy: true, stages: true, exposure: true });
export type CampaignSummary = z.infer<typeof CampaignSummary>;

/** Keyset pages: hand `next` back as `after`; absent on the last page. */
export const CampaignPage = z.object({ items: z.array(CampaignSummary), next: z.string().optional() });
export type CampaignPage = z.infer<typeof CampaignPage>;

export const CampaignQuery = z.object({
  state: z.enum(CAMPAIGN_STATES).optional(),
  limit: z.coerce.number().int().min(1).max(200).default(50),
  after: z.string().max(200).optional(),
});
export type CampaignQuery = z.infer<typeof CampaignQuery>;

export const Deployment = z.object({
  id: z.uuid(),
  campaignId: z.uuid(),
  device: z.object({ id: z.uuid(), name: z.string().nullable(), identity: z.string(), model: z.string().nullable() }),
  gateway: z.object({ id: z.uuid(), name: z.string() }).nullable(),
  stage: z.int(),
  /** Order of granting within the campaign; null until the first grant. */
  ordinal: z.int().nullable(),
  state: z.enum(DEPLOYMENT_STATES),
  attempt: z.int(),
  tries: z.int(),
  unusedGrants: z.int(),
  atRisk: z.boolean(),
  needsRescue: z.boolean(),
  notBefore: z.iso.datetime().nullable(),
  startBy: z.iso.datetime().nullable(),
  finishBy: z.iso.datetime().nullable(),
  touchedAt: z.iso.datetime().nullable(),
  stateAt: z.iso.datetime(),
  endedAt: z.iso.datetime().nullable(),
  outcomeCode: z.string().nullable(),
  outcomeReason: z.string().nullable(),
  outcomeParams: z.record(z.string(), z.unknown()).nullable(),
  before: z.array(RunningImageFact).nullable(),
  after: z.array(RunningImageFact).nullable(),
  corrected: z.boolean(),
});
export type Deployment = z.infer<typeof Deployment>;

export const DeploymentPage = z.object({ items: z.array(Deployment), next: z.string().optional() });
export type DeploymentPage = z.infer<typeof DeploymentPage>;

export const DeploymentQuery = z.object({
  state: z.enum(DEPLOYMENT_STATES).optional(),
  stage: z.coerce.number().int().min(0).optional(),
  limit: z.coerce.number().int().min(1).max(500).default(100),
  after: z.string().max(200).optional(),
});
export type DeploymentQuery = z.infer<typeof DeploymentQuery>;
