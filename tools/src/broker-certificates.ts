/**
 * Certificates for an outside broker: a CA, the broker's own certificate, and the servers' client
 * certificate (`drydock-server`). Gateways get theirs from the server at login, signed by the same CA.
 */
import 'reflect-metadata';
import * as x509 from '@peculiar/x509';
import { webcrypto } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const DAY_MS = 86_400_000;
const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const;

export interface BrokerCertificates {
  readonly caCert: string;
  readonly caKey: string;
  readonly brokerCert: string;
  readonly brokerKey: string;
  readonly serverCert: string;
  readonly serverKey: string;
}

/**
 * Writes the files into the folder and returns their paths.
 * @param hosts names and addresses under which gateways and servers reach the broker.
 */
export async function makeBrokerCertificates(folder: string, hosts: readonly string[]): Promise<BrokerCertificates> {
  x509.cryptoProvider.set(webcrypto as never);
  mkdirSync(folder, { recursive: true, mode: 0o755 });
  const notBefore = new Date(Date.now() - DAY_MS);
  const caKeys = await webcrypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify']);
  const ca = await x509.X509CertificateGenerator.createSelfSigned({
    serialNumber: '01',
    name: 'CN=Drydock broker CA',
    notBefore,
    notAfter: new Date(Date.now() + 3650 * DAY_MS),
    signingAlgorithm: ALGORITHM,
    keys: caKeys as never,
    extensions: [
      new x509.BasicConstraintsExtension(true, 0, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
      await x509.SubjectKeyIdentifierExtension.create(caKeys.publicKey as never),
    ],
  });
  const issue = async (name: string, serialNumber: string, usage: string, names: readonly string[]) => {
    const keys = await webcrypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify']);
    const certificate = await x509.X509CertificateGenerator.create({
      serialNumber,
      subject: `CN=${name}`,
      issuer: ca.subject,
      notBefore,
      notAfter: new Date(Date.now() + 825 * DAY_MS),
      signingKey: caKeys.privateKey as never,
      publicKey: keys.publicKey as never,
      signingAlgorithm: ALGORITHM,
      extensions: [
        new x509.BasicConstraintsExtension(false, undefined, true),
        new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
        new x509.ExtendedKeyUsageExtension([usage]),
        ...(names.length === 0
          ? []
          : [
              new x509.SubjectAlternativeNameExtension(
                names.map((host) => ({
                  type: /^[\d.]+$/.test(host) ? ('ip' as const) : ('dns' as const),
                  value: host,
                })),
              ),
            ]),
      ],
    });
    return { certificate: certificate.toString('pem'), key: await pkcs8Pem(keys.privateKey) };
  };
  const broker = await issue(hosts[0] ?? 'localhost', '02', x509.ExtendedKeyUsage.serverAuth, hosts);
  const server = await issue('drydock-server', '03', x509.ExtendedKeyUsage.clientAuth, []);

  const write = (name: string, text: string, secret: boolean) => {
    const file = join(folder, name);
    writeFileSync(file, text.endsWith('\n') ? text : `${text}\n`, { mode: secret ? 0o600 : 0o644 });
    return file;
  };
  return {
    caCert: write('ca.crt', ca.toString('pem'), false),
    caKey: write('ca.key', await pkcs8Pem(caKeys.privateKey), true),
    brokerCert: write('broker.crt', broker.certificate, false),
    brokerKey: write('broker.key', broker.key, true),
    serverCert: write('server.crt', server.certificate, false),
    serverKey: write('server.key', server.key, true),
  };
}

async function pkcs8Pem(key: webcrypto.CryptoKey): Promise<string> {
  const der = Buffer.from(await webcrypto.subtle.exportKey('pkcs8', key)).toString('base64');
  return `-----BEGIN PRIVATE KEY-----\n${der.replace(/(.{64})/g, '$1\n').trimEnd()}\n-----END PRIVATE KEY-----\n`;
}
