/** `progress`: bytes done, unsigned, QoS 0, never stored; at most one a second per device. */
import { z } from 'zod';
import { AttemptRef } from './envelope.js';

export const ProgressMessage = z.object({
  v: z.literal(1),
  items: z
    .array(z.object({ ref: AttemptRef, sentBytes: z.int().min(0), totalBytes: z.int().min(0) }))
    .min(1)
    .max(64),
});
export type ProgressMessage = z.infer<typeof ProgressMessage>;
