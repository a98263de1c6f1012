/** What came of the devices of a campaign or stage, as every screen shows it: shares with their likely range, parts, gate lines. */
import { z } from 'zod';

const count = z.int().min(0);

/** A share with its denominator; `share` and `likely` are null while there is nothing to divide by. */
export const Share = z.object({
  n: count,
  of: count,
  share: z.number().nullable(),
  /** Wilson 95 % interval, 0..1: a description for people, not the brake's test. */
  likely: z.object({ low: z.number(), high: z.number() }).nullable(),
});
export type Share = z.infer<typeof Share>;

/** `proven`, `failedOrReverted` and `notKnown` add up to what ended; skipped and cancelled are set aside. */
export const SharesBody = z.object({
  /** Proven, failed, reverted, unproven and lost. */
  ended: count,
  proven: Share,
  failedOrReverted: Share,
  /** Unproven and lost: never drawn as good. */
  notKnown: Share,
  /** (failed + reverted + suspect) of (known + suspect): what gate and limit are measured by. */
  failure: Share,
});
export type SharesBody = z.infer<typeof SharesBody>;

/** Every member in exactly one part, in the order in which a bar shows them. */
export const PartsBody = z.object({
  proven: count,
  unproven: count,
  failed: count,
  reverted: count,
  lost: count,
  /** Touched and not ended, or waiting for a rescue. */
  inFlight: count,
  mayStillStart: count,
  /** Planned. */
  waiting: count,
  /** Skipped and cancelled: in no share. */
  setAside: count,
});
export type PartsBody = z.infer<typeof PartsBody>;

/** One condition of a stage's gate. */
export const GateLine = z.object({
  rule: z.enum(['known', 'strata', 'share', 'soak', 'approval']),
  /** `cannot-judge`: nothing more will come and too little is known, so the gate stays shut. */
  state: z.enum(['met', 'broken', 'counting', 'not-begun', 'cannot-judge']),
  /** What there is, and what the gate wants: devices, a share of 0..1, milliseconds, approvals. */
  have: z.number().nullable(),
  need: z.number(),
  /** What is missing for it to be met, in the same unit; null where a number cannot say it. */
  missing: z.number().nullable(),
  /** When it changes by itself, where that is known. */
  until: z.iso.datetime().nullable(),
  /** Who met it (approval), or which versions are missing (strata). */
  names: z.array(z.string()),
});
export type GateLine = z.infer<typeof GateLine>;
