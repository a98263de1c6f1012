/**
 * How a gateway reaches the broker. The embedded one takes the login token; an outside one knows gateways by a client
 * certificate over the gateway's own key, with the gateway's id as common name for a pattern ACL.
 */
import { createPrivateKey, webcrypto, type KeyObject } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { Inject, Injectable } from '@nestjs/common';
import { PublicJwk, type BrokerAccess } from '@drydock/contracts';
import { DataSource } from 'typeorm';
import { ADDRESSES, type Addresses } from '../../adapters/addresses.js';
import { queryRows } from '../../adapters/database/rows.js';
import { SETTINGS, type Settings } from '../../settings/settings.js';

/** Certificates are renewed with every login; a gateway that was away longer logs in again over HTTP first. */
const CERTIFICATE_DAYS = 30;
const DAY_MS = 86_400_000;
/** Gateways without a clock of their own are often behind. */
const BACKDATED_MS = DAY_MS;

@Injectable()
export class BrokerAccessService {
  constructor(
    private readonly source: DataSource,
    @Inject(ADDRESSES) private readonly addresses: Addresses,
    @Inject(SETTINGS) private readonly settings: Settings,
  ) {}

  /** With `certificate` login and no CA of ours the operator gives certificates to gateways by other means. */
  async forGateway(gatewayId: string): Promise<BrokerAccess> {
    const access = this.addresses.brokerAccess();
    const { gatewayCaCert, gatewayCaKey } = this.settings;
    if (access.login !== 'certificate' || !gatewayCaCert || !gatewayCaKey) return access;
    const [row] = await queryRows<{ public_jwk: unknown }>(
      this.source.manager,
      'select public_jwk from gateways where id = $1',
      [gatewayId],
    );
    if (!row) return access;
    const certificate = await issueGatewayCertificate(gatewayId, PublicJwk.parse(row.public_jwk), {
      certificatePem: readFileSync(gatewayCaCert, 'utf8'),
      keyPem: readFileSync(gatewayCaKey, 'utf8'),
    });
    return { ...access, certificate };
  }
}

/**
 * @param ca a CA certificate and its key (P-256, Ed25519, or RSA with SHA-256), PEM.
 * @returns the certificate, PEM; its common name is the gateway's id.
 */
export async function issueGatewayCertificate(
  gatewayId: string,
  publicJwk: PublicJwk,
  ca: { readonly certificatePem: string; readonly keyPem: string },
  nowMs = Date.now(),
): Promise<string> {
  // Loaded here: only installations with an outside broker need it.
  const x509 = await import('@peculiar/x509');
  x509.cryptoProvider.set(webcrypto as unknown as Parameters<typeof x509.cryptoProvider.set>[0]);
  const issuer = new x509.X509Certificate(ca.certificatePem);
  const { key: signingKey, algorithm } = await importCaKey(createPrivateKey(ca.keyPem));
  const publicKey = await webcrypto.subtle.importKey('jwk', publicJwk, { name: 'Ed25519' }, true, ['verify']);
  const certificate = await x509.X509CertificateGenerator.create({
    subject: `CN=${gatewayId}`,
    issuer: issuer.subject,
    notBefore: new Date(nowMs - BACKDATED_MS),
    notAfter: new Date(nowMs + CERTIFICATE_DAYS * DAY_MS),
    publicKey,
    signingKey,
    signingAlgorithm: algorithm,
    extensions: [
      new x509.BasicConstraintsExtension(false, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
      new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.clientAuth]),
    ],
  });
  return certificate.toString('pem');
}

async function importCaKey(
  key: KeyObject,
): Promise<{ key: webcrypto.CryptoKey; algorithm: webcrypto.Algorithm | webcrypto.EcdsaParams }> {
  const pkcs8 = key.export({ type: 'pkcs8', format: 'der' });
  const load = (algorithm: Parameters<typeof webcrypto.subtle.importKey>[2]) =>
    webcrypto.subtle.importKey('pkcs8', pkcs8, algorithm, false, ['sign']);
  switch (key.asymmetricKeyType) {
    case 'ec':
      return { key: await load({ name: 'ECDSA', namedCurve: 'P-256' }), algorithm: { name: 'ECDSA', hash: 'SHA-256' } };
    case 'ed25519':
      return { key: await load({ name: 'Ed25519' }), algorithm: { name: 'Ed25519' } };
    case 'rsa':
      return {
        key: await load({ name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' }),
        algorithm: { name: 'RSASSA-PKCS1-v1_5' },
      };
    default:
      throw new Error(
        `The key of the gateway CA is of kind ${key.asymmetricKeyType}; P-256, Ed25519 or RSA is needed.`,
      );
  }
}
