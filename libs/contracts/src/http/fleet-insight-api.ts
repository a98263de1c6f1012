/**
 * What the pages of the fleet show beside the things themselves. All of it: viewer.
 *
 * - `GET /api/v1/fleet/versions?model=&days=&seen=`   FleetVersions: what runs where, over time
 * - `GET /api/v1/devices/{id}/history`                DeviceHistory: its attempts, newest first
 * - `GET /api/v1/devices/{id}/now`                    DeviceNow: what is being done with it, who hears it
 * - `GET /api/v1/devices/{id}/conversation`           DeviceConversation: what was said of its attempts, newest first
 * - `GET /api/v1/gateways/{id}/health`                GatewayHealth
 * - `GET /api/v1/artifacts/{sha256}/use`              ArtifactUse
 * - `GET /api/v1/filter/fields?scope=`                FilterFields
 * - `GET /api/v1/filter/values?field=&prefix=`        FilterValues
 */
import { z } from 'zod';
import { ModelName } from '../ids.js';
import { CAMPAIGN_STATES, DEPLOYMENT_STATES } from '../lifecycles.js';
import { RunningImageFact } from '../wire/device-facts.js';
import { Share } from './campaign-shares-api.js';
import { PageQuery, pageOf } from './fleet-api.js';

const moment = z.iso.datetime();
const count = z.int().min(0);
const named = z.object({ id: z.uuid(), name: z.string() });

export const FleetVersionsQuery = z.object({
  model: ModelName.optional(),
  days: z.coerce.number().int().min(1).max(730).default(30),
  /** `30d`: only devices seen in the 30 days before each moment; `all`. */
  seen: z.enum(['30d', 'all']).default('30d'),
});
export type FleetVersionsQuery = z.infer<typeof FleetVersionsQuery>;
export const FleetVersions = z.object({
  /** At most six, those that most devices ran at any of the points; those that most run now first. */
  versions: z.array(z.object({ model: z.string().nullable(), version: z.string() })),
  /** Oldest first, at most 500. `n` is in the order of `versions`. */
  points: z.array(z.object({ at: moment, n: z.array(count), other: count, unknown: count, total: count })),
  gapMs: z.number(),
});
export type FleetVersions = z.infer<typeof FleetVersions>;

export const DeviceAttempt = z.object({
  campaign: named,
  deploymentId: z.uuid(),
  attempt: z.int(),
  /** `update`, `rescue` ... */
  mode: z.string(),
  artifact: z.object({ id: z.uuid(), version: z.string() }).nullable(),
  gateway: named,
  grantedAt: moment,
  touchedAt: moment.nullable(),
  endedAt: moment.nullable(),
  /** Null while it goes on. */
  outcome: z.string().nullable(),
  code: z.string().nullable(),
  blame: z.string().nullable(),
  sentence: z.string().nullable(),
  params: z.record(z.string(), z.unknown()).nullable(),
  sentBytes: z.number().nullable(),
  durationMs: z.number().nullable(),
  /** How strongly the gateway heard the device when the attempt began, and at its weakest; null where unknown. */
  rssiDbm: z.int().nullable(),
  lowestRssiDbm: z.int().nullable(),
  /** Payload by the time it took, from its first byte to its last. */
  bytesPerSecond: z.number().nullable(),
});
export type DeviceAttempt = z.infer<typeof DeviceAttempt>;
export const DeviceHistoryQuery = PageQuery;
export const DeviceHistory = pageOf(DeviceAttempt);
export type DeviceHistory = z.infer<typeof DeviceHistory>;

export const DeviceNow = z.object({
  /** The live deployment, or the newest planned one. */
  deployment: z
    .object({
      id: z.uuid(),
      campaign: named,
      state: z.enum(DEPLOYMENT_STATES),
      stateAt: moment,
      attempt: z.int(),
      artifact: z.object({ id: z.uuid(), version: z.string(), sizeBytes: z.int() }),
      gateway: named.nullable(),
      startBy: moment.nullable(),
      finishBy: moment.nullable(),
      /** As the agent last said to this server; null where it said nothing yet. */
      progress: z
        .object({
          sentBytes: z.int(),
          totalBytes: z.int(),
          at: moment,
          bytesPerSecond: z.number().nullable(),
          /** How it came here, oldest first, at most 48: thinned as it grows, and begun anew where bytes went back. */
          samples: z.array(z.object({ atMs: z.number(), sentBytes: z.int() })),
        })
        .nullable(),
      /**
       * What this gateway has done with this model: the rate that nine in ten of its newest proven transfers (`of`, at
       * most 50 in 30 days, as the gateway measured them) did not exceed. Null before there are five.
       */
      linkRate: z.object({ bytesPerSecond: z.number(), of: count }).nullable(),
    })
    .nullable(),
  /** Strongest signal first. */
  heardBy: z.array(
    z.object({
      gateway: named,
      online: z.boolean(),
      /** The gateway that works with it. */
      chosen: z.boolean(),
      rssiDbm: z.int().nullable(),
      links: z.array(z.string()),
      lastSeenAt: moment,
    }),
  ),
  /** Versions it was proven to run, newest first, at most 50. */
  life: z.array(
    z.object({ at: moment, from: z.array(RunningImageFact), to: z.array(RunningImageFact), campaign: named }),
  ),
});
export type DeviceNow = z.infer<typeof DeviceNow>;

