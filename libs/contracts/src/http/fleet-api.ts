/**
 * `/api/v1`: bodies of the fleet: sites, models, enrolment tokens, gateways, devices, strays.
 *
 * Things that people change carry a `revision`, which is their ETag: an update names it in `If-Match`.
 * Lists are pages by keyset: `after` is the cursor of the page before.
 */
import { z } from 'zod';
import { DeviceId, GatewayId, ModelName, OrgId, SiteId, SlugName } from '../ids.js';
import { DeviceFilter } from './device-filter-api.js';
import { ExportQuery } from './export-api.js';
import { LogLevelName } from '../wire/orders.js';
import { FlatFacts, IdentityFact, LinkName, RunningImageFact } from '../wire/device-facts.js';

const moment = z.iso.datetime();
const revision = z.int().min(1);
/** What a person writes beside a hold or a quarantine. */
const Note = z.string().trim().min(1).max(500);

/** Labels of gateways and devices, matched by selectors. */
export const Tags = z
  .record(z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._/-]{0,62}$/), z.string().max(128))
  .refine((tags) => Object.keys(tags).length <= 32, 'at most 32 tags');
export type Tags = z.infer<typeof Tags>;

/** One tag as a filter: `key=value`, or `key` for any value. */
const TagFilter = z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._/-]{0,62}(?:=.{0,128})?$/);

export const PageQuery = z.object({
  limit: z.coerce.number().int().min(1).max(500).default(100),
  after: z.string().max(1024).optional(),
});
export type PageQuery = z.infer<typeof PageQuery>;

/** One page of a list; `next` is the `after` of the following page, absent on the last. */
export const pageOf = <T extends z.ZodType>(item: T) => z.object({ items: z.array(item), next: z.string().optional() });

// Sites

/** Who may add devices to the site: any gateway of it, only devices of a list, or every one waits for a person. */
export const ClaimMode = z.enum(['open', 'list', 'approval']);
export type ClaimMode = z.infer<typeof ClaimMode>;

/** A time zone of the IANA database that this machine knows. */
export const TimeZone = z
  .string()
  .max(64)
  .refine((zone) => {
    try {
      new Intl.DateTimeFormat('en', { timeZone: zone });
      return true;
    } catch {
      return false;
    }
  }, 'is no time zone of the IANA database');

export const SiteCreate = z.strictObject({
  name: SlugName,
  zone: TimeZone.default('UTC'),
  claimMode: ClaimMode.default('open'),
});
export type SiteCreate = z.infer<typeof SiteCreate>;
export const SitePatch = z.strictObject({
  zone: TimeZone.optional(),
  claimMode: ClaimMode.optional(),
  /** Null lifts the hold. */
  hold: z.strictObject({ note: Note }).nullable().optional(),
});
export type SitePatch = z.infer<typeof SitePatch>;
export const Site = z.object({
  id: SiteId,
  org: OrgId,
  name: z.string(),
  zone: z.string(),
  claimMode: ClaimMode,
  holdNote: z.string().nullable(),
  /** Decommissioned: its gateways' keys are revoked, its devices in no count; it only stays for its history. */
  state: z.enum(['active', 'decommissioned']),
  stateNote: z.string().nullable(),
  revision,
  createdAt: moment,
});
export type Site = z.infer<typeof Site>;

/** One line of a site's device list: devices that its gateways may add (claim mode `list`), and what they are. */
export const SiteDevice = z.strictObject({
  identity: IdentityFact,
  model: ModelName.optional(),
  name: z.string().max(128).optional(),
});
export type SiteDevice = z.infer<typeof SiteDevice>;
/** Replaces the whole list. */
export const SiteDeviceList = z.strictObject({ devices: z.array(SiteDevice).max(10_000) });
export type SiteDeviceList = z.infer<typeof SiteDeviceList>;

// Models

/** A public key, PEM (SPKI). */
export const PublicKeyPem = z
  .string()
  .max(2_000)
  .regex(/^-----BEGIN PUBLIC KEY-----\s[A-Za-z0-9+/=\s]+-----END PUBLIC KEY-----\s*$/, 'is no PEM public key');

const modelFields = {
  /** An artifact of this model is refused unless one of the release keys signed it. */
  requiresSignature: z.boolean(),
  releaseKeys: z.array(PublicKeyPem).max(8),
  /** Facts that a file for this model must not contradict: `{ "hwVersion": 52 }`. */
  hardware: FlatFacts,
  /** Formats the model takes; empty = any. */
  formats: z.array(z.string().min(1).max(64)).max(16),
};
export const ModelCreate = z.strictObject({
  name: ModelName,
  requiresSignature: modelFields.requiresSignature.default(false),
  releaseKeys: modelFields.releaseKeys.default([]),
  hardware: modelFields.hardware.default({}),
  formats: modelFields.formats.default([]),
});
export type ModelCreate = z.infer<typeof ModelCreate>;
export const ModelPatch = z.strictObject(modelFields).partial();
export type ModelPatch = z.infer<typeof ModelPatch>;
export const Model = z.object({ name: z.string(), ...modelFields, revision, createdAt: moment });
export type Model = z.infer<typeof Model>;

