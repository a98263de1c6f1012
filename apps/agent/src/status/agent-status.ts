/** What `drydock-agent status` tells: the answer of the running daemon, or what its state folder shows at rest. */
import { z } from 'zod';

const Line = z.object({
  level: z.number(),
  time: z.string(),
  msg: z.string(),
  facts: z.record(z.string(), z.unknown()),
});

export const AgentStatus = z.object({
  v: z.literal(1),
  /** False: nobody answered; the rest is what journal and log show. */
  running: z.boolean(),
  version: z.string().nullable(),
  pid: z.number().nullable(),
  /** By the gateway's own clock. */
  startedAt: z.string().nullable(),
  /** Since when it stops; it waits for work that is between erase and proof. */
  stoppingSince: z.string().nullable(),
  epoch: z.string().nullable(),
  gateway: z.object({ id: z.string(), name: z.string(), site: z.string(), server: z.string() }).nullable(),
  connection: z.object({
    /** `enrolling`: not enrolled yet, and trying. */
    state: z.enum(['enrolling', 'online', 'offline', 'not-running']),
    since: z.string().nullable(),
    /** Newest moment of the server's clock that a signed message named. */
    heardAt: z.string().nullable(),
    detail: z.string().nullable(),
  }),
  clock: z.object({
    /** The server's clock minus this machine's; null without a trusted time. */
    offsetMs: z.number().nullable(),
    uncertaintyMs: z.number().nullable(),
  }),
  log: z.object({ level: z.string().nullable(), until: z.string().nullable(), lostLines: z.number() }),
  links: z.array(z.object({ link: z.string(), state: z.string(), note: z.string().nullable() })),
  /** How long updates held each link since the start: `ble` for all of the adapter, `serial:PATH` for a port. */
  airTime: z.array(z.object({ link: z.string(), heldMs: z.number() })).default([]),
  work: z.array(
    z.object({
      attempt: z.string(),
      device: z.string(),
      /** As the site file calls it. */
      name: z.string().nullable().default(null),
      model: z.string(),
      protocol: z.string(),
      link: z.string(),
      phase: z.string(),
      /** The newest point of no return that is behind it. */
      step: z.string().nullable(),
      /** Between erase (or activation) and proof: its device may have no running application until this work is done. */
      atRisk: z.boolean(),
      percent: z.number().nullable(),
      since: z.string().nullable(),
      /** When its grant ends: `startBy` until it has started, then `finishBy`; the server's clock. */
      until: z.string(),
    }),
  ),
  reports: z.object({ waiting: z.number(), ofEpochs: z.number() }),
  journal: z.object({ found: z.string(), bytes: z.number().nullable(), trouble: z.string().nullable() }),
  errors: z.array(Line),
  happened: z.array(Line),
});
export type AgentStatus = z.infer<typeof AgentStatus>;

/** Lines of what happened that an answer carries. */
export const HAPPENED_LINES = 30;
export const ERROR_LINES = 5;
export const AIR_TIME_LINKS = 64;

export const isoOf = (ms: number | null | undefined): string | null =>
  typeof ms === 'number' && Number.isFinite(ms) && Math.abs(ms) < 8.64e15 ? new Date(ms).toISOString() : null;
