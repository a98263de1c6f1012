/** `GET /api/v1/audit`: who did what to what, when and from where; newest first. */
import { z } from 'zod';
import { ExportQuery } from './export-api.js';
import { PageQuery } from './fleet-api.js';

export const AuditRecord = z.object({
  id: z.string(),
  at: z.iso.datetime(),
  actor: z.object({
    kind: z.enum(['person', 'gateway', 'rule', 'system']),
    id: z.string().nullable(),
    name: z.string().nullable(),
  }),
  /** noun.verb in past tense, as `campaign.paused`. */
  action: z.string(),
  target: z.object({ kind: z.string(), id: z.string() }).nullable(),
  params: z.record(z.string(), z.unknown()),
  ip: z.string().nullable(),
  requestId: z.string().nullable(),
});
export type AuditRecord = z.infer<typeof AuditRecord>;

export const AuditQuery = PageQuery.extend({
  /** A star stands for anything: `campaign.*`. */
  action: z.string().max(100).optional(),
  targetKind: z.string().max(100).optional(),
  targetId: z.string().max(100).optional(),
  actorId: z.string().max(100).optional(),
  /** Inclusive. */
  from: z.iso.datetime().optional(),
  /** Exclusive. */
  to: z.iso.datetime().optional(),
});
export type AuditQuery = z.infer<typeof AuditQuery>;

export const AuditExportQuery = AuditQuery.omit({ limit: true, after: true }).extend(ExportQuery.shape);
export type AuditExportQuery = z.infer<typeof AuditExportQuery>;

export const AuditPage = z.object({ items: z.array(AuditRecord), next: z.string().optional() });
export type AuditPage = z.infer<typeof AuditPage>;
