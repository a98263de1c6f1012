/**
 * `/api/v1` of the advisories room: what is known to be unsafe, and who still runs it.
 *
 * - `GET advisories?state=&after=`          viewer
 * - `POST advisories`                       approver
 * - `GET advisories/{id}`                   viewer
 * - `PUT advisories/{id}`                   approver, `If-Match`
 * - `POST advisories/{id}/close|reopen`     approver, `If-Match`
 * - `DELETE advisories/{id}`                admin, `If-Match`: its history of exposure goes with it
 * - `GET exposure?advisory=`                who runs an affected version now: counts           viewer
 * - `GET exposure/devices?advisory=&…`      the devices, by keyset                              viewer
 * - `GET exposure/history?advisory=&…`      how it went, from samples that are kept for ever    viewer
 */
import { z } from 'zod';
import { ModelName, SiteId } from '../ids.js';
import { ExportQuery } from './export-api.js';
import { PageQuery } from './fleet-api.js';

const moment = z.iso.datetime();
const count = z.int().min(0);

export const SEVERITIES = ['low', 'medium', 'high', 'critical'] as const;
/** CVE numbering (cve.org): year and at least four digits. */
export const CveId = z.string().regex(/^CVE-\d{4}-\d{4,19}$/, 'is no CVE id (CVE-2026-12345)');
const Version = z.string().trim().min(1).max(128);

/** What of one model is affected. A version that neither side can place is *unknown*, never safe. */
export const AdvisoryModel = z.strictObject({
  model: ModelName,
  /** A range of semantic versions as node-semver reads it (`>=1.2.0 <1.4.3`); pre-releases within it count. */
  affected: z.string().trim().min(1).max(500).nullable().default(null),
  /** Running versions that are affected, whatever the range says; for versions that are not semantic. */
  affectedVersions: z.array(Version).max(200).default([]),
  /** Running versions that are not, whatever the range says; goes before all others. */
  unaffectedVersions: z.array(Version).max(200).default([]),
  /** The artifact that mends it. */
  fixedBy: z.uuid().nullable().default(null),
});
export type AdvisoryModel = z.infer<typeof AdvisoryModel>;

export const AdvisoryDraft = z.strictObject({
  cve: CveId,
  title: z.string().trim().min(1).max(200),
  text: z.string().max(20_000).default(''),
  severity: z.enum(SEVERITIES),
  models: z
    .array(AdvisoryModel)
    .min(1)
    .max(100)
    .refine((models) => new Set(models.map(({ model }) => model)).size === models.length, 'each model once'),
});
export type AdvisoryDraft = z.infer<typeof AdvisoryDraft>;

export const Advisory = AdvisoryDraft.extend({
  id: z.uuid(),
  state: z.enum(['open', 'closed']),
  createdAt: moment,
  closedAt: moment.nullable(),
  revision: z.int(),
});
export type Advisory = z.infer<typeof Advisory>;
export const AdvisoryQuery = PageQuery.extend({ state: z.enum(['open', 'closed']).optional() });
export type AdvisoryQuery = z.infer<typeof AdvisoryQuery>;

/** `silent`: of them, behind a gateway that is not heard (or none). */
const Count = z.object({ devices: count, silent: count });
export const Exposure = z.object({
  advisory: z.object({ id: z.uuid(), cve: z.string(), title: z.string(), severity: z.enum(SEVERITIES) }),
  atMs: z.int(),
  affected: Count,
  unaffected: Count,
  unknown: Count,
  /** Devices of the advisory's models that are not decommissioned. */
  total: count,
  models: z.array(z.object({ model: z.string(), affected: Count, unaffected: Count, unknown: Count })),
  /** Versions that run, most devices first; null: the device says none. At most 200. */
  versions: z.array(
    z.object({
      model: z.string(),
      version: z.string().nullable(),
      status: z.enum(['affected', 'unaffected', 'unknown']),
      devices: count,
      silent: count,
    }),
  ),
  /** Sites with affected or unknown devices, most affected first. At most 200; `next` says there are more. */
  sites: z.array(z.object({ site: z.uuid(), name: z.string(), affected: count, unknown: count, silent: count })),
  moreSites: z.boolean(),
});
export type Exposure = z.infer<typeof Exposure>;

export const ExposureQuery = z.object({ advisory: z.uuid() });
export type ExposureQuery = z.infer<typeof ExposureQuery>;
export const ExposureDeviceQuery = PageQuery.extend({
  advisory: z.uuid(),
  status: z.enum(['affected', 'unknown']).default('affected'),
  model: ModelName.optional(),
  site: SiteId.optional(),
  /** Only those whose gateway is not heard. */
  silent: z
    .enum(['true', 'false'])
    .transform((text) => text === 'true')
    .optional(),
});
export type ExposureDeviceQuery = z.infer<typeof ExposureDeviceQuery>;
export const ExposureExportQuery = ExposureDeviceQuery.omit({ limit: true, after: true }).extend(ExportQuery.shape);
export type ExposureExportQuery = z.infer<typeof ExposureExportQuery>;
export const ExposedDevice = z.object({
  device: z.uuid(),
  name: z.string().nullable(),
  model: z.string(),
  version: z.string().nullable(),
  site: z.uuid(),
  gateway: z.uuid().nullable(),
  silent: z.boolean(),
  lastSeenAt: moment,
});
export type ExposedDevice = z.infer<typeof ExposedDevice>;

export const ExposureHistoryQuery = PageQuery.extend({
  advisory: z.uuid(),
  model: ModelName.optional(),
  from: moment.optional(),
  to: moment.optional(),
});
export type ExposureHistoryQuery = z.infer<typeof ExposureHistoryQuery>;
export const ExposureSample = z.object({
  at: moment,
  model: z.string(),
  affected: count,
  affectedSilent: count,
  unknown: count,
  total: count,
});
export type ExposureSample = z.infer<typeof ExposureSample>;
