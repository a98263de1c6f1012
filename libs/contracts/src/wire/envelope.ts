/**
 * The frozen envelope of every signed message (design, section 4).
 *
 * A message is a JWS in compact form (RFC 7515), `EdDSA` over Ed25519, whose payload is this JSON
 * object. The envelope, the cancellations and the agent upgrade never change their form: an agent of
 * any age can read them. What may grow is `body`, whose form is named by `bodyVersion`; readers ignore
 * fields they do not know unless the field's name is listed in `must`.
 */
import { z } from 'zod';
import { DeploymentId, Epoch, GatewayId, ServerId, Sha256 } from '../ids.js';

export const PURPOSES = [
  'orders',
  'acks',
  'time',
  'reports',
  'time-request',
  'inventory',
  'presence',
  'login',
  'login-token',
] as const;
export type Purpose = (typeof PURPOSES)[number];

/** Names one attempt for ever: numbers of a restored server differ in `reign`. */
export const AttemptRef = z.object({
  deployment: DeploymentId,
  reign: z.int().min(0),
  attempt: z.int().min(1),
});
export type AttemptRef = z.infer<typeof AttemptRef>;

/** Frozen. `before-start`: only if not started; `safe-point`: leave at the next point where the device still works. */
export const Cancellation = z.object({
  deployment: DeploymentId,
  reign: z.int().min(0),
  attempt: z.int().min(1),
  mode: z.enum(['before-start', 'safe-point']),
});
export type Cancellation = z.infer<typeof Cancellation>;

/** Frozen. The bundle is an artifact like any other, fetched by hash and checked against the agent release key. */
export const AgentUpgrade = z.object({
  version: z.string().max(64),
  sha256: Sha256,
  sizeBytes: z.int().positive(),
});
export type AgentUpgrade = z.infer<typeof AgentUpgrade>;

/** Frozen. */
export const Envelope = z.object({
  v: z.literal(1),
  purpose: z.enum(PURPOSES),
  server: ServerId,
  gateway: GatewayId,
  /** The live epoch of the agent: of the sender, or of the agent this is meant for; null before any is known. */
  epoch: Epoch.nullable(),
  /** Names of body fields that a reader has to understand, or refuse the body. */
  must: z.array(z.string().max(64)).max(32).default([]),
  bodyVersion: z.int().min(1),
  /** Orders only. Valid even when the body is refused. */
  cancellations: z.array(Cancellation).max(512).optional(),
  /** Orders only. Valid even when the body is refused. */
  upgrade: AgentUpgrade.optional(),
  body: z.unknown(),
});
export type Envelope = z.infer<typeof Envelope>;

/** @returns names in `must` that this reader does not know; empty = the body may be used. */
export function unknownMusts(envelope: Pick<Envelope, 'must'>, known: ReadonlySet<string>): string[] {
  return envelope.must.filter((name) => !known.has(name));
}
