/** `GET /api/v1/campaigns/{id}/brake`: the tests that can halt a campaign, stop a version, or set a place aside. */
import { z } from 'zod';

/** One test of the brake: its statistic now, where it rings, and what it has seen. */
export const BrakeTestBody = z.object({
  /** `campaign`, `stratum:1.4.0`, `overdue`, `transport`, `gateway:` or `site:` and its id. */
  test: z.string(),
  /** Name of the version, gateway or site; null for tests of the whole campaign. */
  group: z.string().nullable(),
  /** What happens when it rings: the campaign halts, the version is stopped, the place is quarantined. */
  then: z.enum(['halt', 'stop', 'quarantine']),
  limit: z.number(),
  /** Natural logarithms: the statistic, and where it rings. */
  logEvidence: z.number().nullable(),
  logBar: z.number(),
  failures: z.int(),
  tried: z.int(),
  rings: z.boolean(),
  sentence: z.string(),
  /** It rings when so many failures lie within so many first tried. */
  staircase: z.array(z.object({ failures: z.int(), within: z.int() })),
  /** How it went in this epoch: the count of failures after so many were tried; at most 500 points, the last one of now. */
  path: z.array(z.object({ tried: z.int(), failures: z.int() })),
});
export type BrakeTestBody = z.infer<typeof BrakeTestBody>;

export const BrakeBody = z.object({
  /** Rises with each resume; every epoch has an error level of its own. */
  epoch: z.int(),
  amber: z.boolean(),
  tests: z.array(BrakeTestBody),
});
export type BrakeBody = z.infer<typeof BrakeBody>;
