/**
 * Every setting of the server: its name in the environment, form, default and sentence. `docs/settings.md` is made
 * from this table, so a setting cannot exist without a description.
 */
import { z } from 'zod';

const port = z.coerce.number().int().min(0).max(65535);
const whole = (min: number, max: number) => z.coerce.number().int().min(min).max(max);
const flag = z.enum(['true', 'false', '1', '0', 'yes', 'no']).transform((text) => ['true', '1', 'yes'].includes(text));
const text = z.string().min(1).max(4096);
const url = (...protocols: string[]) =>
  z.string().refine(
    (value) => {
      try {
        return protocols.includes(new URL(value).protocol);
      } catch {
        return false;
      }
    },
    `must be a URL that starts with ${protocols.map((p) => `${p}//`).join(' or ')}`,
  );

export interface SettingRow<T extends z.ZodType = z.ZodType> {
  /** Name in the environment and in a settings file. */
  readonly env: string;
  readonly schema: T;
  /** Text as a person would write it; none: unset unless given. */
  readonly default?: string;
  /** One plain sentence for the settings page. */
  readonly about: string;
  /** Never shown, never logged. */
  readonly secret?: boolean;
}

const row = <T extends z.ZodType>(value: SettingRow<T>): SettingRow<T> => value;
const withDefault = <T extends z.ZodType, D extends string>(value: SettingRow<T> & { default: D }) => value;

