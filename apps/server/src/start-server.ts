/** Starts everything in order, and stops it in the opposite one. */
import { readFileSync } from 'node:fs';
import { NestFactory } from '@nestjs/core';
import type { NestExpressApplication } from '@nestjs/platform-express';
import { Addresses } from './adapters/addresses.js';
import { openDatabase, type Database } from './adapters/database/database.js';
import { EmbeddedPostgres } from './adapters/database/embedded-postgres.js';
import { defineHousekeeping } from './housekeeping.js';
import { databaseNowMs } from './adapters/database/transaction.js';
import { establishInstallation, type FirstStartSecrets } from './first-start.js';
import { listenOn } from './adapters/listen.js';
import { EmbeddedBroker } from './adapters/mqtt/embedded-broker.js';
import { GATEWAY_AUTHORITY, type GatewayAuthority } from './adapters/mqtt/gateway-authority.port.js';
import { OutsideBroker } from './adapters/mqtt/outside-broker.js';
import type { Platform } from './adapters/platform.module.js';
import { Queues } from './adapters/queue/queues.js';
import { AppModule } from './app.module.js';
import { serveDashboard } from './http/dashboard.js';
import { serveOpenApi } from './http/openapi.js';
import { makeBlobStore, keysDirOf } from './maintenance/open-parts.js';
import { requestIds, securityHeaders } from './http/request-context.js';
import { makeLogger, nestLogger } from './settings/logger.js';
import type { Settings } from './settings/settings.js';

/** Largest JSON body; uploads are streamed and have a limit of their own. */
const MAX_JSON_BYTES = 1024 * 1024;
const SILENT_CONNECTION_MS = 120_000;
const CLOSE_GRACE_MS = 1_000;

export interface RunningServer {
  readonly app: NestExpressApplication;
  readonly platform: Platform;
  /** Of the HTTP listener on this machine, whatever the public address is. */
  readonly baseUrl: string;
  readonly mqttUrl: string;
  /** Only of the start that made the installation; shown once. */
  readonly firstStart?: FirstStartSecrets;
  stop(): Promise<void>;
}

/**
 * @param options.say plain sentences for the person at the terminal (where data is kept, as which user).
 * @throws SettingsError, or Error with a sentence, when it cannot start; what was started is stopped again.
 */
