/**
 * `/agent/v1`: what gateways use over HTTP(S): enrolment, login, root statements, artifact bytes.
 *
 * - `POST enrol`                 EnrolRequest -> EnrolResponse (the token is the authority; one use)
 * - `POST login`                 LoginRequest -> LoginResponse (a signed envelope, purpose `login`, is the authority)
 * - `GET root?after=N`           RootStatements (public: statements are signed)
 * - `GET artifacts/{sha256}`     bytes, `Range` honoured; `Authorization: Bearer <login token>`; only
 *                                artifacts named by the gateway's live grants or prefetch list
 */
import { z } from 'zod';
import { GatewayId, OrgId, ServerId, SiteId } from '../ids.js';
import { PublicJwk } from '../signing.js';
import { TopicPrefix } from '../topics.js';

export const EnrolRequest = z.object({
  token: z.string().min(20).max(200),
  /** What the gateway wants to be called; the server may append to make it unique within the site. */
  name: z
    .string()
    .regex(/^[a-z0-9][a-z0-9.-]{0,62}$/)
    .optional(),
  publicKey: PublicJwk,
  agentVersion: z.string().max(64),
});
export type EnrolRequest = z.infer<typeof EnrolRequest>;

export const BrokerAccess = z.object({
  /** `mqtt://host:port` (loopback only) or `mqtts://…`. A relative `mqtt://:1883` means: the host of the HTTP address. */
  url: z.string().max(512),
  /** `token`: user name = gateway id, password = login token. `certificate`: TLS client certificate. */
  login: z.enum(['token', 'certificate']),
  /** PEM, for `certificate`: the client certificate over the gateway's own key, and the CA of the broker. */
  certificate: z.string().max(20_000).optional(),
  ca: z.string().max(20_000).optional(),
});
export type BrokerAccess = z.infer<typeof BrokerAccess>;

export const EnrolResponse = z.object({
  server: ServerId,
  org: OrgId,
  site: z.object({ id: SiteId, name: z.string(), zone: z.string() }),
  gateway: z.object({ id: GatewayId, name: z.string() }),
  topicPrefix: TopicPrefix,
  broker: BrokerAccess,
  /** Signed root statements, oldest first; the agent pins the root of the first. */
  rootStatements: z.array(z.string().max(20_000)).min(1).max(64),
  /** Release keys by model, PEM (SPKI); held by the agent from here or its site file, never taken from an order. */
  releaseKeys: z.record(z.string().max(64), z.array(z.string().max(2_000)).max(8)).default({}),
});
export type EnrolResponse = z.infer<typeof EnrolResponse>;

/** Body of the `login` envelope: proves possession of the gateway's key, and asks for the time. */
export const LoginBody = z.object({ nonce: z.string().regex(/^[0-9a-f]{32}$/) });
export const LoginRequest = z.object({ envelope: z.string().max(10_000) });
export type LoginRequest = z.infer<typeof LoginRequest>;

export const LoginResponse = z.object({
  /** Signed by the order key (envelope, purpose `login-token`): MQTT password and HTTP bearer. Opaque to the agent. */
  token: z.string().max(10_000),
  expiresInMs: z.int().positive(),
  /** Signed envelope, purpose `time`, echoing the nonce. */
  time: z.string().max(10_000),
  broker: BrokerAccess,
});
export type LoginResponse = z.infer<typeof LoginResponse>;
/** Body of the `login-token` envelope. */
export const LoginTokenBody = z.object({
  expiresAtMs: z.int().positive(),
  /** Fingerprint of the gateway's key that asked: when it is revoked, the token is no longer good. */
  key: z.string().max(64).optional(),
});
export type LoginTokenBody = z.infer<typeof LoginTokenBody>;

export const RootStatements = z.object({ rootStatements: z.array(z.string().max(20_000)).max(64) });
export type RootStatements = z.infer<typeof RootStatements>;
