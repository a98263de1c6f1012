/**
 * Writes what docker-compose.yml wants and nobody should choose by hand: `.env` with fresh secrets, the
 * certificates of the broker, the S3 service's identities, the metrics token. Overwrites nothing.
 *
 *     npm run build && node tools/dist/compose-secrets.js --url https://drydock.example --broker broker.example
 */
import { randomBytes } from 'node:crypto';
import { chmodSync, existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { makeBrokerCertificates } from './broker-certificates.js';

const { values } = parseArgs({
  options: { url: { type: 'string' }, broker: { type: 'string' }, out: { type: 'string' } },
});
const root = values.out ?? '.';
const envFile = join(root, '.env');
if (!values.url || !values.broker) {
  console.error('Usage: compose-secrets --url URL_OF_THE_SERVER --broker HOST_NAME_OF_THE_BROKER [--out FOLDER]');
  process.exit(2);
}
if (existsSync(envFile)) {
  console.error(`${envFile} exists; move it away first. Nothing was written.`);
  process.exit(2);
}
const folder = join(root, '.drydock', 'compose');
// Nobody else on this machine gets past this folder; what is mounted from it must be readable inside the containers.
mkdirSync(folder, { recursive: true, mode: 0o700 });
chmodSync(folder, 0o700);
const secret = () => randomBytes(24).toString('hex');
const s3 = { access: secret().slice(0, 20), secret: secret() };
const metricsToken = secret();
const certificates = await makeBrokerCertificates(join(folder, 'broker'), [
  values.broker,
  'mosquitto',
  'localhost',
  '127.0.0.1',
]);
for (const file of Object.values(certificates)) chmodSync(file, 0o644);
writeFileSync(
  join(folder, 's3.json'),
  JSON.stringify({
    identities: [
      {
        name: 'drydock',
        credentials: [{ accessKey: s3.access, secretKey: s3.secret }],
        actions: ['Admin', 'Read', 'Write', 'List', 'Tagging'],
      },
    ],
  }),
  { mode: 0o644 },
);
writeFileSync(join(folder, 'metrics_token'), metricsToken, { mode: 0o644 });
writeFileSync(
  envFile,
  [
    `POSTGRES_PASSWORD=${secret()}`,
    `REDIS_PASSWORD=${secret()}`,
    `S3_ACCESS_KEY=${s3.access}`,
    `S3_SECRET_KEY=${s3.secret}`,
    `METRICS_TOKEN=${metricsToken}`,
    `GRAFANA_PASSWORD=${secret()}`,
    `DRYDOCK_PUBLIC_URL=${values.url}`,
    `DRYDOCK_PUBLIC_MQTT_URL=mqtts://${values.broker}:8883`,
    '',
  ].join('\n'),
  { mode: 0o600 },
);
console.log(`Wrote ${envFile} and ${folder}. Keep both out of version control.`);
