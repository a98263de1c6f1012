/**
 * `/api/v1/campaigns/{id}`: what the page of a campaign shows beside the campaign itself. All of it: viewer.
 *
 * - `GET members?filter=&state=&stage=&after=`    MemberPage: its devices, each with its reason
 * - `GET waiting`                                 WaitingReasons
 * - `GET series?points=`                          CampaignSeries
 * - `GET failures/groups?by=`                     FailureGroups
 * - `GET compare?a=&b=`                           GroupComparison: two groups by their filters
 * - `GET forecast`                                CampaignForecast
 * - `GET diff?against=`                           PolicyDiff; `POST campaigns/diff` takes a draft (operator)
 * - `GET export?format=`                          a row for each member, CSV or JSON lines, streamed
 * - `GET failures/export?format=`                 the same of members that failed, reverted, or are lost
 * - `GET /api/v1/approvals`                       ApprovalPage: what waits for a person's name
 */
import { z } from 'zod';
import { CAMPAIGN_STATES, DEPLOYMENT_STATES } from '../lifecycles.js';
import { CampaignDraft, Deployment, ReasonBody } from './campaigns-api.js';
import { Share } from './campaign-shares-api.js';

const moment = z.iso.datetime();
const count = z.int().min(0);

/** A `DeviceFilter` that may also ask for `state`, `stage` (by name), `code` and `from` (what it ran before) of the member. */
export const MemberFilter = z.string().max(8192);

export const MemberQuery = z.object({
  filter: MemberFilter.optional(),
  state: z.enum(DEPLOYMENT_STATES).optional(),
  stage: z.coerce.number().int().min(0).max(1000).optional(),
  limit: z.coerce.number().int().min(1).max(200).default(100),
  after: z.string().max(200).optional(),
});
export type MemberQuery = z.infer<typeof MemberQuery>;

export const Member = Deployment.extend({
  site: z.object({ id: z.uuid(), name: z.string() }),
  /** What it runs now, as it says itself. */
  version: z.string().nullable(),
  lastSeenAt: moment,
  /** Null for the proven. */
  reason: ReasonBody.nullable(),
});
export type Member = z.infer<typeof Member>;
export const MemberPage = z.object({
  items: z.array(Member),
  next: z.string().optional(),
  /** From counters; null where the filter asks for more than state and stage. */
  total: count.nullable(),
});
export type MemberPage = z.infer<typeof MemberPage>;

/** Why planned members wait, counted. */
export const WaitingReasons = z.object({
  /** All planned members. */
  waiting: count,
  /** Those whose reason was looked at: in stages that are not open all of them, in open stages the next ones. */
  looked: count,
  reasons: z.array(z.object({ code: z.string(), n: count, sentence: z.string(), until: z.number().nullable() })),
});
export type WaitingReasons = z.infer<typeof WaitingReasons>;

export const SeriesQuery = z.object({ points: z.coerce.number().int().min(2).max(500).default(300) });
export type SeriesQuery = z.infer<typeof SeriesQuery>;
export const CampaignSeries = z.object({
  /** Oldest first; the last one is of now. */
  points: z.array(
    z.object({
      at: moment,
      proven: count,
      failed: count,
      reverted: count,
      unproven: count,
      lost: count,
      inFlight: count,
      /** Members that are neither skipped nor cancelled. */
      target: count,
      /** Devices granted for the first time, so far. */
      granted: count,
      /** First grants a minute since the point before. */
      startsPerMinute: z.number().nullable(),
    }),
  ),
  /** Points that are farther apart have a gap between them. */
  gapMs: z.number(),
  /** The pace's greatest starts a minute. */
  capPerMinute: z.number(),
});
export type CampaignSeries = z.infer<typeof CampaignSeries>;

export const FAILURE_DIMENSIONS = ['code', 'model', 'version', 'gateway', 'site', 'protocol'] as const;
export const FailureGroupQuery = z.object({
  by: z.enum(FAILURE_DIMENSIONS).default('code'),
  code: z.string().max(100).optional(),
});
export type FailureGroupQuery = z.infer<typeof FailureGroupQuery>;

/** Failures there and in the rest of the campaign. */
const gathering = {
  dimension: z.enum(FAILURE_DIMENSIONS),
  key: z.string(),
  name: z.string(),
  there: Share,
  elsewhere: Share,
  /** Failures above what the rest's share would give. */
  excess: z.number(),
  /** The likely range of the group lies above the share of the rest, and more than one failed. */
  credible: z.boolean(),
};
export const FailureGroups = z.object({
  by: z.enum(FAILURE_DIMENSIONS),
  /** Devices granted at least once, and those of them that failed or reverted. */
  tried: count,
  failed: count,
  /** False: so many failed that only the newest were looked at. */
  complete: z.boolean(),
  items: z.array(
    z.object({
      /** `reverted` for proven devices that reported another image later. */
      code: z.string(),
      blame: z.string(),
      sentence: z.string(),
      n: count,
      /** The group where it stands out, or the group that was asked for; null: spread evenly. */
      group: z.object(gathering).nullable(),
      devices: z.array(z.object({ id: z.uuid(), name: z.string().nullable() })),
    }),
  ),
});
export type FailureGroups = z.infer<typeof FailureGroups>;

