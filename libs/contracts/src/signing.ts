/**
 * Signatures over envelopes and key statements: JWS compact (RFC 7515), EdDSA with Ed25519 (RFC 8037).
 * Verification fails closed: anything that is not exactly as expected throws `SignatureError`.
 */
import {
  CompactSign,
  calculateJwkThumbprint,
  compactVerify,
  exportJWK,
  generateKeyPair,
  importJWK,
  type JWK,
} from 'jose';
import { z } from 'zod';
import { Envelope, type Purpose } from './wire/envelope.js';

type CryptoKeyLike = Awaited<ReturnType<typeof generateKeyPair>>['publicKey'];

/** Public Ed25519 key in JWK form (RFC 8037). */
export const PublicJwk = z.object({ kty: z.literal('OKP'), crv: z.literal('Ed25519'), x: z.string().length(43) });
export type PublicJwk = z.infer<typeof PublicJwk>;
/** Private Ed25519 key: `d` is secret and never logged or sent. */
export const PrivateJwk = PublicJwk.extend({ d: z.string().length(43) });
export type PrivateJwk = z.infer<typeof PrivateJwk>;

export interface SigningKey {
  /** RFC 7638 thumbprint of the public key, the `kid` of every signature. */
  readonly kid: string;
  readonly publicJwk: PublicJwk;
  readonly key: CryptoKeyLike;
}
export interface VerifyingKey {
  readonly kid: string;
  readonly key: CryptoKeyLike;
}

export class SignatureError extends Error {
  constructor(
    readonly why: 'malformed' | 'unknown-key' | 'bad-signature' | 'wrong-purpose' | 'wrong-server' | 'wrong-gateway',
    detail: string,
  ) {
    super(`${why}: ${detail}`);
    this.name = 'SignatureError';
  }
}

/** Makes a new Ed25519 key pair. */
export async function generateSigningKey(): Promise<{ privateJwk: PrivateJwk; publicJwk: PublicJwk; kid: string }> {
  const pair = await generateKeyPair('EdDSA', { crv: 'Ed25519', extractable: true });
  const privateJwk = PrivateJwk.parse(await exportJWK(pair.privateKey));
  const publicJwk = PublicJwk.parse(privateJwk);
  return { privateJwk, publicJwk, kid: await keyFingerprint(publicJwk) };
}

/** RFC 7638 thumbprint (base64url SHA-256): what people compare at enrolment, and the `kid`. */
export async function keyFingerprint(publicJwk: PublicJwk): Promise<string> {
  return calculateJwkThumbprint(publicJwk as JWK, 'sha256');
}

export async function importSigningKey(privateJwk: PrivateJwk): Promise<SigningKey> {
  const publicJwk = PublicJwk.parse(privateJwk);
  const key = (await importJWK({ ...privateJwk, alg: 'EdDSA' } as JWK, 'EdDSA')) as CryptoKeyLike;
  return { kid: await keyFingerprint(publicJwk), publicJwk, key };
}

export async function importVerifyingKey(publicJwk: PublicJwk): Promise<VerifyingKey> {
  const key = (await importJWK({ ...PublicJwk.parse(publicJwk), alg: 'EdDSA' } as JWK, 'EdDSA', {
    // It is public; platforms may want it in a form of their own.
    extractable: true,
  })) as CryptoKeyLike;
  return { kid: await keyFingerprint(PublicJwk.parse(publicJwk)), key };
}

const encoder = new TextEncoder();
const decoder = new TextDecoder('utf-8', { fatal: true });

async function sign(payload: unknown, typ: string, key: SigningKey): Promise<string> {
  return new CompactSign(encoder.encode(JSON.stringify(payload)))
    .setProtectedHeader({ alg: 'EdDSA', kid: key.kid, typ })
    .sign(key.key);
}