export const ConversationLine = z.object({
  /** When the server knew it. */
  at: moment,
  /** When it happened, as its gateway knew the server's clock; null without a trusted time, and for what the server says. */
  saidAt: moment.nullable(),
  campaign: named,
  deploymentId: z.uuid(),
  attempt: z.int(),
  gateway: named,
  /** `granted` and `lost` are the server's; the rest are kinds of reports. */
  kind: z.string(),
  /** `history`: of an older attempt, nothing moved by it. `refused`: it could not be accepted, and `note` says why. */
  disposition: z.enum(['said', 'applied', 'history', 'refused']),
  note: z.string().nullable(),
  sentence: z.string(),
});
export type ConversationLine = z.infer<typeof ConversationLine>;
export const DeviceConversationQuery = PageQuery;
/** Newest first, as long as reports are kept. */
export const DeviceConversation = pageOf(ConversationLine);
export type DeviceConversation = z.infer<typeof DeviceConversation>;

export const GatewayHealth = z.object({
  /** Two lights: whether its connection is open, and when it last reported. */
  connected: z.boolean(),
  lastSeenAt: moment.nullable(),
  lastReportAt: moment.nullable(),
  /** Reports of all its epochs that are committed. */
  reportsCommitted: z.number(),
  /** What presence says of the journal: null while it can be written. */
  journal: z.object({ note: z.string().nullable() }).nullable(),
  inFlight: z.int(),
  /** What holds its places now, longest first; at most 50. */
  slots: z.array(
    z.object({
      device: z.object({ id: z.uuid(), name: z.string() }),
      campaign: named,
      state: z.enum(DEPLOYMENT_STATES),
      stateAt: moment,
    }),
  ),
  devices: count,
  order: z.object({ held: z.int(), newest: z.int(), waitingSince: moment.nullable() }),
  /** Tries that it ended in the last 30 days (at most the newest 2000), and those of campaigns it took part in elsewhere. */
  failures: z.object({ here: Share, elsewhere: Share, credible: z.boolean() }),
  quarantines: z.array(z.object({ campaign: named, at: moment, note: z.string() })),
});
export type GatewayHealth = z.infer<typeof GatewayHealth>;

export const ArtifactUse = z.object({
  /** Devices that run it now by what they said themselves; `exact` is false where counting took too long. */
  runsOn: z.object({ devices: count, exact: z.boolean() }),
  /** Newest first, at most 100. */
  campaigns: z.array(
    z.object({ id: z.uuid(), name: z.string(), state: z.enum(CAMPAIGN_STATES), proven: count, total: count }),
  ),
  /** Advisories that name it as their answer. */
  fixes: z.array(z.object({ id: z.uuid(), cve: z.string() })),
});
export type ArtifactUse = z.infer<typeof ArtifactUse>;

export const ArtifactsRunningQuery = z.object({
  /** Ids of artifacts, with commas: those of one page of a list. */
  ids: z
    .string()
    .max(37 * 200)
    .transform((text) => text.split(','))
    .pipe(z.array(z.uuid()).max(200)),
});
export type ArtifactsRunningQuery = z.infer<typeof ArtifactsRunningQuery>;

export const ArtifactsRunning = z.object({
  items: z.array(
    z.object({
      id: z.uuid(),
      /** Devices that say they run it. */
      devices: count,
      /** False where so many do that the number is that of the last look at the whole fleet, once an hour. */
      exact: z.boolean(),
    }),
  ),
});
export type ArtifactsRunning = z.infer<typeof ArtifactsRunning>;

export const FilterScope = z.enum(['device', 'member', 'campaign']);
export const FilterFieldsQuery = z.object({ scope: FilterScope.default('device') });
export type FilterFieldsQuery = z.infer<typeof FilterFieldsQuery>;
export const FilterFields = z.object({
  fields: z.array(z.object({ field: z.string(), operators: z.array(z.string()), example: z.string() })),
});
export type FilterFields = z.infer<typeof FilterFields>;

export const FilterValuesQuery = z.object({
  field: z.string().max(32),
  /** What the value begins with. */
  prefix: z.string().max(128).default(''),
  /** Needed for the fields of members: `state`, `stage`, `code`, `from`. */
  campaign: z.uuid().optional(),
  /** `campaign`: fields of campaigns. Left out, `campaign` says whether they are of devices or of members. */
  scope: FilterScope.optional(),
});
export type FilterValuesQuery = z.infer<typeof FilterValuesQuery>;
export const FilterValues = z.object({
  /** At most 20; the count is of devices, null where it took too long to count. */
  items: z.array(z.object({ value: z.string(), count: count.nullable() })),
  /** There are more that begin so. */
  more: z.boolean(),
});
export type FilterValues = z.infer<typeof FilterValues>;
