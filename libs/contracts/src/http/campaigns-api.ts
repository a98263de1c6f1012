/**
 * `/api/v1/campaigns`: what people and tools say about campaigns.
 *
 * - `POST   campaigns`                      CampaignDraft -> Campaign (201)          operator
 * - `GET    campaigns`                      CampaignPage                             viewer
 * - `GET    campaigns/{id}`                 Campaign, `ETag` = revision              viewer
 * - `GET    campaigns-by-name/{name}`       Campaign                                 viewer
 * - `PUT    campaigns/{id}`                 CampaignDraft, `If-Match` -> Campaign    operator
 * - `POST   campaigns/preview`              CampaignDraft -> CampaignPreview         operator
 * - `POST   campaigns/{id}/start`           StartCampaign -> Campaign                operator
 * - `POST   campaigns/{id}/approve`         Approve -> Campaign                      approver
 * - `POST   campaigns/{id}/stages/{index}/approve`   Approve -> Campaign             approver
 * - `POST   campaigns/{id}/decline`         Decline -> Campaign, a draft again       approver
 * - `POST   campaigns/{id}/withdraw`        StopCampaign -> Campaign, a draft again  operator
 * - `POST   campaigns/{id}/pause|halt`      StopCampaign -> PauseAnswer              operator
 * - `POST   campaigns/{id}/abort`           AbortCampaign -> PauseAnswer             operator
 * - `POST   campaigns/{id}/resume`          ResumeCampaign -> Campaign               operator
 * - `GET    campaigns/{id}/exposure`        PauseAnswer, as of now                   viewer
 * - `GET    campaigns/{id}/deployments`     DeploymentPage                           viewer
 * - `GET    campaigns/{id}/brake`           BrakeBody                                viewer
 * - `POST   campaigns/{id}/complete`        CompleteCampaign -> Campaign             operator
 * - `POST   campaigns/{id}/quarantines/{id}/lift`    LetGoOn -> Campaign             operator
 * - `POST   campaigns/{id}/strata/{index}/release`   LetGoOn -> Campaign             operator
 * - `POST   campaigns/{id}/rollback`        RollBack -> Campaign, a new draft (201)  operator
 * - `POST   campaigns/{id}/devices/{device}/cancel`  CancelDeployment -> Deployment  operator
 */
import { z } from 'zod';
import { ModelName } from '../ids.js';
import { CAMPAIGN_STATES, DEPLOYMENT_STATES, STAGE_STATES } from '../lifecycles.js';
import { RunningImageFact } from '../wire/device-facts.js';
import { Gate, Policy, Selector } from './campaign-policy.js';
import { GateLine, PartsBody, SharesBody } from './campaign-shares-api.js';

/** A code of `REASON_CODES` with its parameters and the sentence made from both. */
export const ReasonBody = z.object({
  code: z.string(),
  params: z.record(z.string(), z.union([z.string(), z.number(), z.boolean(), z.null()])),
  /** When it changes by itself, where that is known (milliseconds, server's clock). */
  until: z.number().optional(),
  sentence: z.string(),
});
export type ReasonBody = z.infer<typeof ReasonBody>;

/** Names that mean something else in the address of a page; the server refuses them. */
export const RESERVED_CAMPAIGN_NAMES: readonly string[] = ['new'];

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
const planDigest = z.string().regex(/^[0-9a-f]{64}$/, 'is no SHA-256');
export const Approve = z.strictObject({
  reason: reason.optional(),
  /** The plan that the person saw; refused where it is another one by now. */
  planDigest: planDigest.optional(),
});
export type Approve = z.infer<typeof Approve>;
/** A plan that was put up for approval and has not got all of it goes back to a draft after so long. */
export const APPROVAL_HOURS = 72;

