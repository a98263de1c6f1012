/** Facts about devices that several messages carry. The shapes mirror the DFU core's session types. */
import { z } from 'zod';

export const IdentityFact = z.object({
  kind: z.enum(['chip-id', 'serial-number', 'eui', 'ble-address', 'port-path', 'udp-endpoint']),
  value: z.string().min(1).max(256),
});
export type IdentityFact = z.infer<typeof IdentityFact>;

export const RunningImageFact = z.object({
  image: z.int().min(0).max(255),
  version: z.string().max(128).optional(),
  hash: z
    .string()
    .regex(/^(?:[0-9a-f]{2}){16,64}$/)
    .optional(),
  confirmed: z.boolean().optional(),
});
export type RunningImageFact = z.infer<typeof RunningImageFact>;

export const FlatFacts = z.record(z.string().max(64), z.union([z.string().max(256), z.number()]));

/** A link as people spell it: `ble:AA:BB:…?type=random`, `serial:/dev/ttyUSB0?baud=115200`, `udp:host:port`; `agent:self` is the agent. */
export const LinkName = z
  .string()
  .max(256)
  .regex(/^(?:ble|serial|udp|agent):\S+$/);
