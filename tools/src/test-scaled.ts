/**
 * `npm run test:scaled`: the operator's stories against Redis, Mosquitto and an outside Postgres.
 * Fails loudly where their binaries are missing.
 */
import { spawnSync } from 'node:child_process';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { startOutsideServices } from './outside-services.js';

const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..');

/** The stories, and the conformance of the adapters to the outside systems. */
const LANE_TESTS = ['apps/e2e/src/stories', 'apps/server/src/adapters'];

let services;
try {
  services = await startOutsideServices(join(root, 'deploy', 'mosquitto', 'acl'));
} catch (error) {
  console.error(error instanceof Error ? error.message : String(error));
  process.exit(1);
}
const { certificates } = services;
const paths = process.argv.slice(2);
const run = spawnSync(
  process.execPath,
  [join(root, 'tools', 'bootstrap.mjs'), 'jest', ...(paths.length > 0 ? paths : LANE_TESTS)],
  {
    stdio: 'inherit',
    cwd: root,
    env: {
      ...process.env,
      DRYDOCK_KEEP_INSTALLATION: '1',
      DRYDOCK_LANE: 'scaled',
      DRYDOCK_LANE_DATABASE_URL: services.databaseUrl,
      DRYDOCK_LANE_REDIS_URL: services.redisUrl,
      DRYDOCK_LANE_MQTT_URL: services.mqttUrl,
      DRYDOCK_LANE_CA_CERT: certificates.caCert,
      DRYDOCK_LANE_CA_KEY: certificates.caKey,
      DRYDOCK_LANE_SERVER_CERT: certificates.serverCert,
      DRYDOCK_LANE_SERVER_KEY: certificates.serverKey,
    },
  },
);
await services.stop();
process.exit(run.status ?? 1);
