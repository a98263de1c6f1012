/** `presence`: retained, and the agent's last will (design, section 4). */
import { z } from 'zod';

export const PresenceBody = z.object({
  online: z.boolean(),
  /** Counts the connections of this epoch; an older connection's last will says nothing about a newer one. */
  connection: z.int().min(1),
  /** Counts presence messages within the connection; the will carries the largest safe integer. */
  sequence: z.int().min(0),
  agentVersion: z.string().max(64),
  /** Envelope versions the agent reads. */
  wire: z.array(z.int().min(1)).min(1).max(16),
  protocols: z.array(z.string().max(64)).max(64),
  /**
   * Links of the site file, `adapter:NAME` for a Bluetooth adapter, and `journal` (down) while the journal can take
   * nothing more, with its error code first in the note: then nothing new starts. `site-file` (down) while the site
   * file cannot be used as it is: the last good one stays, and the note says what is wrong.
   */
  links: z
    .array(z.object({ link: z.string().max(256), state: z.enum(['up', 'down']), note: z.string().max(256).optional() }))
    .max(64),
  /**
   * The newest order of this epoch that the agent holds; revision 0 = none. An order that was signed for another
   * epoch is not held: its grants are dead, and the server has to publish again.
   */
  held: z.object({ reign: z.int().min(0), revision: z.int().min(0) }),
  /**
   * The newest moment of the server's clock that the agent knows from a signed answer (time, ack, order): proof that
   * this was written later. Two epochs that are proven to have lived at the same moment are two agents with one key.
   */
  heardMs: z.int().positive().optional(),
  /**
   * The gateway's own wall clock less the server's, in milliseconds: ahead is positive. Absent while the server's time
   * is not known. Nothing is decided by it: it tells people how to read the gateway's own log.
   */
  clockOffsetMs: z.int().optional(),
  /** Size of the journal on disk, and the records in it; absent in the last will. */
  journalBytes: z.int().min(0).optional(),
  journalEntries: z.int().min(0).optional(),
});
export type PresenceBody = z.infer<typeof PresenceBody>;
