/**
 * `/api/v1/system`: the installation as a whole.
 *
 * - `POST system/restore-declared`   admin: the database was restored from a backup. Raises the reign, pauses all campaigns
 *                                    of all organisations, and grants nothing until what the backup does not know has run out.
 */
import { z } from 'zod';

export const RestoreDeclaration = z.strictObject({ reason: z.string().trim().min(1).max(500) });
export type RestoreDeclaration = z.infer<typeof RestoreDeclaration>;
export const RestoreDeclared = z.object({
  reign: z.int(),
  /** Nothing is granted before it. */
  settlingUntil: z.iso.datetime().nullable(),
});
export type RestoreDeclared = z.infer<typeof RestoreDeclared>;
