import { X509Certificate } from 'node:crypto';
import { webcrypto } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import { generateSigningKey } from '@drydock/contracts';
import { issueGatewayCertificate } from './broker-access.js';

const GATEWAY = '5d3a8b1e-0000-4000-8000-000000000001';

async function makeCa(algorithm: { name: string; namedCurve?: string; hash?: string }) {
  const x509 = await import('@peculiar/x509');
  x509.cryptoProvider.set(webcrypto as unknown as Parameters<typeof x509.cryptoProvider.set>[0]);
  const keys = (await webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify'])) as webcrypto.CryptoKeyPair;
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    name: 'CN=Gateway CA',
    keys,
    signingAlgorithm: algorithm,
    notBefore: new Date(Date.now() - 1_000),
    notAfter: new Date(Date.now() + 86_400_000),
    extensions: [new x509.BasicConstraintsExtension(true, 0, true)],
  });
  const pkcs8 = Buffer.from(await webcrypto.subtle.exportKey('pkcs8', keys.privateKey)).toString('base64');
  return {
    certificatePem: certificate.toString('pem'),
    keyPem: `-----BEGIN PRIVATE KEY-----\n${pkcs8}\n-----END PRIVATE KEY-----\n`,
  };
}

describe('certificates of gateways', () => {
  it.each([
    ['P-256', { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' }],
    ['Ed25519', { name: 'Ed25519' }],
  ])('by a %s CA carry the id as common name over the own key of the gateway', async (_, algorithm) => {
    const ca = await makeCa(algorithm);
    const { publicJwk } = await generateSigningKey();
    const pem = await issueGatewayCertificate(GATEWAY, publicJwk, ca);
    const certificate = new X509Certificate(pem);
    const issuer = new X509Certificate(ca.certificatePem);
    expect(certificate.subject).toBe(`CN=${GATEWAY}`);
    expect(certificate.ca).toBe(false);
    expect(certificate.checkIssued(issuer)).toBe(true);
    expect(certificate.verify(issuer.publicKey)).toBe(true);
    expect(certificate.publicKey.export({ format: 'jwk' })).toMatchObject({ crv: 'Ed25519', x: publicJwk.x });
    expect(certificate.keyUsage).toEqual(['1.3.6.1.5.5.7.3.2']);
  });
});