export const SETTING_TABLE = {
  dataDir: withDefault({
    env: 'DRYDOCK_DATA_DIR',
    schema: text,
    default: '.drydock',
    about: 'Folder of everything the server keeps itself: embedded database, artifact bytes, keys.',
  }),
  keysDir: row({
    env: 'DRYDOCK_KEYS_DIR',
    schema: text,
    about:
      'Folder of the keys, default `<data dir>/keys`. Servers beside each other on one database share its content.',
  }),
  databaseUrl: row({
    env: 'DATABASE_URL',
    schema: url('postgres:', 'postgresql:'),
    secret: true,
    about: 'An outside Postgres (15 or newer). Unset: a Postgres of our own under the data folder.',
  }),
  databasePoolSize: withDefault({
    env: 'DRYDOCK_DATABASE_POOL_SIZE',
    schema: whole(4, 200),
    default: '16',
    about: 'Most connections of the query pool; a second pool of the same size serves the hot paths.',
  }),
  redisUrl: row({
    env: 'REDIS_URL',
    schema: url('redis:', 'rediss:'),
    secret: true,
    about: 'Redis for the queue. Unset: the queue lives in Postgres.',
  }),
  mqttUrl: row({
    env: 'MQTT_URL',
    schema: url('mqtt:', 'mqtts:', 'ws:', 'wss:'),
    secret: true,
    about: 'An outside MQTT broker, credentials included. Unset: the broker inside the server.',
  }),
  mqttCa: row({ env: 'DRYDOCK_MQTT_CA', schema: text, about: 'PEM file: the CA of the outside broker.' }),
  mqttCert: row({
    env: 'DRYDOCK_MQTT_CERT',
    schema: text,
    about: 'PEM file: client certificate for the outside broker.',
  }),
  mqttKey: row({ env: 'DRYDOCK_MQTT_KEY', schema: text, about: 'PEM file: key of that client certificate.' }),
  mqttClientId: row({
    env: 'DRYDOCK_MQTT_CLIENT_ID',
    schema: z.string().regex(/^[A-Za-z0-9._-]{1,64}$/, 'letters, digits, . _ and - only'),
    about:
      'Client id at an outside broker, different for each server: the broker then keeps what arrives while this server ' +
      'is away. Unset: a random one; what was missed is sent again by the agents after half a minute.',
  }),
  mqttShareGroup: row({
    env: 'DRYDOCK_MQTT_SHARE_GROUP',
    schema: z.string().regex(/^[A-Za-z0-9_-]{1,64}$/, 'letters, digits, - and _ only'),
    about: 'Shared-subscription group: an outside broker then gives each report to one server instead of to all.',
  }),
  gatewayCaCert: row({
    env: 'DRYDOCK_GATEWAY_CA_CERT',
    schema: text,
    about: 'PEM file: CA that issues client certificates to gateways (outside broker).',
  }),
  gatewayCaKey: row({ env: 'DRYDOCK_GATEWAY_CA_KEY', schema: text, about: 'PEM file: key of that CA.' }),
  httpHost: withDefault({
    env: 'DRYDOCK_HTTP_HOST',
    schema: text,
    default: '127.0.0.1',
    about: 'Address the HTTP listener binds. Anything but loopback needs TLS or DRYDOCK_ALLOW_PLAINTEXT.',
  }),
  httpPort: withDefault({
    env: 'DRYDOCK_HTTP_PORT',
    schema: port,
    default: '3000',
    about: 'HTTP port; 0 takes any free one. If the default is taken, another is chosen and said.',
  }),
  mqttHost: withDefault({
    env: 'DRYDOCK_MQTT_HOST',
    schema: text,
    default: '127.0.0.1',
    about: 'Address the embedded broker binds. Anything but loopback needs TLS or DRYDOCK_ALLOW_PLAINTEXT.',
  }),
  mqttPort: withDefault({
    env: 'DRYDOCK_MQTT_PORT',
    schema: port,
    default: '1883',
    about: 'Port of the embedded broker; 0 takes any free one. If the default is taken, another is chosen and said.',
  }),
  tlsCert: row({ env: 'DRYDOCK_TLS_CERT', schema: text, about: 'PEM file: certificate chain of both listeners.' }),
  tlsKey: row({ env: 'DRYDOCK_TLS_KEY', schema: text, about: 'PEM file: key of that certificate.' }),
  allowPlaintext: row({
    env: 'DRYDOCK_ALLOW_PLAINTEXT',
    schema: z.string().min(8, 'write the reason, for instance "TLS ends at the proxy"').max(200),
    about: 'Reason why listeners may be plain on an address that is not loopback (a proxy ends TLS).',
  }),
  trustProxy: row({
    env: 'DRYDOCK_TRUST_PROXY',
    schema: text,
    about: 'Addresses of proxies whose X-Forwarded-For is believed, separated by commas (`loopback` works too).',
  }),
  publicUrl: row({
    env: 'DRYDOCK_PUBLIC_URL',
    schema: url('http:', 'https:'),
    about: 'Address under which people and gateways reach the HTTP listener, when it differs.',
  }),
  publicMqttUrl: row({
    env: 'DRYDOCK_PUBLIC_MQTT_URL',
    schema: url('mqtt:', 'mqtts:', 'ws:', 'wss:'),
    about: 'Address under which gateways reach the broker, when it differs.',
  }),
  passwordSignIn: withDefault({
    env: 'DRYDOCK_PASSWORD_SIGN_IN',
    schema: flag,
    default: 'true',
    about: 'Whether people may sign in to the dashboard with a password. `false` where an OpenID provider does it.',
  }),
  oidcIssuer: row({
    env: 'DRYDOCK_OIDC_ISSUER',
    schema: url('https:', 'http:'),
    about:
      'OpenID provider for sign-in to the dashboard: its issuer. Its callback is `<public URL>/api/v1/session/oidc/callback`.',
  }),
  oidcClientId: row({
    env: 'DRYDOCK_OIDC_CLIENT_ID',
    schema: text,
    about: 'Client id of this server at that provider.',
  }),
  oidcClientSecret: row({
    env: 'DRYDOCK_OIDC_CLIENT_SECRET',
    schema: text,
    secret: true,
    about: 'Secret of that client.',
  }),
  oidcName: withDefault({
    env: 'DRYDOCK_OIDC_NAME',
    schema: z.string().min(1).max(60),
    default: 'single sign-on',
    about: 'What the sign-in page calls that provider.',
  }),
  s3Bucket: row({
    env: 'DRYDOCK_S3_BUCKET',
    schema: text,
    about: 'Bucket for artifact bytes. Unset: a folder under the data folder.',
  }),
  s3CreateBucket: withDefault({
    env: 'DRYDOCK_S3_CREATE_BUCKET',
    schema: flag,
    default: 'false',
    about:
      'Whether a bucket that is missing is made at start. For a service of your own: a misspelt name makes a new one.',
  }),
  s3Endpoint: row({
    env: 'DRYDOCK_S3_ENDPOINT',
    schema: url('http:', 'https:'),
    about: 'Address of an S3-compatible service; unset: AWS.',
  }),
  s3Region: withDefault({
    env: 'DRYDOCK_S3_REGION',
    schema: text,
    default: 'us-east-1',
    about: 'Region of the bucket.',
  }),
  s3Prefix: withDefault({
    env: 'DRYDOCK_S3_PREFIX',
    schema: z.string().regex(/^[A-Za-z0-9._/-]*$/),
    default: 'drydock/',
    about: 'Text before every object name.',
  }),
  s3AccessKeyId: row({
    env: 'DRYDOCK_S3_ACCESS_KEY_ID',
    schema: text,
    secret: true,
    about: 'Access key of the bucket.',
  }),
  s3SecretAccessKey: row({
    env: 'DRYDOCK_S3_SECRET_ACCESS_KEY',
    schema: text,
    secret: true,
    about: 'Secret of that access key.',
  }),
  logLevel: withDefault({
    env: 'DRYDOCK_LOG_LEVEL',
    schema: z.enum(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent']),
    default: 'info',
    about: 'How much is logged: trace, debug, info, warn, error, fatal or silent.',
  }),
  metricsToken: row({
    env: 'DRYDOCK_METRICS_TOKEN',
    schema: z.string().min(16, 'at least 16 characters').max(200),
    secret: true,
    about: 'Bearer token for /metrics from elsewhere than this machine. Unset: loopback only.',
  }),
  maxUploadBytes: withDefault({
    env: 'DRYDOCK_MAX_UPLOAD_BYTES',
    schema: whole(1024, 2 ** 40),
    default: String(64 * 1024 * 1024),
    about: 'Largest artifact that is taken, in bytes. Files are read on the main thread: 64 MiB take a moment.',
  }),
  reportRetentionDays: withDefault({
    env: 'DRYDOCK_REPORT_RETENTION_DAYS',
    schema: whole(1, 3650),
    default: '30',
    about: 'Days for which raw reports are kept.',
  }),
  auditRetentionMonths: withDefault({
    env: 'DRYDOCK_AUDIT_RETENTION_MONTHS',
    schema: whole(1, 240),
    default: '24',
    about: 'Months for which the audit trail is kept.',
  }),
  webhookAllow: withDefault({
    env: 'DRYDOCK_WEBHOOK_ALLOW',
    schema: z.string().max(4096),
    default: '',
    about:
      'Hosts that webhooks may reach although they are private or without TLS: names or addresses, with `:port` or ' +
      'without, separated by commas. All others need https and a public address.',
  }),
  webhookRetentionDays: withDefault({
    env: 'DRYDOCK_WEBHOOK_RETENTION_DAYS',
    schema: whole(1, 365),
    default: '30',
    about: 'Days for which events and the log of webhook deliveries are kept.',
  }),
  webhookDisableAfterDays: withDefault({
    env: 'DRYDOCK_WEBHOOK_DISABLE_AFTER_DAYS',
    schema: whole(1, 365),
    default: '5',
    about: 'A webhook that has failed for so many days without one success is disabled.',
  }),
  embeddedFsync: withDefault({
    env: 'DRYDOCK_EMBEDDED_FSYNC',
    schema: flag,
    default: 'true',
    about: 'Whether the embedded database waits for the disk. `false` is for throw-away data only.',
  }),
} as const;

export type SettingKey = keyof typeof SETTING_TABLE;

/** All settings, read and checked; optional ones are `undefined` when nobody set them. */
export type SettingValues = {
  readonly [K in SettingKey]: (typeof SETTING_TABLE)[K] extends { default: string }
    ? z.output<(typeof SETTING_TABLE)[K]['schema']>
    : z.output<(typeof SETTING_TABLE)[K]['schema']> | undefined;
};
