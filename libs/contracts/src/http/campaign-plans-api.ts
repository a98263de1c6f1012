/**
 * `/api/v1/campaigns/{id}`: its plan as it was kept, and what may be changed of it while it runs.
 *
 * - `GET plans`                       PlanVersions, newest first                              viewer
 * - `GET plans/{version}`             PlanVersion with the plan itself                        viewer
 * - `GET plans/{version}/changes`     PlanChanges: what differs now from that version         viewer
 * - `PUT pace`                        ChangePace, `If-Match` -> Campaign                      operator
 *
 * A version is kept whenever it was put to use (started, put up for approval, changed while running) or somebody else went on
 * with it; what one person types into one draft is one version.
 */
import { z } from 'zod';
import { PolicyDiff } from './campaign-insight-api.js';
import { Limits, PacePolicy, Policy, Selector } from './campaign-policy.js';
import { Campaign } from './campaigns-api.js';

const moment = z.iso.datetime();
const lines = PolicyDiff.shape.lines;

export const PlanVersion = z.object({
  /** From 1. */
  version: z.int().min(1),
  at: moment,
  /** Who wrote it; null for what was there before versions were kept. */
  by: z.string().nullable(),
  /** When it was started, put up for approval, or took hold of a running campaign. */
  usedAt: moment.nullable(),
  /** When the last approval that it needed was given. */
  approvedAt: moment.nullable(),
  planDigest: z.string(),
  /** Whether it is the plan of now. */
  current: z.boolean(),
  /** What it changed of the version before; long lists are counted. */
  lines,
  /** Fields in which the plan of now differs from it. */
  fieldsSince: z.int().min(0),
});
export type PlanVersion = z.infer<typeof PlanVersion>;

export const PlanVersions = z.object({
  items: z.array(PlanVersion),
  /** Older versions are kept that are not listed. */
  more: z.boolean(),
});
export type PlanVersions = z.infer<typeof PlanVersions>;

export const StoredPlan = PlanVersion.extend({
  name: z.string(),
  note: z.string(),
  artifact: Campaign.shape.artifact,
  selector: Selector,
  policy: Policy,
});
export type StoredPlan = z.infer<typeof StoredPlan>;

export const PlanChanges = z.object({ from: z.int().min(1), to: z.int().min(1), lines });
export type PlanChanges = z.infer<typeof PlanChanges>;

/** The whole pace and all limits, as they shall be from now on. */
export const ChangePace = z.strictObject({
  pace: PacePolicy,
  limits: Limits,
  reason: z.string().trim().min(1).max(500),
});
export type ChangePace = z.infer<typeof ChangePace>;
