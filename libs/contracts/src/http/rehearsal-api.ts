/**
 * `POST /api/v1/campaigns/{id}/rehearsal`: RehearsalRequest -> Rehearsal (200), operator or approver. Nothing is started or changed.
 * `POST /api/v1/campaigns/rehearsal`: DraftRehearsalRequest -> Rehearsal (200), operator: of a draft that is not kept.
 *
 * A rehearsal plays the campaign with the engine's own rules in virtual time, many times, each time in another world drawn
 * from what the fleet has shown. Times are milliseconds from the start of the campaign (or from now, where it runs).
 */
import { z } from 'zod';
import { CampaignDraft } from './campaigns-api.js';

export const RehearsalRequest = z.strictObject({
  /** The same fleet, policy and seed give the same answer; drawn when it is left out. */
  seed: z.int().min(0).max(4_294_967_295).optional(),
  /** Fewer are played of a large campaign; the answer says how many. */
  runs: z.int().min(20).max(1_000).default(200),
});
export type RehearsalRequest = z.infer<typeof RehearsalRequest>;

export const DraftRehearsalRequest = RehearsalRequest.extend({ draft: CampaignDraft });
export type DraftRehearsalRequest = z.infer<typeof DraftRehearsalRequest>;

/** Quantiles over the runs; null: not before the deadline. */
export const RehearsalSpread = z.object({
  p10: z.number().nullable(),
  p50: z.number().nullable(),
  p90: z.number().nullable(),
});
export type RehearsalSpread = z.infer<typeof RehearsalSpread>;

export const Rehearsal = z.object({
  /** Without an id: a draft that is not kept. */
  campaign: z.object({ id: z.uuid().nullable(), name: z.string() }),
  /** When it was played, milliseconds of the server's clock. */
  atMs: z.number(),
  seed: z.int(),
  runs: z.int(),
  /** Devices that are still to be updated; those that were played (whole gateways are drawn from large fleets). */
  members: z.int(),
  played: z.int(),
  /** Devices that some gateway has a link to. */
  reachable: z.int(),
  /** When these shares of the reachable devices are done. */
  finish: z.array(z.object({ share: z.number(), afterMs: RehearsalSpread })),
  /** Devices that are unlikely to be reached by the deadline. */
  outOfReach: RehearsalSpread,
  failed: RehearsalSpread,
  /** Share of the runs that a brake or gate halted, with the fleet's own failure rates. */
  haltShare: z.number(),
  /** Share of the runs that stopped for a person, and the first reason. */
  held: z.object({ share: z.number(), note: z.string().nullable() }),
  /** If the firmware failed on so many: devices hit (those under way at the halt included), and when it is halted. */
  halts: z.array(
    z.object({
      failureRate: z.number(),
      hit: RehearsalSpread,
      haltShare: z.number(),
      haltAfterMs: RehearsalSpread.nullable(),
    }),
  ),
  load: z.object({
    orders: RehearsalSpread,
    peakOrdersPerSecond: RehearsalSpread,
    /** Downloaded once by each gateway. */
    downloadBytesPerGateway: z.number(),
    /** Over the links of one gateway. */
    linkBytesPerGateway: z.object({ p50: z.number().nullable(), max: z.number().nullable() }),
  }),
  /** How far past rehearsals may be believed: their 80 % interval for "95 % done" against what came. */
  calibration: z.object({
    inside: z.int(),
    of: z.int(),
    tooSure: z.boolean(),
    sentence: z.string(),
    /** "95 % done" with nine chances in ten, by past misses where nine are known. */
    p90AfterMs: z.number().nullable(),
    source: z.enum(['runs', 'past-forecasts']),
  }),
  /** What nothing is known of, so that a default stood in. */
  defaults: z.array(z.string()),
  tookMs: z.number(),
});
export type Rehearsal = z.infer<typeof Rehearsal>;
