/** `GET /api/v1/overview`: Overview (viewer). What needs a person, what runs, what went wrong; read from counters. */
import { z } from 'zod';
import { CAMPAIGN_STATES } from '../lifecycles.js';
import { SEVERITIES } from './advisories-api.js';
import { CampaignSummary, SumsBody } from './campaigns-api.js';

const moment = z.iso.datetime();
const count = z.int().min(0);

export const ATTENTION_KINDS = [
  'campaign.halted',
  'approval.wanted',
  'stage.failed',
  'stage.held',
  'campaign.standing',
  'campaign.paused',
  'devices.rescue',
  'gateways.quarantined',
  'gateways.absent',
  'outbox.growing',
  'webhook.failing',
  'devices.claimed',
] as const;

/** Something that waits for a person, and the one thing to do. */
export const Attention = z.object({
  kind: z.enum(ATTENTION_KINDS),
  subject: z.object({ kind: z.string(), id: z.string(), name: z.string() }),
  /** When it began to wait. */
  since: moment.nullable(),
  /** How many it is about. */
  n: count,
  sentence: z.string(),
  /** `review`, `approve`, `look`, `release`. */
  action: z.enum(['look', 'review', 'approve', 'release']),
});
export type Attention = z.infer<typeof Attention>;

export const Overview = z.object({
  gateways: z.object({ total: z.int(), online: z.int(), quarantined: z.int() }),
  devices: z.object({ total: z.int(), needsRescue: z.int(), seenIn30Days: z.int() }),
  campaigns: z.partialRecord(z.enum(CAMPAIGN_STATES), z.int()),
  /** Over all campaigns of the organisation that are not drafts. */
  sums: SumsBody,
  /** Worst first, at most 50. */
  attention: z.array(Attention),
  /** Live ones, newest first, at most 20. */
  running: z.array(CampaignSummary),
  /** Open advisories with exposed devices, as last counted; at most 20. */
  exposed: z.array(
    z.object({
      advisory: z.object({ id: z.uuid(), cve: z.string(), title: z.string(), severity: z.enum(SEVERITIES) }),
      at: moment,
      affected: count,
      /** Of the affected, behind what has been silent. */
      outOfReach: count,
      unknown: count,
      total: count,
    }),
  ),
  /** Failed tries since a moment 24 hours ago at the most, by code; `hours` are the whole hours since, oldest first. */
  failures: z.object({
    since: moment,
    items: z.array(
      z.object({ code: z.string(), n: count, blame: z.string(), sentence: z.string(), hours: z.array(count) }),
    ),
  }),
  /** Of the server that answers. */
  reports: z.object({
    perSecond: z.number(),
    /** From the arrival of a report until it was committed, of the last minute; null without one. */
    lagMs: z.number().nullable(),
    waiting: count,
    /** Age of the newest committed report. */
    newestAgeMs: z.number().nullable(),
    outboxAgeSeconds: z.number(),
  }),
  serverTimeMs: z.int(),
});
export type Overview = z.infer<typeof Overview>;