/** The plan goes back to who made it, with the reason; approvals that were given are void. */
export const Decline = z.strictObject({ reason, planDigest: planDigest.optional() });
export type Decline = z.infer<typeof Decline>;
/** A campaign that takes its devices back to what they ran before. */
export const RollBack = z.strictObject({
  reason,
  /** Needed only where the devices ran several versions before, or none that is stored. */
  artifactId: z.uuid().optional(),
});
export type RollBack = z.infer<typeof RollBack>;
export const AbortCampaign = z.strictObject({
  reason,
  /** What happens to updates under way: they finish, or leave at the next point where the device still works. */
  running: z.enum(['finish', 'safe-point']).default('finish'),
});
/** A person answers for going on: halted campaigns and stages that failed or are held go on with it. */
export const ResumeCampaign = z.strictObject({
  reason,
  /**
   * From now on `unproven` results count as known and not failed, as the policy's `acceptUnproven` would have said from the
   * start. For gates that cannot be evaluated because what they wait for ended unproven.
   */
  acceptUnproven: z.literal(true).optional(),
});
/** Why a quarantine or a stopped stratum may go on. */
export const LetGoOn = z.strictObject({ reason });
/** A campaign of membership `dynamic` whose members are all finished takes no more. */
export const CompleteCampaign = z.strictObject({ reason });
export const CancelDeployment = z.strictObject({
  reason,
  mode: z.enum(['before-start', 'safe-point']).default('before-start'),
});
export type StartCampaign = z.infer<typeof StartCampaign>;
export type StopCampaign = z.infer<typeof StopCampaign>;
export type AbortCampaign = z.infer<typeof AbortCampaign>;
export type ResumeCampaign = z.infer<typeof ResumeCampaign>;
export type LetGoOn = z.infer<typeof LetGoOn>;
export type CompleteCampaign = z.infer<typeof CompleteCampaign>;
export type CancelDeployment = z.infer<typeof CancelDeployment>;

/** P2. Times are milliseconds of the server's clock. Holds for agents that keep the protocol. */
const exposureNumbers = {
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
};
export const PauseAnswer = z.object({
  state: z.enum(CAMPAIGN_STATES),
  ...exposureNumbers,
  /** Of `running`: erased or activated already. The others can stop where the device still works. */
  mustFinish: z.int().min(0),
  /** The same numbers, of devices behind gateways that are connected now and behind those that are away. */
  byReach: z.object({
    connected: z.object({ ...exposureNumbers, gateways: z.int().min(0) }),
    absent: z.object({ ...exposureNumbers, gateways: z.int().min(0) }),
  }),
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
  percent: z.number().nullable(),
  count: z.int().nullable(),
  filter: z.string().nullable(),
  gate: Gate,
  state: z.enum(STAGE_STATES),
  /** Who approved its gate, where it wants that. */
  approvedBy: z.string().nullable(),
  note: z.string().nullable(),
  size: z.int().nullable(),
  openedAt: z.iso.datetime().nullable(),
  endedAt: z.iso.datetime().nullable(),
  deadlineAt: z.iso.datetime().nullable(),
  sums: SumsBody,
  shares: SharesBody,
  parts: PartsBody,
  /** Every condition of its gate; empty for the last stage, which has none behind it to open. */
  gateLines: z.array(GateLine),
});
export type StageBody = z.infer<typeof StageBody>;

/** Devices of one model and one running version (before the update): a coverage stratum. */
export const StratumBody = z.object({
  index: z.int(),
  /** Running version before the update; empty where it is not known. */
  version: z.string(),
  size: z.int(),
  /** Devices of it in the first stage; 0: its first devices go one by one before the rest of it. */
  inFirstStage: z.int(),
  tried: z.int(),
  stopped: z.object({ at: z.iso.datetime(), note: z.string() }).nullable(),
});
export type StratumBody = z.infer<typeof StratumBody>;

/** A gateway or site that fails more than the others: nothing is started there until it is lifted or a probe is proven. */
export const QuarantineBody = z.object({
  id: z.uuid(),
  kind: z.enum(['gateway', 'site']),
  ref: z.object({ id: z.uuid(), name: z.string() }),
  at: z.iso.datetime(),
  note: z.string(),
  /** When one device is tried there again. */
  probeAt: z.iso.datetime().nullable(),
});
export type QuarantineBody = z.infer<typeof QuarantineBody>;

