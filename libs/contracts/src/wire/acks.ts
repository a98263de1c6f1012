/** `acks`: only an ack means committed (design, section 4). */
import { z } from 'zod';
import { Epoch } from '../ids.js';

const nonce = z.string().regex(/^[0-9a-f]{32}$/);

export const AckBody = z.object({
  /** The numbering epoch this cursor belongs to. */
  of: Epoch,
  /**
   * Highest number up to which all reports of that epoch are committed; 0 = none. Lower than before: the agent sends
   * again from there, if `nonce` is that of its batch under way or absent; with another nonce it is a late ack.
   */
  cursor: z.int().min(0),
  /** When it has grown, the agent offers the reports of its last 30 days again. */
  reign: z.int().min(0),
  /** Echo of the batch, which makes this a time answer too. */
  nonce: nonce.optional(),
  serverTimeMs: z.int().positive(),
  /**
   * Numbers of this batch whose `downloading` report moved nothing (the attempt was over, or another's): that attempt must
   * not be touched. Left out: none.
   */
  unapplied: z.array(z.int().min(1)).max(256).optional(),
  /** Overload: send nothing for this long. */
  retryAfterMs: z.int().min(0).max(3_600_000).optional(),
});
export type AckBody = z.infer<typeof AckBody>;

/** Answer to a time request, purpose `time`, on the `acks` topic. */
export const TimeBody = z.object({ nonce, serverTimeMs: z.int().positive(), reign: z.int().min(0) });
export type TimeBody = z.infer<typeof TimeBody>;
