/** Errors over HTTP: RFC 9457 problem details, with our stable code and flat parameters. */
import { z } from 'zod';

export const Problem = z.object({
  /** `urn:drydock:error:<code>` */
  type: z.string(),
  title: z.string(),
  status: z.int(),
  detail: z.string(),
  instance: z.string().optional(),
  code: z.string(),
  params: z.record(z.string(), z.union([z.string(), z.number(), z.boolean(), z.null()])),
  /** For bodies that do not parse: every place that is wrong. */
  errors: z.array(z.object({ path: z.string(), message: z.string() })).optional(),
});
export type Problem = z.infer<typeof Problem>;
