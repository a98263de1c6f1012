/**
 * Filters over devices, and `POST /api/v1/devices/filter-preview`: FilterPreviewRequest -> FilterPreview (viewer). A filter
 * that cannot be read is refused with 400; each of its errors has a place within the text.
 */
import { z } from 'zod';

/**
 * RSQL (FIQL): `model==sensor-*;version<1.4.0;(site=in=(berlin,"new york"),tag==floor:3)`. `;` or ` and ` binds closer than
 * `,` or ` or `. Fields: model, version, tag, site, gateway, link, lastSeen, battery, signal, device, name, identity, hold.
 */
export const DeviceFilter = z.string().max(8192);
export type DeviceFilter = z.infer<typeof DeviceFilter>;

export const FilterPreviewRequest = z.strictObject({ filter: DeviceFilter });
export type FilterPreviewRequest = z.infer<typeof FilterPreviewRequest>;

export const FilterPreview = z.object({
  /** The filter in words, to be checked against what was meant. */
  sentence: z.string(),
  /** Devices that match. */
  count: z.int().min(0),
  /** False: counting took too long, and the numbers are projected from a part of the fleet. */
  exact: z.boolean(),
  /** By model and running version, the largest first; null = unknown. */
  strata: z.array(z.object({ model: z.string().nullable(), version: z.string().nullable(), count: z.int().min(0) })),
  /** Devices in strata that are not listed. */
  otherStrata: z.object({ strata: z.int().min(0), count: z.int().min(0) }),
  /** Some of them, at most 20; null when they were not found in time. */
  sample: z
    .array(
      z.object({
        id: z.uuid(),
        name: z.string().nullable(),
        identity: z.string(),
        model: z.string().nullable(),
        version: z.string().nullable(),
        site: z.string(),
        gateway: z.string().nullable(),
        lastSeenAt: z.iso.datetime(),
      }),
    )
    .nullable(),
});
export type FilterPreview = z.infer<typeof FilterPreview>;