// Enrolment tokens

export const EnrolmentTokenCreate = z.strictObject({
  site: SiteId,
  /** How long it can be used: a minute to 30 days. */
  validForSeconds: z.int().min(60).max(2_592_000).default(86_400),
});
export type EnrolmentTokenCreate = z.infer<typeof EnrolmentTokenCreate>;
export const EnrolmentToken = z.object({
  id: z.uuid(),
  site: SiteId,
  createdAt: moment,
  expiresAt: moment,
  usedAt: moment.nullable(),
  usedBy: GatewayId.nullable(),
});
export type EnrolmentToken = z.infer<typeof EnrolmentToken>;
/** The only time that the token itself is shown. */
export const EnrolmentTokenCreated = EnrolmentToken.extend({ token: z.string() });
export type EnrolmentTokenCreated = z.infer<typeof EnrolmentTokenCreated>;
export const EnrolmentTokenQuery = PageQuery.extend({ site: SiteId.optional() });
export type EnrolmentTokenQuery = z.infer<typeof EnrolmentTokenQuery>;

// Gateways

export const GATEWAY_STATES = ['active', 'quarantined', 'decommissioned'] as const;
export const GatewayState = z.enum(GATEWAY_STATES);
export type GatewayState = z.infer<typeof GatewayState>;

export const Gateway = z.object({
  id: GatewayId,
  site: SiteId,
  siteName: z.string(),
  name: z.string(),
  tags: Tags,
  state: GatewayState,
  stateNote: z.string().nullable(),
  /** The gateway that took its place. */
  replacedBy: GatewayId.nullable(),
  holdNote: z.string().nullable(),
  /** RFC 7638 thumbprint of its key: what a person compares with the gateway's own screen. */
  keyFingerprint: z.string(),
  online: z.boolean(),
  agentVersion: z.string().nullable(),
  protocols: z.array(z.string()),
  links: z.array(z.object({ link: z.string(), state: z.enum(['up', 'down']), note: z.string().optional() })),
  wire: z.array(z.int()),
  epoch: z.string().nullable(),
  held: z.object({ reign: z.int(), revision: z.int() }),
  devices: z.int(),
  /** Another log level that a person asked for, while it lasts. */
  logLevel: z.object({ level: LogLevelName, until: moment }).nullable(),
  /** What it last said of itself; null where its agent does not say. Its own wall clock less the server's. */
  clockOffsetMs: z.int().nullable(),
  journalBytes: z.int().nullable(),
  /** Records in its journal. */
  journalEntries: z.int().nullable(),
  lastSeenAt: moment.nullable(),
  enrolledAt: moment,
  revision,
});
export type Gateway = z.infer<typeof Gateway>;
/** One key that a gateway has had. */
export const GatewayKey = z.object({ fingerprint: z.string(), createdAt: moment, revokedAt: moment.nullable() });
export const GatewayDetail = Gateway.extend({ keys: z.array(GatewayKey) });
export type GatewayDetail = z.infer<typeof GatewayDetail>;

const yesNo = z.enum(['true', 'false']).transform((text) => text === 'true');
export const GatewayQuery = PageQuery.extend({
  site: SiteId.optional(),
  state: GatewayState.optional(),
  online: yesNo.optional(),
  tag: TagFilter.optional(),
  /** A star stands for anything. */
  name: z.string().max(63).optional(),
  /** Gateways behind which there is a device that matches. */
  filter: DeviceFilter.optional(),
});
export type GatewayQuery = z.infer<typeof GatewayQuery>;
export const GatewayPatch = z.strictObject({
  tags: Tags.optional(),
  hold: z.strictObject({ note: Note }).nullable().optional(),
  /** Null ends it now. It ends by itself after a day at the latest: a gateway must not fill its disk. */
  logLevel: z
    .strictObject({ level: LogLevelName, minutes: z.int().min(1).max(1440) })
    .nullable()
    .optional(),
});
export type GatewayPatch = z.infer<typeof GatewayPatch>;
/** Body of quarantine, release and decommission. */
export const GatewayDecision = z.strictObject({ note: Note });
export type GatewayDecision = z.infer<typeof GatewayDecision>;
/** Body of `gateways/{id}/replace`: `by` is enrolled at the same site already; it gets name, tags, hold and sockets. */
export const GatewayReplacement = z.strictObject({ by: GatewayId, note: Note });
export type GatewayReplacement = z.infer<typeof GatewayReplacement>;
/** Body of decommission and recommission of a device, and of decommission of a site. */
export const Decommission = z.strictObject({ note: Note });
export type Decommission = z.infer<typeof Decommission>;

// Redundancy groups

