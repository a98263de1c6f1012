/**
 * Tables as files, streamed: CSV (RFC 4180, header first, formulas made text) or JSON lines. All of it: viewer.
 *
 * - `GET /api/v1/campaigns/{id}/export`             a row for each member
 * - `GET /api/v1/campaigns/{id}/failures/export`    those that failed, reverted or are lost
 * - `GET /api/v1/fleet/devices/export?filter=`     devices of the fleet, with the filters of their list
 * - `GET /api/v1/exposure/export?advisory=`         exposed devices
 * - `GET /api/v1/audit/export`                      the audit, with the filters of its list
 */
import { z } from 'zod';

export const ExportQuery = z.object({ format: z.enum(['csv', 'json']).default('csv') });
export type ExportQuery = z.infer<typeof ExportQuery>;