export async function startServer(
  settings: Settings,
  options: { say?: (sentence: string) => void } = {},
): Promise<RunningServer> {
  const logger = makeLogger(settings.logLevel);
  const undo: (() => Promise<unknown> | unknown)[] = [];
  const stop = async () => {
    for (let step = undo.pop(); step; step = undo.pop()) {
      try {
        await step();
      } catch (error) {
        logger.error({ err: error }, 'a part did not stop cleanly');
      }
    }
  };
  try {
    const say = (sentence: string) => {
      logger.info(sentence);
      options.say?.(sentence);
    };
    const database = await openData(settings, logger, say, undo);
    const { keys, secrets } = await establishInstallation(database.dataSource, keysDirOf(settings));
    const blobStore = makeBlobStore(settings);
    await blobStore.start();
    const addresses = new Addresses(settings);
    const queues = new Queues({
      databaseUrl: database.url,
      ...(settings.redisUrl ? { redisUrl: settings.redisUrl } : {}),
      warn: (facts, sentence) => logger.warn(facts, sentence),
    });
    defineHousekeeping(queues, database.dataSource, settings);

    const found: { authority?: GatewayAuthority } = {};
    const tls =
      settings.tlsCert && settings.tlsKey
        ? { cert: readFileSync(settings.tlsCert), key: readFileSync(settings.tlsKey) }
        : undefined;
    const broker = settings.mqttUrl
      ? new OutsideBroker({
          url: settings.mqttUrl,
          ...(settings.mqttClientId ? { clientId: settings.mqttClientId } : {}),
          ...(settings.mqttCa ? { caFile: settings.mqttCa } : {}),
          ...(settings.mqttCert ? { certFile: settings.mqttCert } : {}),
          ...(settings.mqttKey ? { keyFile: settings.mqttKey } : {}),
          ...(settings.mqttShareGroup ? { shareGroup: settings.mqttShareGroup } : {}),
          warn: (facts, sentence) => logger.warn(facts, sentence),
        })
      : new EmbeddedBroker({
          listen: {
            host: settings.mqttHost,
            port: settings.mqttPort,
            setting: 'DRYDOCK_MQTT_PORT',
            given: settings.given.has('mqttPort'),
          },
          ...(tls ? { tls } : {}),
          keys,
          authority: () => found.authority,
          nowMs: () => databaseNowMs(database.dataSource.manager),
          warn: (facts, sentence) => logger.warn(facts, sentence),
        });

    const platform: Platform = {
      settings,
      logger,
      dataSource: database.dataSource,
      pool: database.pool,
      keys,
      blobStore,
      broker,
      queues,
      addresses,
    };
    const app = await NestFactory.create<NestExpressApplication>(AppModule.of(platform), {
      logger: nestLogger(logger),
      bodyParser: false,
      abortOnError: false,
      ...(tls ? { httpsOptions: tls } : {}),
    });
    undo.push(() => closeApp(app));
    configureHttp(app, settings);
    await app.init();
    found.authority = optional<GatewayAuthority>(app, GATEWAY_AUTHORITY);

    const port = await listenHttp(app, settings);
    addresses.bound({ http: port });
    undo.push(() => broker.stop());
    await broker.start();
    if (broker instanceof EmbeddedBroker) addresses.bound({ mqtt: broker.port });
    undo.push(() => queues.stop());
    await queues.start();

    return {
      app,
      platform,
      baseUrl: new Addresses({ ...settings, publicUrl: undefined }).bound({ http: port }).http,
      mqttUrl: addresses.mqtt,
      ...(secrets ? { firstStart: secrets } : {}),
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function openData(
  settings: Settings,
  logger: Platform['logger'],
  say: (sentence: string) => void,
  undo: (() => unknown)[],
): Promise<Database> {
  let url = settings.databaseUrl;
  if (url === undefined) {
    const postgres = await EmbeddedPostgres.start({
      dataDir: settings.dataDir,
      fsync: settings.embeddedFsync,
      say,
    });
    undo.push(() => postgres.stop());
    await postgres.ensureDatabase();
    url = postgres.url();
  }
  const database = await openDatabase({
    url,
    poolSize: settings.databasePoolSize,
    retention: { reportDays: settings.reportRetentionDays, auditMonths: settings.auditRetentionMonths },
    onPoolError: (error) => logger.warn({ reason: error.message }, 'a database connection was lost'),
  });
  undo.push(() => database.close());
  return database;
}

function configureHttp(app: NestExpressApplication, settings: Settings): void {
  app.disable('x-powered-by');
  // The only ETags are revisions: one made of the bytes could not be sent back in If-Match.
  app.disable('etag');
  if (settings.trustProxy)
    app.set(
      'trust proxy',
      settings.trustProxy.split(',').map((name) => name.trim()),
    );
  app.use(requestIds);
  app.use(securityHeaders(settings.tlsCert !== undefined));
  app.useBodyParser('json', { limit: MAX_JSON_BYTES, strict: true });
  serveOpenApi(app);
  serveDashboard(app);
}

/** Requests under way get a moment; streams of events would otherwise hold the stop up for ever. */
async function closeApp(app: NestExpressApplication): Promise<void> {
  const timer = setTimeout(() => app.getHttpServer().closeAllConnections(), CLOSE_GRACE_MS);
  try {
    await app.close();
  } finally {
    clearTimeout(timer);
  }
}

async function listenHttp(app: NestExpressApplication, settings: Settings): Promise<number> {
  const server = app.getHttpServer();
  // A silent connection ends; a long upload or stream of events goes on while its bytes do.
  server.headersTimeout = 20_000;
  server.requestTimeout = 0;
  server.timeout = SILENT_CONNECTION_MS;
  return listenOn(server, {
    host: settings.httpHost,
    port: settings.httpPort,
    setting: 'DRYDOCK_HTTP_PORT',
    given: settings.given.has('httpPort'),
  });
}

/** A provider that a room may or may not have. */
function optional<T>(app: NestExpressApplication, token: symbol): T | undefined {
  try {
    return app.get<T>(token, { strict: false });
  } catch {
    return undefined;
  }
}