async function verify(
  jws: string,
  typ: string,
  resolveKey: (kid: string) => VerifyingKey | undefined | Promise<VerifyingKey | undefined>,
): Promise<{ payload: unknown; kid: string }> {
  let kid = '';
  let unknownKey = false;
  try {
    const result = await compactVerify(
      jws,
      async (header) => {
        if (header.typ !== typ || typeof header.kid !== 'string') throw new Error('header');
        kid = header.kid;
        const found = await resolveKey(header.kid);
        if (!found) {
          unknownKey = true;
          throw new Error('unknown key');
        }
        return found.key;
      },
      { algorithms: ['EdDSA'] },
    );
    return { payload: JSON.parse(decoder.decode(result.payload)) as unknown, kid };
  } catch (error) {
    if (unknownKey) throw new SignatureError('unknown-key', `no key ${kid.slice(0, 64)}`);
    throw new SignatureError(
      kid ? 'bad-signature' : 'malformed',
      error instanceof Error ? error.message : 'unreadable',
    );
  }
}

const ENVELOPE_TYP = 'drydock-envelope';
const STATEMENT_TYP = 'drydock-root-statement';

/** Signs an envelope. The caller fills it; nothing is added. */
export function signEnvelope(envelope: z.input<typeof Envelope>, key: SigningKey): Promise<string> {
  return sign(envelope, ENVELOPE_TYP, key);
}

/**
 * Checks signature, form, purpose, server and gateway of a message.
 * @param expect what the reader knows from the topic it came on; `server` may be left out only before enrolment.
 * @throws SignatureError
 */
export async function verifyEnvelope(
  jws: string,
  resolveKey: (kid: string) => VerifyingKey | undefined | Promise<VerifyingKey | undefined>,
  expect: { purpose: Purpose | readonly Purpose[]; server?: string; gateway?: string },
): Promise<Envelope & { kid: string }> {
  const { payload, kid } = await verify(jws, ENVELOPE_TYP, resolveKey);
  const parsed = Envelope.safeParse(payload);
  if (!parsed.success) throw new SignatureError('malformed', z.prettifyError(parsed.error));
  const envelope = parsed.data;
  const purposes: readonly string[] = Array.isArray(expect.purpose) ? expect.purpose : [expect.purpose as string];
  if (!purposes.includes(envelope.purpose)) throw new SignatureError('wrong-purpose', envelope.purpose);
  if (expect.server !== undefined && envelope.server !== expect.server) {
    throw new SignatureError('wrong-server', envelope.server);
  }
  if (expect.gateway !== undefined && envelope.gateway !== expect.gateway) {
    throw new SignatureError('wrong-gateway', envelope.gateway);
  }
  return { ...envelope, kid };
}

/**
 * What the root key says: which keys sign orders now. Agents pin the root at enrolment and take a
 * statement only if it is signed by the pinned root and its version is higher than the one they hold;
 * a statement may name the next root, which is pinned from then on.
 */
export const RootStatement = z.object({
  v: z.literal(1),
  server: z.uuid(),
  version: z.int().min(1),
  root: PublicJwk,
  orderKeys: z.array(PublicJwk).min(1).max(8),
  issuedAtMs: z.int().positive(),
});
export type RootStatement = z.infer<typeof RootStatement>;

export function signRootStatement(statement: RootStatement, rootKey: SigningKey): Promise<string> {
  return sign(RootStatement.parse(statement), STATEMENT_TYP, rootKey);
}

/** @throws SignatureError when it is not signed by the given root. */
export async function verifyRootStatement(jws: string, root: PublicJwk): Promise<RootStatement> {
  const rootKey = await importVerifyingKey(root);
  const { payload } = await verify(jws, STATEMENT_TYP, (kid) => (kid === rootKey.kid ? rootKey : undefined));
  const parsed = RootStatement.safeParse(payload);
  if (!parsed.success) throw new SignatureError('malformed', z.prettifyError(parsed.error));
  return parsed.data;
}