/** Devices of which at most `maxOut` may be out of service at once, whatever campaign does it. */
export const RedundancyGroupCreate = z.strictObject({ name: SlugName, maxOut: z.int().min(1).max(10_000).default(1) });
export type RedundancyGroupCreate = z.infer<typeof RedundancyGroupCreate>;
export const RedundancyGroupPatch = z.strictObject({
  name: SlugName.optional(),
  maxOut: z.int().min(1).max(10_000).optional(),
});
export type RedundancyGroupPatch = z.infer<typeof RedundancyGroupPatch>;
export const RedundancyGroup = z.object({
  id: z.uuid(),
  name: z.string(),
  maxOut: z.int(),
  /** Devices in it, and how many of them are out of service now, or not known to be in service. */
  members: z.int(),
  out: z.int(),
  revision,
  createdAt: moment,
});
export type RedundancyGroup = z.infer<typeof RedundancyGroup>;

// Devices

export const DeviceClaim = z.object({
  gateway: GatewayId,
  site: SiteId,
  state: z.enum(['pending', 'refused']),
  firstAt: moment,
  lastAt: moment,
});
export type DeviceClaim = z.infer<typeof DeviceClaim>;

export const Device = z.object({
  id: DeviceId,
  site: SiteId,
  siteName: z.string(),
  gateway: GatewayId.nullable(),
  gatewayName: z.string().nullable(),
  model: z.string().nullable(),
  name: z.string().nullable(),
  identity: IdentityFact,
  protocol: z.string().nullable(),
  tags: Tags,
  links: z.array(z.object({ link: LinkName, rssiDbm: z.int().optional() })),
  hardware: FlatFacts,
  running: z.array(RunningImageFact),
  runningVersion: z.string().nullable(),
  runningHash: z.string().nullable(),
  mode: z.enum(['application', 'bootloader']),
  approved: z.boolean(),
  holdNote: z.string().nullable(),
  /** Decommissioned: never a candidate, in no exposure; it stays for its history. */
  state: z.enum(['active', 'decommissioned']),
  stateNote: z.string().nullable(),
  /** The device that took its place. */
  replacedBy: DeviceId.nullable(),
  needsRescue: z.boolean(),
  /** The group of which only so many may be out of service at once. */
  redundancyGroup: z.uuid().nullable(),
  /** An update left it failed, lost or without application, and its application was not seen since. */
  outOfService: z.boolean(),
  /** Last charge that the device reported, and when; null where it never did. */
  battery: z.object({ percent: z.int(), at: moment }).nullable(),
  firstSeenAt: moment,
  lastSeenAt: moment,
  revision,
});
export type Device = z.infer<typeof Device>;
export const DeviceDetail = Device.extend({
  /** Every gateway that sees it, strongest signal first. */
  seenBy: z.array(z.object({ gateway: GatewayId, rssiDbm: z.int().nullable(), lastSeenAt: moment })),
  claims: z.array(DeviceClaim),
});
export type DeviceDetail = z.infer<typeof DeviceDetail>;

export const DeviceQuery = PageQuery.extend({
  model: ModelName.optional(),
  site: SiteId.optional(),
  gateway: GatewayId.optional(),
  tag: TagFilter.optional(),
  version: z.string().max(128).optional(),
  approved: yesNo.optional(),
  /** Left without an application that answers. */
  needsRescue: yesNo.optional(),
  state: z.enum(['active', 'decommissioned']).optional(),
  identity: z.string().max(256).optional(),
  redundancyGroup: z.uuid().optional(),
  filter: DeviceFilter.optional(),
});
export type DeviceQuery = z.infer<typeof DeviceQuery>;
export const DeviceExportQuery = DeviceQuery.omit({ limit: true, after: true }).extend(ExportQuery.shape);
export type DeviceExportQuery = z.infer<typeof DeviceExportQuery>;
export const DevicePatch = z.strictObject({
  name: z.string().trim().min(1).max(128).nullable().optional(),
  model: ModelName.nullable().optional(),
  tags: Tags.optional(),
  hold: z.strictObject({ note: Note }).nullable().optional(),
  /** Id of the group it belongs to from now on; null takes it out. */
  redundancyGroup: z.uuid().nullable().optional(),
  /** A person has seen that it works: it no longer counts as out of service. */
  inService: z.literal(true).optional(),
});
export type DevicePatch = z.infer<typeof DevicePatch>;
/** Body of `devices/{id}/replace`: `by` is of the same site and model already; it gets name and tags. */
export const DeviceReplacement = z.strictObject({ by: DeviceId, note: Note });
export type DeviceReplacement = z.infer<typeof DeviceReplacement>;
export const DeviceApproval = z.strictObject({
  /**
   * The site the device belongs to from now on: its present one (claims of others are refused), or that of a
   * claim. May be left out when no other site claims it.
   */
  site: SiteId.optional(),
});
export type DeviceApproval = z.infer<typeof DeviceApproval>;

export const StraySighting = z.object({
  gateway: GatewayId,
  site: SiteId,
  link: z.string(),
  protocol: z.string(),
  name: z.string().nullable(),
  rssiDbm: z.int().nullable(),
  lastSeenAt: moment,
  /** The running or failed attempt it was matched to. */
  deployment: z.uuid().nullable(),
});
export type StraySighting = z.infer<typeof StraySighting>;
export const StrayQuery = PageQuery.extend({ site: SiteId.optional(), gateway: GatewayId.optional() });
export type StrayQuery = z.infer<typeof StrayQuery>;
