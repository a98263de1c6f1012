/**
 * `/api/v1` insight: sums, "why", timelines, live events.
 *
 * - `GET devices/{id}/why`                         DeviceWhy           viewer
 * - `GET campaigns/{id}/devices/{device}/why`      DeploymentWhy       viewer
 * - `GET campaigns/{id}/why?after=&limit=`         WhyPage             viewer
 * - `GET campaigns/{id}/decisions?after=&limit=`   DecisionPage        viewer
 * - `GET campaigns/{id}/failures`                  FailureCounts       viewer
 * - `GET campaigns/{id}/recount`                   Recount             admin
 * - `GET events`                                   server-sent events, each `data` a LiveEvent     viewer
 */
import { z } from 'zod';
import { ExportQuery } from './export-api.js';
import { CAMPAIGN_STATES, DEPLOYMENT_STATES, STAGE_STATES } from '../lifecycles.js';
import { PageQuery } from './fleet-api.js';
import { PartsBody, SharesBody } from './campaign-shares-api.js';
import { PauseAnswer, ReasonBody, StateCounts } from './campaigns-api.js';

export const DeploymentWhy = z.object({
  campaign: z.object({ id: z.uuid(), name: z.string() }),
  deviceId: z.uuid(),
  deploymentId: z.uuid(),
  state: z.enum(DEPLOYMENT_STATES),
  reason: ReasonBody,
});
export type DeploymentWhy = z.infer<typeof DeploymentWhy>;

/** Newest campaign first. */
export const DeviceWhy = z.object({ deviceId: z.uuid(), deployments: z.array(DeploymentWhy) });
export type DeviceWhy = z.infer<typeof DeviceWhy>;

export const WhyPage = z.object({ items: z.array(DeploymentWhy), next: z.string().optional() });
export type WhyPage = z.infer<typeof WhyPage>;

export const Decision = z.object({
  id: z.string(),
  at: z.iso.datetime(),
  /** `stage.opened`, `campaign.paused`, `grants.given`, `deployments.lost` ... */
  kind: z.string(),
  /** The person; null for a rule of the engine. */
  by: z.string().nullable(),
  params: z.record(z.string(), z.unknown()),
});
export type Decision = z.infer<typeof Decision>;
export const DecisionQuery = PageQuery.extend({
  order: z.enum(['oldest', 'newest']).default('oldest'),
  /** Who decided. */
  by: z.enum(['person', 'rule']).optional(),
});
export type DecisionQuery = z.infer<typeof DecisionQuery>;
export const DecisionExportQuery = DecisionQuery.pick({ by: true }).extend(ExportQuery.shape);
export type DecisionExportQuery = z.infer<typeof DecisionExportQuery>;
export const DecisionPage = z.object({ items: z.array(Decision), next: z.string().optional() });
export type DecisionPage = z.infer<typeof DecisionPage>;

/** Failed tries by error code (a device that failed twice counts twice). */
export const FailureCounts = z.object({
  items: z.array(z.object({ code: z.string(), n: z.int(), blame: z.string(), sentence: z.string() })),
});
export type FailureCounts = z.infer<typeof FailureCounts>;

/** P10: every counter that differs from a recount; `equal` when there is none. */
export const Recount = z.object({
  equal: z.boolean(),
  differences: z.array(z.object({ counter: z.string(), counted: z.int(), recounted: z.int() })),
});
export type Recount = z.infer<typeof Recount>;

/** The same numbers as `GET campaigns/{id}` has at that moment. */
export const LiveCampaign = z.object({
  revision: z.int(),
  serverTimeMs: z.int(),
  parts: PartsBody,
  shares: SharesBody,
  stages: z.array(z.object({ index: z.int(), state: z.enum(STAGE_STATES), parts: PartsBody })),
  /** Null before the start. */
  exposure: PauseAnswer.nullable(),
});
export type LiveCampaign = z.infer<typeof LiveCampaign>;

export const LiveEvent = z.discriminatedUnion('type', [
  z.object({
    type: z.literal('campaign'),
    campaignId: z.uuid(),
    state: z.enum(CAMPAIGN_STATES),
    counts: StateCounts,
    ...LiveCampaign.shape,
  }),
  z.object({
    type: z.literal('decision'),
    campaignId: z.uuid(),
    kind: z.string(),
    params: z.record(z.string(), z.unknown()),
  }),
  z.object({
    type: z.literal('progress'),
    gatewayId: z.uuid(),
    deploymentId: z.uuid(),
    sentBytes: z.int(),
    totalBytes: z.int(),
  }),
  /** About every other second: how fresh everything else is. Times are milliseconds of the server's clock. */
  z.object({
    type: z.literal('pulse'),
    serverTimeMs: z.int(),
    /** When the counters were read that the last `campaign` events came from. */
    countersAtMs: z.int(),
  }),
]);
export type LiveEvent = z.infer<typeof LiveEvent>;
