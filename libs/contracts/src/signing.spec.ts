import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { CompactSign, compactVerify, importJWK } from 'jose';
import {
  generateSigningKey,
  importSigningKey,
  importVerifyingKey,
  keyFingerprint,
  SignatureError,
  signEnvelope,
  signRootStatement,
  verifyEnvelope,
  verifyRootStatement,
  type PrivateJwk,
} from './signing.js';

/** RFC 8037, appendix A.1 to A.4: key, thumbprint, and a signature over known text. */
const RFC_KEY: PrivateJwk = {
  kty: 'OKP',
  crv: 'Ed25519',
  d: 'nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A',
  x: '11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo',
};
const RFC_THUMBPRINT = 'kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k';
const RFC_JWS =
  'eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc.hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg';

const SERVER = '0b9ac6a2-4bd2-4a16-a1b9-0a2f6f9b9e01';
const GATEWAY = '0b9ac6a2-4bd2-4a16-a1b9-0a2f6f9b9e02';
const EPOCH = '00112233445566778899aabbccddeeff';

const publicPart = { kty: 'OKP' as const, crv: 'Ed25519' as const, x: RFC_KEY.x };

const envelope = {
  v: 1 as const,
  purpose: 'acks' as const,
  server: SERVER as never,
  gateway: GATEWAY as never,
  epoch: EPOCH as never,
  bodyVersion: 1,
  body: { of: EPOCH, cursor: 3, reign: 0, serverTimeMs: 1_700_000_000_000 },
};

describe('keys and signatures (RFC 8037)', () => {
  it('computes the thumbprint of the RFC key', async () => {
    expect(await keyFingerprint(publicPart)).toBe(RFC_THUMBPRINT);
  });

  it('signs as the RFC does', async () => {
    const key = await importSigningKey(RFC_KEY);
    const jws = await new CompactSign(new TextEncoder().encode('Example of Ed25519 signing'))
      .setProtectedHeader({ alg: 'EdDSA' })
      .sign(key.key);
    expect(jws).toBe(RFC_JWS);
    await compactVerify(RFC_JWS, await importJWK({ kty: 'OKP', crv: 'Ed25519', x: RFC_KEY.x, alg: 'EdDSA' }));
  });
});

describe('envelopes', () => {
  it('returns what was signed', async () => {
    const key = await importSigningKey(RFC_KEY);
    const jws = await signEnvelope(envelope, key);
    const verifier = await importVerifyingKey(publicPart);
    const read = await verifyEnvelope(jws, (kid) => (kid === verifier.kid ? verifier : undefined), {
      purpose: 'acks',
      server: SERVER,
      gateway: GATEWAY,
    });
    expect(read).toMatchObject({ ...envelope, must: [], kid: RFC_THUMBPRINT });
  });

  it.each([
    ['wrong-purpose', { purpose: 'orders' as const, server: SERVER, gateway: GATEWAY }],
    ['wrong-server', { purpose: 'acks' as const, server: GATEWAY, gateway: GATEWAY }],
    ['wrong-gateway', { purpose: 'acks' as const, server: SERVER, gateway: SERVER }],
  ])('refuses a message for somebody else: %s', async (why, expected) => {
    const key = await importSigningKey(RFC_KEY);
    const jws = await signEnvelope(envelope, key);
    const verifier = await importVerifyingKey(publicPart);
    await expect(verifyEnvelope(jws, () => verifier, expected)).rejects.toMatchObject({ why });
  });

  it('refuses a signature by another key, and an unknown key', async () => {
    const other = await importSigningKey((await generateSigningKey()).privateJwk);
    const key = await importVerifyingKey(publicPart);
    const jws = await signEnvelope(envelope, other);
    await expect(verifyEnvelope(jws, () => key, { purpose: 'acks' })).rejects.toMatchObject({ why: 'bad-signature' });
    await expect(verifyEnvelope(jws, () => undefined, { purpose: 'acks' })).rejects.toMatchObject({
      why: 'unknown-key',
    });
  });

  it('refuses any changed character', async () => {
    const key = await importSigningKey(RFC_KEY);
    const jws = await signEnvelope(envelope, key);
    const verifier = await importVerifyingKey(publicPart);
    await fc.assert(
      fc.asyncProperty(fc.nat(jws.length - 1), fc.constantFrom(...'ABCDxyz019-_.'), async (at, char) => {
        if (jws[at] === char) return;
        const changed = jws.slice(0, at) + char + jws.slice(at + 1);
        // The last character of a base64url part may carry bits that decode to nothing.
        const same = await verifyEnvelope(changed, () => verifier, { purpose: 'acks' }).then(
          () => true,
          (error: unknown) => !(error instanceof SignatureError),
        );
        if (same)
          expect(Buffer.from(changed.split('.')[2]!, 'base64url')).toEqual(
            Buffer.from(jws.split('.')[2]!, 'base64url'),
          );
      }),
      { numRuns: 150 },
    );
  });

  it('survives any text', async () => {
    const key = await importVerifyingKey(publicPart);
    await fc.assert(
      fc.asyncProperty(fc.string(), async (text) => {
        await expect(verifyEnvelope(text, () => key, { purpose: 'acks' })).rejects.toBeInstanceOf(SignatureError);
      }),
      { numRuns: 300 },
    );
  });
});

describe('root statements', () => {
  it('are taken from the pinned root only', async () => {
    const root = await importSigningKey(RFC_KEY);
    const other = await importSigningKey((await generateSigningKey()).privateJwk);
    const statement = {
      v: 1 as const,
      server: SERVER,
      version: 1,
      root: root.publicJwk,
      orderKeys: [other.publicJwk],
      issuedAtMs: 1_700_000_000_000,
    };
    const jws = await signRootStatement(statement, root);
    expect(await verifyRootStatement(jws, root.publicJwk)).toEqual(statement);
    await expect(verifyRootStatement(jws, other.publicJwk)).rejects.toMatchObject({ why: 'unknown-key' });
    await expect(verifyRootStatement(await signEnvelope(envelope, root), root.publicJwk)).rejects.toBeInstanceOf(
      SignatureError,
    );
  });
});
