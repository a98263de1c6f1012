/**
 * `/api/v1/webhooks`: what happened, told to other systems over HTTP. All of it is for admins.
 *
 * - `GET webhooks`, `POST webhooks`                     list; create (the answer alone shows the secret)
 * - `GET|PATCH|DELETE webhooks/{id}`                    `If-Match` on change and delete
 * - `POST webhooks/{id}/secret`                         a new secret; the one before signs as well for a day
 * - `POST webhooks/{id}/ping`                           sends a `webhook.ping` now
 * - `GET webhooks/{id}/deliveries?state=&after=`        newest first, kept 30 days
 * - `GET webhooks/{id}/deliveries/{delivery}`           with body and every attempt
 * - `POST webhooks/{id}/deliveries/{delivery}/redeliver`  the same body and `webhook-id` once more
 *
 * A delivery is signed as the Standard Webhooks specification says: headers `webhook-id`, `webhook-timestamp` (seconds)
 * and `webhook-signature`, which holds `v1,` + base64 of HMAC-SHA256 over `id.timestamp.body`; two of them, separated by
 * a space, while two secrets are good. Deliveries come at least once and in no promised order: `webhook-id` stays the
 * same when one comes again.
 */
import { z } from 'zod';
import { PageQuery } from './fleet-api.js';

const moment = z.iso.datetime();
const count = z.int().min(0);
const campaign = { campaign: z.string(), name: z.string() };
const moved = z.object({ ...campaign, from: z.string(), by: z.string(), reason: z.string().nullable() });
const stage = z.object({ ...campaign, stage: z.string(), note: z.string().nullable() });
/** Events of many devices come as one, with a few of them as examples. */
const batch = z.object({
  ...campaign,
  count,
  codes: z.record(z.string(), count),
  devices: z.array(z.string()).max(10),
});

/** Kinds of events, each with the form of its `data`. Fields may be added, never taken away. */
export const WEBHOOK_EVENTS = {
  'campaign.started': moved,
  'campaign.paused': moved,
  'campaign.resumed': moved,
  'campaign.halted': moved,
  'campaign.aborted': moved,
  'campaign.completed': moved,
  'approval.wanted': moved,
  'stage.opened': stage,
  'stage.passed': stage,
  'stage.held': stage,
  'stage.failed': stage,
  'deployment.failed': batch,
  'deployment.lost': batch,
  'device.reverted': batch,
  'gateway.quarantined': z.object({ gateway: z.string(), name: z.string(), site: z.string(), note: z.string() }),
  'gateway.decommissioned': z.object({ gateway: z.string(), name: z.string(), site: z.string(), note: z.string() }),
  'exposure.zero': z.object({ advisory: z.string(), cve: z.string(), title: z.string(), devices: count }),
  'exposure.found': z.object({
    advisory: z.string(),
    cve: z.string(),
    title: z.string(),
    affected: count,
    unknown: count,
    devices: count,
  }),
  'installation.restored': z.object({ reign: z.int(), by: z.string() }),
  'webhook.ping': z.object({ sentBy: z.string() }),
} as const satisfies Record<string, z.ZodObject>;

export type WebhookEventKind = keyof typeof WEBHOOK_EVENTS;
export const WEBHOOK_EVENT_KINDS = Object.keys(WEBHOOK_EVENTS) as WebhookEventKind[];
export type WebhookPayload<K extends WebhookEventKind> = z.infer<(typeof WEBHOOK_EVENTS)[K]>;
export const WebhookEventKindName = z.enum(WEBHOOK_EVENT_KINDS as [WebhookEventKind, ...WebhookEventKind[]]);

/** The JSON body of a delivery. */
export const WebhookBody = z.object({
  type: z.string(),
  timestamp: moment,
  org: z.uuid(),
  subject: z.object({ kind: z.string(), id: z.string() }),
  data: z.record(z.string(), z.unknown()),
});
export type WebhookBody = z.infer<typeof WebhookBody>;

const Name = z.string().trim().min(1).max(100);
const Url = z.url({ protocol: /^https?$/ }).max(2_000);
const Kinds = z
  .array(WebhookEventKindName)
  .max(WEBHOOK_EVENT_KINDS.length)
  .refine((kinds) => new Set(kinds).size === kinds.length, 'each kind once');

export const WebhookCreate = z.strictObject({
  name: Name,
  url: Url,
  /** Left empty: every kind, those of later releases too. */
  kinds: Kinds.default([]),
});
export type WebhookCreate = z.infer<typeof WebhookCreate>;
export const WebhookPatch = z.strictObject({
  name: Name.optional(),
  url: Url.optional(),
  kinds: Kinds.optional(),
  /** True after a disablement begins anew: what waited meanwhile was given up. */
  enabled: z.boolean().optional(),
});
export type WebhookPatch = z.infer<typeof WebhookPatch>;

export const Webhook = z.object({
  id: z.uuid(),
  name: z.string(),
  url: z.string(),
  kinds: z.array(z.string()),
  enabled: z.boolean(),
  disabledReason: z.string().nullable(),
  disabledAt: moment.nullable(),
  /** Since the last success; null while all is well. */
  failingSince: moment.nullable(),
  failures: count,
  lastSuccessAt: moment.nullable(),
  /** The secret before this one still signs until then. */
  previousSecretUntil: moment.nullable(),
  createdAt: moment,
  revision: z.int(),
});
export type Webhook = z.infer<typeof Webhook>;
/** The only answers that carry the secret. */
export const WebhookWithSecret = Webhook.extend({ secret: z.string() });
export type WebhookWithSecret = z.infer<typeof WebhookWithSecret>;

export const DELIVERY_STATES = ['waiting', 'delivered', 'failed'] as const;
export const WebhookDelivery = z.object({
  id: z.uuid(),
  /** The `webhook-id` header. */
  event: z.uuid(),
  kind: z.string(),
  state: z.enum(DELIVERY_STATES),
  attempts: count,
  nextAt: moment.nullable(),
  createdAt: moment,
  endedAt: moment.nullable(),
});
export type WebhookDelivery = z.infer<typeof WebhookDelivery>;
export const WebhookAttempt = z.object({
  attempt: z.int().min(1),
  at: moment,
  outcome: z.enum(['delivered', 'refused', 'failed']),
  responseCode: z.int().nullable(),
  durationMs: count,
  /** Why it failed, in words. */
  detail: z.string().nullable(),
  /** The first KiB. */
  responseBody: z.string().nullable(),
});
export type WebhookAttempt = z.infer<typeof WebhookAttempt>;
export const WebhookDeliveryDetail = WebhookDelivery.extend({ body: z.string(), log: z.array(WebhookAttempt) });
export type WebhookDeliveryDetail = z.infer<typeof WebhookDeliveryDetail>;
export const WebhookDeliveryQuery = PageQuery.extend({ state: z.enum(DELIVERY_STATES).optional() });
export type WebhookDeliveryQuery = z.infer<typeof WebhookDeliveryQuery>;