const moment = z.iso.datetime();

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
  shares: SharesBody,
  parts: PartsBody,
  /** The stage that is worked on; null before the first opens and after the last passed. */
  stage: z.object({ index: z.int(), of: z.int(), name: z.string(), state: z.enum(STAGE_STATES) }).nullable(),
  createdBy: z.string().nullable(),
  /** Its newest forecast while it runs; null where there is none. A null quantile lies behind the deadline. */
  ends: z.object({ p10: moment.nullable(), p50: moment.nullable(), p90: moment.nullable() }).nullable(),
  stages: z.array(StageBody),
  /** SHA-256 over artifact, devices and policy: what an approval is of. */
  planDigest: z.string(),
  exposure: PauseAnswer.nullable(),
  /** What the last stop promised: no device is first touched after it. Null where it was never stopped, or goes on. */
  noneAfter: z.iso.datetime().nullable(),
  startAt: z.iso.datetime().nullable(),
  approvals: z.object({
    needed: z.int(),
    given: z.array(z.object({ by: z.string(), at: z.iso.datetime(), reason: z.string().nullable() })),
  }),
  /** The campaign whose devices it takes back to what they ran before. */
  rollsBack: z.uuid().nullable(),
  /** Urgent campaigns: grants of others that had not started and were taken back when it began. */
  preempted: z.int().nullable(),
  /** The brake's evidence is rising: pace does not grow and no stage opens. */
  amber: z.boolean(),
  /** Running, and nothing starts until a person has mended something: what, and what can be done. Null otherwise. */
  standing: z.object({ code: z.string(), since: z.iso.datetime(), sentence: z.string() }).nullable(),
  strata: z.array(StratumBody),
  quarantines: z.array(QuarantineBody),
});
export type Campaign = z.infer<typeof Campaign>;

export const CampaignSummary = Campaign.omit({
  selector: true,
  policy: true,
  stages: true,
  planDigest: true,
  exposure: true,
  noneAfter: true,
  preempted: true,
  rollsBack: true,
  startAt: true,
  approvals: true,
  standing: true,
  strata: true,
  quarantines: true,
});
export type CampaignSummary = z.infer<typeof CampaignSummary>;

/** Allowed, and likely to be regretted. */
export const PlanWarning = z.object({
  code: z.enum([
    'gate.needs-nearly-all',
    'window.shorter-than-update',
    'limit.below-usual-share',
    'canary.without-stratum',
    'devices.long-unseen',
    'approvals.more-than-people',
  ]),
  path: z.string(),
  params: z.record(z.string(), z.union([z.string(), z.number()])),
  sentence: z.string(),
  mend: z.string(),
});
export type PlanWarning = z.infer<typeof PlanWarning>;

/** Who would be a member now, before anything is written. */
export const CampaignPreview = z.object({
  /** Devices to be updated. */
  members: z.int(),
  stages: z.array(z.object({ name: z.string(), size: z.int() })),
  strata: z.array(StratumBody.pick({ version: true, size: true, inFirstStage: true })),
  /** Left out, by reason. */
  skipped: z.array(z.object({ reason: z.string(), count: z.int() })),
  /** A few of the first stage. */
  sample: z.array(z.object({ id: z.uuid(), name: z.string().nullable(), version: z.string().nullable() })),
  /** Versions that cannot take the artifact at once, and which stored versions they take on the way to it. */
  steps: z.array(z.object({ version: z.string(), through: z.array(z.string()), count: z.int() })),
  /** What a person should know: strata without a canary, small strata. */
  notes: z.array(z.string()),
  warnings: z.array(PlanWarning),
  /** The brake rings when so many failures lie within so many first tried; by the policy alone. */
  staircase: z.array(z.object({ failures: z.int(), within: z.int() })),
});
export type CampaignPreview = z.infer<typeof CampaignPreview>;

/** Keyset pages: hand `next` back as `after`; absent on the last page. */
export const CampaignPage = z.object({ items: z.array(CampaignSummary), next: z.string().optional() });
export type CampaignPage = z.infer<typeof CampaignPage>;

export const CampaignQuery = z.object({
  /** One state, or several with commas between them. */
  state: z
    .string()
    .max(200)
    .transform((text) => text.split(','))
    .pipe(z.array(z.enum(CAMPAIGN_STATES)).max(CAMPAIGN_STATES.length))
    .optional(),
  /** `true`: neither drafts nor those that are over. */
  live: z.enum(['true', 'false']).optional(),
  /** The whole name. */
  name: z.string().max(63).optional(),
  /** Part of the name. */
  text: z.string().max(63).optional(),
  artifact: z.uuid().optional(),
  model: ModelName.optional(),
  /** In the language of filters: `state==halted;model==sensor-*`; see `FilterScope` `campaign`. */
  filter: z.string().max(8192).optional(),
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
  stage: z.coerce.number().int().min(0).max(1000).optional(),
  limit: z.coerce.number().int().min(1).max(500).default(100),
  after: z.string().max(200).optional(),
});
export type DeploymentQuery = z.infer<typeof DeploymentQuery>;
