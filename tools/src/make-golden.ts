/**
 * Writes the golden messages of this release: `node tools/dist/make-golden.js VERSION`. Run once when a
 * release is made; the files then stay as they are for ever, and every later version must read them.
 * The key is the published one of RFC 8037, appendix A.1: these messages are examples, never secrets.
 */
import { importSigningKey, signEnvelope, type PrivateJwk } from '@drydock/contracts';
import { existsSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const KEY: PrivateJwk = {
  kty: 'OKP',
  crv: 'Ed25519',
  d: 'nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A',
  x: '11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo',
};
const SERVER = '6f1c2f0e-8c53-4a7e-9d0a-2f6f4b1f0a01';
const GATEWAY = '6f1c2f0e-8c53-4a7e-9d0a-2f6f4b1f0a02';
const DEPLOYMENT = '6f1c2f0e-8c53-4a7e-9d0a-2f6f4b1f0a03';
const DEVICE = '6f1c2f0e-8c53-4a7e-9d0a-2f6f4b1f0a04';
const EPOCH = '00112233445566778899aabbccddeeff';
const NONCE = 'ffeeddccbbaa99887766554433221100';
const SHA = 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad';
const T = 1_795_000_000_000;

const ref = { deployment: DEPLOYMENT, reign: 0, attempt: 1 };
const running = [{ image: 0, version: '1.0.0', hash: SHA, confirmed: true }];
const identity = { kind: 'ble-address', value: 'aa:bb:cc:dd:ee:ff' };

const MESSAGES: { name: string; purpose: string; extra?: object; body: unknown }[] = [
  {
    name: 'orders with one grant, one cancellation and an agent upgrade',
    purpose: 'orders',
    extra: {
      must: ['grants'],
      cancellations: [{ ...ref, mode: 'safe-point' }],
      upgrade: { version: '0.2.0', sha256: SHA, sizeBytes: 1000 },
    },
    body: {
      reign: 0,
      revision: 7,
      issuedAtMs: T,
      grants: [
        {
          ...ref,
          mode: 'update',
          device: DEVICE,
          model: 'SENSOR-A',
          identity,
          links: ['ble:AA:BB:CC:DD:EE:FF?type=random'],
          protocol: 'secure-dfu',
          artifact: { sha256: SHA, sizeBytes: 1000, format: 'nordic-secure-zip' },
          expect: { version: '2.0.0', versionProves: true },
          confirm: 'after-proof',
          allowDowngrade: false,
          startBy: T + 60_000,
          finishBy: T + 600_000,
          timeouts: { downloadMs: 60_000, transferMs: 300_000, activateMs: 60_000, proveMs: 60_000 },
        },
      ],
      settle: [{ ...ref, attempt: 2, epoch: NONCE }],
      prefetch: [{ sha256: SHA, sizeBytes: 1000, format: 'nordic-secure-zip' }],
    },
  },
  {
    name: 'ack that answers a batch',
    purpose: 'acks',
    body: { of: EPOCH, cursor: 12, reign: 0, nonce: NONCE, serverTimeMs: T, retryAfterMs: 0 },
  },
  { name: 'time answer', purpose: 'time', body: { nonce: NONCE, serverTimeMs: T, reign: 0 } },
  { name: 'time request', purpose: 'time-request', body: { nonce: NONCE } },
  {
    name: 'batch with every kind of report',
    purpose: 'reports',
    body: {
      of: EPOCH,
      firstSeq: 1,
      nonce: NONCE,
      reports: [
        { seq: 1, atMs: null, kind: 'epoch-started', agentVersion: '0.1.0', journal: 'intact' },
        { seq: 2, atMs: T, kind: 'withdrawn', ref, why: 'superseded', held: { reign: 0, revision: 7 } },
        { seq: 3, atMs: T, kind: 'downloading', ref },
        { seq: 4, atMs: T, kind: 'touched', ref, identity, before: running },
        { seq: 5, atMs: T, kind: 'erased', ref },
        { seq: 6, atMs: T, kind: 'complete', ref },
        { seq: 7, atMs: T, kind: 'activating', ref },
        { seq: 8, atMs: T, kind: 'proving', ref },
        {
          seq: 9,
          atMs: T,
          kind: 'ended',
          ref,
          outcome: 'failed',
          code: 'target.did-not-return',
          params: { withinMs: 60_000 },
          identity,
          hardware: { hwVersion: 52 },
          before: running,
          after: [],
          touched: true,
          needsRescue: true,
          sentBytes: 1000,
          durationMs: 5000,
          rssiDbm: -61,
          lowestRssiDbm: -84,
          bytesPerSecond: 1234.5,
        },
      ],
    },
  },
  {
    name: 'inventory with a device and a stray',
    purpose: 'inventory',
    body: {
      sequence: 3,
      devices: [
        {
          identity,
          model: 'SENSOR-A',
          name: 'hall 3',
          links: [{ link: 'ble:AA:BB:CC:DD:EE:FF?type=random', rssiDbm: -60 }],
          protocol: 'secure-dfu',
          mode: 'application',
          running,
          hardware: { hwVersion: 52 },
          readAfterSeq: 9,
        },
      ],
      strays: [{ link: 'ble:AA:BB:CC:DD:EE:F0?type=random', protocol: 'secure-dfu', name: 'DfuTarg', rssiDbm: -61 }],
    },
  },
  {
    name: 'presence',
    purpose: 'presence',
    body: {
      online: true,
      connection: 1,
      sequence: 2,
      agentVersion: '0.1.0',
      wire: [1],
      protocols: ['secure-dfu', 'smp'],
      links: [{ link: 'ble:hci0', state: 'up' }],
      held: { reign: 0, revision: 7 },
      heardMs: T,
      clockOffsetMs: -120,
      journalBytes: 70_000,
      journalEntries: 412,
    },
  },
  { name: 'login', purpose: 'login', body: { nonce: NONCE } },
  { name: 'login token', purpose: 'login-token', body: { expiresAtMs: T } },
];

const version = process.argv[2] ?? '';
if (!/^\d+\.\d+\.\d+$/.test(version)) {
  console.error('Usage: make-golden VERSION');
  process.exit(2);
}
const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..');
const file = join(root, 'libs', 'contracts', 'src', 'golden', `${version}.json`);
if (existsSync(file)) {
  console.error(`The golden messages of ${version} exist and never change.`);
  process.exit(2);
}
const key = await importSigningKey(KEY);
const golden = [];
for (const { name, purpose, extra, body } of MESSAGES) {
  const envelope = { v: 1, purpose, server: SERVER, gateway: GATEWAY, epoch: EPOCH, bodyVersion: 1, ...extra, body };
  golden.push({ name, envelope, jws: await signEnvelope(envelope as never, key) });
}
writeFileSync(
  file,
  JSON.stringify({ release: version, publicKey: { kty: KEY.kty, crv: KEY.crv, x: KEY.x }, golden }, null, 2) + '\n',
);
