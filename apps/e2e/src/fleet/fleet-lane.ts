/** The ground of a fleet in the lane that the environment names. */
import { isScaled } from '../lane.js';
import type { OutsideGround } from './fleet-ground.js';

/** @returns the outside systems of `npm run test:scaled`; undefined where everything is embedded. */
export function outsideGround(): OutsideGround | undefined {
  if (!isScaled) return undefined;
  const lane = (name: string): string => process.env[`DRYDOCK_LANE_${name}`] ?? '';
  return {
    databaseUrl: lane('DATABASE_URL'),
    mqttUrl: lane('MQTT_URL'),
    certificates: {
      caCert: lane('CA_CERT'),
      caKey: lane('CA_KEY'),
      serverCert: lane('SERVER_CERT'),
      serverKey: lane('SERVER_KEY'),
    },
  };
}
