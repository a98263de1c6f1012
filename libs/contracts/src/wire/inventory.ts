/** `inventory`: devices seen (design, section 4). Not journalled: what was lost is seen again. */
import { z } from 'zod';
import { FlatFacts, IdentityFact, LinkName, RunningImageFact } from './device-facts.js';

export const InventoryDevice = z.object({
  identity: IdentityFact,
  /** From the device itself or from the site's device list. */
  model: z.string().max(64).optional(),
  name: z.string().max(128).optional(),
  links: z
    .array(z.object({ link: LinkName, rssiDbm: z.int().min(-128).max(127).optional() }))
    .min(1)
    .max(8),
  protocol: z.string().max(64),
  mode: z.enum(['application', 'bootloader']),
  running: z.array(RunningImageFact).max(8),
  installed: z.array(RunningImageFact).max(8).optional(),
  hardware: FlatFacts.default({}),
  /** Charge of the battery as the device itself reports it; left out where it has none or does not say. */
  batteryPercent: z.int().min(0).max(100).optional(),
  /**
   * Number of the newest report this epoch had issued when the unit was read: evidence older than a
   * result must not overturn it, whatever order the broker delivers in.
   */
  readAfterSeq: z.int().min(0),
  /**
   * The newest moment of the server's clock that the agent knew when it read the unit. Orders the evidence where
   * the result came through another gateway, whose numbers cannot be compared.
   */
  readHeardMs: z.int().positive().optional(),
});
export type InventoryDevice = z.infer<typeof InventoryDevice>;

/** A bootloader sighting that matches no known device. It never creates one. */
export const Stray = z.object({
  link: LinkName,
  protocol: z.string().max(64),
  name: z.string().max(128).optional(),
  rssiDbm: z.int().min(-128).max(127).optional(),
});
export type Stray = z.infer<typeof Stray>;

export const InventoryBody = z.object({
  /** Counts within the epoch; an older one that arrives late is ignored. */
  sequence: z.int().min(1),
  devices: z.array(InventoryDevice).max(256),
  strays: z.array(Stray).max(64).default([]),
});
export type InventoryBody = z.infer<typeof InventoryBody>;
