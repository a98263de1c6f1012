/** What a fleet runs against: everything embedded in one server, or outside broker and database under two servers. */
import { EmbeddedPostgres, makeTestFolder, spawnServer, type SpawnedServer } from '@drydock/server/testing';
import { randomBytes } from 'node:crypto';
import { rmSync } from 'node:fs';
import pg from 'pg';
import { TcpRelay } from '../tcp-relay.js';

/** Outside systems, as somebody started them, and how they are killed. */
export interface OutsideGround {
  readonly databaseUrl: string;
  readonly mqttUrl: string;
  readonly certificates: {
    readonly caCert: string;
    readonly caKey: string;
    readonly serverCert: string;
    readonly serverKey: string;
  };
  /** kill -9, and started again on the same data and port. Absent where they belong to somebody else. */
  crash?(what: 'broker' | 'database'): Promise<void>;
}

/** Gateways behind the second road are those that can be cut off. */
export const ROAD_HOSTS = ['127.0.0.2', '127.0.0.3'] as const;

export type Mortal = 'server 1' | 'server 2' | 'broker' | 'database';

interface Server {
  readonly settings: Record<string, string>;
  running: SpawnedServer | undefined;
  httpPort: number;
}

export class FleetGround {
  readonly servers: Server[] = [];
  readonly roads: { readonly http: TcpRelay; readonly mqtt: TcpRelay }[] = [];
  adminToken = '';
  private constructor(
    private readonly dataDir: string,
    private readonly outside: OutsideGround | undefined,
    private databaseName: string | undefined,
    private url: string,
  ) {}

  /** @param outside two servers on it; undefined: one server with everything inside. */
  static async open(outside?: OutsideGround): Promise<FleetGround> {
    const dataDir = makeTestFolder();
    const name = outside ? `fleet_${randomBytes(6).toString('hex')}` : undefined;
    const ground = new FleetGround(dataDir, outside, name, '');
    try {
      if (outside) await ground.openOutside(outside, name!);
      else await ground.openInside();
      return ground;
    } catch (error) {
      await ground.close();
      throw error;
    }
  }

  get databaseUrl(): string {
    return this.url;
  }

  /** What may be killed here. */
  get mortals(): readonly Mortal[] {
    if (!this.outside) return ['server 1'];
    return this.outside.crash ? ['server 1', 'server 2', 'broker', 'database'] : ['server 1', 'server 2'];
  }

  /** Where the operator speaks to; whichever server lives. */
  get baseUrl(): string {
    return `http://${ROAD_HOSTS[0]}:${this.roads[0]!.http.port}`;
  }

  gatewayUrl(road: 0 | 1): string {
    return `http://${ROAD_HOSTS[road]}:${this.roads[road]!.http.port}`;
  }

  private async openRoads(mqttPort: (road: number) => number | undefined, listenAt?: number): Promise<void> {
    for (const [index, host] of ROAD_HOSTS.entries()) {
      const http = await TcpRelay.open(() => this.liveHttp(index), { host });
      const mqtt = await TcpRelay.open(
        () => {
          const port = mqttPort(index);
          return port === undefined ? undefined : { host: '127.0.0.1', port };
        },
        { host, ...(listenAt !== undefined && { port: listenAt }) },
      );
      this.roads.push({ http, mqtt });
    }
  }

  /** Its own server, or another one that lives. */
  private liveHttp(road: number): { host: string; port: number } | undefined {
    const own = this.servers[road % Math.max(1, this.servers.length)];
    const live = own?.running ? own : this.servers.find((server) => server.running);
    return live && { host: '127.0.0.1', port: live.httpPort };
  }

  private async openInside(): Promise<void> {
    await this.add({});
    const mqttPort = Number(new URL(this.servers[0]!.running!.mqttUrl.replace(/^mqtt:/, 'http:')).port);
    this.servers[0]!.settings['DRYDOCK_MQTT_PORT'] = String(mqttPort);
    await this.openRoads(() => mqttPort, mqttPort);
    this.url = (await EmbeddedPostgres.start({ dataDir: this.dataDir, fsync: true, guest: true })).url();
  }

  private async openOutside(outside: OutsideGround, name: string): Promise<void> {
    await withClient(outside.databaseUrl, (client) => client.query(`create database ${name}`));
    const database = new URL(outside.databaseUrl);
    database.pathname = `/${name}`;
    this.url = database.href;
    const brokerPort = Number(new URL(outside.mqttUrl.replace(/^mqtts:/, 'https:')).port);
    await this.openRoads(() => brokerPort);
    for (const road of this.roads.keys()) {
      await this.add({
        DATABASE_URL: this.url,
        MQTT_URL: outside.mqttUrl,
        DRYDOCK_PUBLIC_MQTT_URL: `mqtts://${ROAD_HOSTS[road]}:${this.roads[road]!.mqtt.port}`,
        DRYDOCK_MQTT_CA: outside.certificates.caCert,
        DRYDOCK_MQTT_CERT: outside.certificates.serverCert,
        DRYDOCK_MQTT_KEY: outside.certificates.serverKey,
        DRYDOCK_GATEWAY_CA_CERT: outside.certificates.caCert,
        DRYDOCK_GATEWAY_CA_KEY: outside.certificates.caKey,
      });
    }
  }

  /** For an end without goodbye: kill -9 of what was started here. */
  abandon(): void {
    for (const { running } of this.servers) {
      try {
        if (running) process.kill(running.pid, 'SIGKILL');
      } catch {
        // It is gone already.
      }
    }
    rmSync(this.dataDir, { recursive: true, force: true });
  }

  private async add(settings: Record<string, string>): Promise<void> {
    const running = await spawnServer(this.dataDir, settings);
    const httpPort = Number(new URL(running.baseUrl).port);
    this.adminToken ||= running.adminToken ?? '';
    this.servers.push({ settings: { ...settings, DRYDOCK_HTTP_PORT: String(httpPort) }, running, httpPort });
  }

  /** kill -9 of a server; it stays down. */
  async killServer(index: number): Promise<void> {
    const server = this.servers[index % this.servers.length]!;
    const { running } = server;
    server.running = undefined;
    await running?.kill('SIGKILL');
  }

  async startServer(index: number): Promise<void> {
    const server = this.servers[index % this.servers.length]!;
    server.running ??= await spawnServer(this.dataDir, server.settings);
  }

  async crash(what: 'broker' | 'database'): Promise<void> {
    await this.outside?.crash?.(what);
  }

  /** Gateways behind the second road reach nobody, or somebody again. */
  cutOff(isCut: boolean): void {
    this.roads[1]!.http.refuse(isCut);
    this.roads[1]!.mqtt.refuse(isCut);
  }

  words(): string {
    return this.servers.map((server) => `server: ${server.running?.output().slice(-3000) ?? 'down'}`).join('\n');
  }

  async close(): Promise<void> {
    for (const { http, mqtt } of this.roads) {
      await http.close();
      await mqtt.close();
    }
    for (const [index, server] of this.servers.entries()) {
      // An embedded database outlives its server: it is ended by who started it.
      if (!this.outside) await this.startServer(index);
      await server.running?.destroy();
    }
    if (this.outside && this.databaseName) {
      const name = this.databaseName;
      await withClient(this.outside.databaseUrl, (client) =>
        client.query(`drop database if exists ${name} with (force)`),
      );
    }
    rmSync(this.dataDir, { recursive: true, force: true });
  }
}

async function withClient(url: string, work: (client: pg.Client) => Promise<unknown>): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  client.on('error', () => undefined);
  await client.connect();
  try {
    await work(client);
  } finally {
    await client.end();
  }
}
