import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import {
  generateSigningKey,
  importSigningKey,
  importVerifyingKey,
  signEnvelope,
  SignatureError,
  verifyEnvelope,
} from '@drydock/contracts';
import { signEnvelopeFast, verifyEnvelopeFast } from './envelope-verifier.js';

const SERVER = '11111111-1111-4111-8111-111111111111';
const GATEWAY = '22222222-2222-4222-8222-222222222222';
const envelope = {
  v: 1 as const,
  purpose: 'reports' as const,
  server: SERVER,
  gateway: GATEWAY,
  epoch: 'ab'.repeat(16),
  must: [],
  bodyVersion: 1,
  body: { text: 'ä "quoted" \u2028' },
};

async function makeKey() {
  const { privateJwk, publicJwk } = await generateSigningKey();
  return { signing: await importSigningKey(privateJwk), verifying: await importVerifyingKey(publicJwk) };
}

describe('the fast verifier', () => {
  it('gives the verdicts of verifyEnvelope, whatever is changed in a message', async () => {
    const { signing, verifying } = await makeKey();
    const resolve = (kid: string) => Promise.resolve(kid === verifying.kid ? verifying : undefined);
    const good = await signEnvelope(envelope, signing);
    const verdict = async (check: Promise<unknown>): Promise<unknown> =>
      check.then(
        (value) => value,
        (error: unknown) => (error instanceof SignatureError ? `refused ${error.why}` : `other ${String(error)}`),
      );
    const both = async (jws: string): Promise<[unknown, unknown]> => [
      await verdict(
        verifyEnvelope(jws, resolve, { purpose: ['reports', 'time-request'], server: SERVER, gateway: GATEWAY }),
      ),
      await verdict(
        verifyEnvelopeFast(jws, resolve, { purposes: ['reports', 'time-request'], server: SERVER, gateway: GATEWAY }),
      ),
    ];
    const [slow, fast] = await both(good);
    expect(fast).toEqual(slow);
    expect(fast).toMatchObject({ body: envelope.body, kid: verifying.kid });

    const changed = fc.oneof(
      fc
        .tuple(fc.nat(good.length - 1), fc.constantFrom('A', 'z', '.', '-', '=', '+', ' ', '\u00e4', ''))
        .map(([at, text]) => good.slice(0, at) + text + good.slice(at + 1)),
      fc.string(),
      fc.nat(good.length).map((length) => good.slice(0, length)),
      fc.json().map((json) => ['x', Buffer.from(json).toString('base64url'), 'y'].join('.')),
      // Signed well, but not what is expected here.
      fc
        .record({
          purpose: fc.constantFrom('reports', 'inventory', 'time-request', 'rubbish'),
          server: fc.constantFrom(SERVER, GATEWAY),
          gateway: fc.constantFrom(SERVER, GATEWAY),
          v: fc.constantFrom(1, 2),
        })
        .map((fields) => signEnvelopeFast({ ...envelope, ...fields }, signing)),
    );
    await fc.assert(
      fc.asyncProperty(changed, async (jws) => {
        const [reference, mine] = await both(jws);
        // Both take it and read the same, or both refuse; the fast one may be stricter about what base64url is.
        if (typeof mine === 'string') expect(mine).toMatch(/^refused/);
        if (typeof reference === 'string') expect(typeof mine).toBe('string');
        else if (typeof mine !== 'string') expect(mine).toEqual(reference);
        else expect(jws).not.toBe(good);
      }),
      { numRuns: 400 },
    );
  });

  it('signs byte for byte as signEnvelope does', async () => {
    const { signing } = await makeKey();
    expect(signEnvelopeFast(envelope, signing)).toBe(await signEnvelope(envelope, signing));
  });

  it.each([
    ['another algorithm', { alg: 'none' }],
    ['a critical extension', { crit: ['exp'], exp: 1 }],
    ['detached payload', { b64: false }],
    ['another type', { typ: 'drydock-root-statement' }],
  ])('refuses %s in the header', async (_, fields) => {
    const { signing, verifying } = await makeKey();
    const header = Buffer.from(JSON.stringify({ alg: 'EdDSA', kid: signing.kid, typ: 'drydock-envelope', ...fields }));
    const [, payload, signature] = (await signEnvelope(envelope, signing)).split('.');
    const jws = [header.toString('base64url'), payload, signature].join('.');
    await expect(
      verifyEnvelopeFast(jws, () => Promise.resolve(verifying), {
        purposes: ['reports'],
        server: SERVER,
        gateway: GATEWAY,
      }),
    ).rejects.toBeInstanceOf(SignatureError);
  });
});
