/** Maintenance windows, as policies carry them. */
import { z } from 'zod';

export const MaintenanceWindow = z.strictObject({
  /** Recurrence rule of RFC 5545 without its name: `FREQ=WEEKLY;BYDAY=SA,SU`. DAILY or rarer. */
  rule: z
    .string()
    .min(1)
    .max(512)
    .regex(/^[A-Z0-9=;,+-]+$/, 'is no recurrence rule: write it in capitals, like FREQ=WEEKLY;BYDAY=SA,SU'),
  /**
   * First day, and the time of day at which it opens, by the clock of each site: `2026-03-01T02:30`. Rules that count
   * (INTERVAL, COUNT) count from it.
   */
  from: z.string().regex(/^20\d{2}-\d{2}-\d{2}T\d{2}:\d{2}$/, 'is no local time: write it as 2026-03-01T02:30'),
  /** How long it stays open, in time that really passes: a minute to seven days. */
  durationMs: z.int().min(60_000).max(604_800_000),
});
export type MaintenanceWindow = z.infer<typeof MaintenanceWindow>;

export const MaintenanceWindows = z.array(MaintenanceWindow).min(1).max(16);
export type MaintenanceWindows = z.infer<typeof MaintenanceWindows>;