export const CompareQuery = z.object({ a: MemberFilter, b: MemberFilter });
export type CompareQuery = z.infer<typeof CompareQuery>;
export const GroupResult = z.object({
  /** Members with a known result (proven, failed, reverted; unproven where the campaign accepts it), and those of them that failed or reverted. */
  failed: Share,
  /** What the filter asks for, as a sentence. */
  words: z.string(),
});
export type GroupResult = z.infer<typeof GroupResult>;
export const GroupComparison = z.object({
  a: GroupResult,
  b: GroupResult,
  /** Devices that are in both groups. */
  both: count,
  /** The share of `a` less the share of `b`, with its 95 % interval (Newcombe 1998, method 10); null where one group is empty. */
  difference: z.object({ share: z.number(), low: z.number(), high: z.number() }).nullable(),
  /** The interval leaves 0 out, and at least three failed; null where it cannot be said. */
  credible: z.boolean().nullable(),
  sentence: z.string(),
  /** Members with a known result that were looked at, the first by their place in the plan. */
  looked: count,
  /** False: there are more of them than are looked at. */
  complete: z.boolean(),
});
export type GroupComparison = z.infer<typeof GroupComparison>;

const forecastTimes = { p10: moment.nullable(), p50: moment.nullable(), p90: moment.nullable() };
export const CampaignForecast = z.object({
  /** When it was made; null: there is none, and `sentence` says why. */
  at: moment.nullable(),
  /** When 95 % of the reachable devices are done; a null quantile lies behind the deadline. */
  ...forecastTimes,
  /** Unlikely to be reached by the deadline: 50 % and 90 %. */
  outOfReach: z.object({ p50: z.number().nullable(), p90: z.number().nullable() }),
  sentence: z.string(),
  /** How far the middle moved since the forecast an hour ago, and what changed meanwhile. */
  moved: z.object({ byMs: z.number(), since: moment, sentence: z.string() }).nullable(),
  /** Oldest first, at most 200. */
  history: z.array(z.object({ at: moment, ...forecastTimes })),
});
export type CampaignForecast = z.infer<typeof CampaignForecast>;

export const DiffQuery = z.object({ against: z.uuid().optional() });
export type DiffQuery = z.infer<typeof DiffQuery>;
export const DiffRequest = z.strictObject({ draft: CampaignDraft, against: z.uuid().optional() });
export type DiffRequest = z.infer<typeof DiffRequest>;
export const PolicyDiff = z.object({
  /** What it is compared with: the one named, else the last campaign of the model that started; null: there is none. */
  against: z.object({ id: z.uuid(), name: z.string() }).nullable(),
  lines: z.array(
    z.object({
      /** `brake.limit`, `stages[0].gate.minKnown`. */
      path: z.string(),
      from: z.unknown(),
      to: z.unknown(),
      /** Lets more through, or stops later; null where neither side is stricter. */
      looser: z.boolean().nullable(),
    }),
  ),
});
export type PolicyDiff = z.infer<typeof PolicyDiff>;

export const ApprovalItem = z.object({
  kind: z.enum(['campaign', 'gate']),
  campaign: z.object({ id: z.uuid(), name: z.string(), state: z.enum(CAMPAIGN_STATES), revision: z.int() }),
  stage: z.object({ index: z.int(), name: z.string() }).nullable(),
  urgent: z.boolean(),
  /** SHA-256 over artifact, devices and policy: exactly this plan is approved. */
  planDigest: z.string(),
  askedBy: z.string().nullable(),
  askedAt: moment,
  /** Of a plan: without its approvals it goes back to a draft then. Null for gates, which wait for as long as it takes. */
  endsAt: moment.nullable(),
  needed: count,
  given: z.array(z.object({ by: z.string(), at: moment, reason: z.string().nullable() })),
  /** Whether the caller can give the next one, and if not, why. */
  you: z.object({ may: z.boolean(), because: z.string().nullable() }),
});
export type ApprovalItem = z.infer<typeof ApprovalItem>;
export const ApprovalList = z.object({ items: z.array(ApprovalItem) });
export type ApprovalList = z.infer<typeof ApprovalList>;
