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
  errors: z
    .array(
      z.object({
        path: z.string(),
        message: z.string(),
        /** For a text with a grammar (a filter): where the fault begins within the text, and how long it is. */
        at: z.int().min(0).optional(),
        length: z.int().min(0).optional(),
        /** The word that was probably meant. */
        nearest: z.string().optional(),
      }),
    )
    .optional(),
});
export type ProblemPlace = NonNullable<Problem['errors']>[number];
export type Problem = z.infer<typeof Problem>;
