/** `orders`: what one gateway shall do now. Replaces the order before it (design, section 4). */
import { z } from 'zod';
import { DeploymentId, DeviceId, Epoch, Sha256 } from '../ids.js';
import { IdentityFact, LinkName } from './device-facts.js';
import { AttemptRef } from './envelope.js';

export const ArtifactRef = z.object({
  sha256: Sha256,
  sizeBytes: z.int().positive(),
  format: z.string().max(64),
});
export type ArtifactRef = z.infer<typeof ArtifactRef>;

/** Permission for one attempt, dead in any epoch but the envelope's. Times are milliseconds of the server's clock. */
export const Grant = z.object({
  deployment: DeploymentId,
  reign: z.int().min(0),
  attempt: z.int().min(1),
  /** `rescue`: the device is without a running application. */
  mode: z.enum(['update', 'rescue']),
  device: DeviceId,
  model: z.string().max(64),
  identity: IdentityFact,
  /** Where the device was seen, best first. */
  links: z.array(LinkName).min(1).max(8),
  protocol: z.string().max(64),
  artifact: ArtifactRef,
  expect: z.object({
    /** What the running application calls itself when this artifact runs, where the file cannot tell. */
    version: z.string().max(128).optional(),
    /** No other artifact of the model carries that version. */
    versionProves: z.boolean(),
  }),
  confirm: z.enum(['after-proof', 'at-once']),
  allowDowngrade: z.boolean(),
  /** No first touch at or after it. */
  startBy: z.int().positive(),
  /** No touch at all at or after it. */
  finishBy: z.int().positive(),
  /**
   * No session of ours: the port goes to the vendor's own tool, over the server, for this long at most. Listed in `must`
   * (`grants.rawPort`), and given only to an agent that announces `raw-port`.
   */
  rawPort: z.object({ limitMs: z.int().positive().max(3_600_000) }).optional(),
  timeouts: z.object({
    downloadMs: z.int().positive(),
    transferMs: z.int().positive(),
    activateMs: z.int().positive(),
    proveMs: z.int().positive(),
  }),
});
export type Grant = z.infer<typeof Grant>;

/** Levels that a person can ask for: nothing can be silenced from afar. */
export const LogLevelName = z.enum(['debug', 'info', 'warn', 'error']);

export const OrdersBody = z.object({
  reign: z.int().min(0),
  revision: z.int().min(1),
  issuedAtMs: z.int().positive(),
  grants: z.array(Grant).max(256),
  /**
   * Attempts of this gateway, of any epoch, that this order does not grant (any more) and of whose start or end the server
   * has no word. An agent whose journal covers that epoch without damage, and shows no start, answers each with
   * `withdrawn` (`never-arrived`, or `epoch-ended` where it knows the grant), once; it keeps silent about one it cannot
   * vouch for. Needed because the order with the grant may never have arrived.
   */
  settle: z
    .array(AttemptRef.extend({ epoch: Epoch }))
    .max(256)
    .optional(),
  /** Artifacts to fetch ahead of need. */
  prefetch: z.array(ArtifactRef).max(32).default([]),
  settings: z
    .object({
      /** Another log level until then (the server's clock); the agent's own from there on, and in an order without it. */
      logLevel: z.object({ level: LogLevelName, untilMs: z.int().positive() }).optional(),
    })
    .optional(),
});
export type OrdersBody = z.infer<typeof OrdersBody>;

/** Field names of orders that this version understands; `must` is checked against it. */
export const KNOWN_ORDER_FIELDS: ReadonlySet<string> = new Set([
  ...Object.keys(OrdersBody.shape),
  ...Object.keys(Grant.shape).map((name) => `grants.${name}`),
]);
