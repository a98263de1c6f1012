/** For specs: calls of a person over HTTP, and a gateway that speaks over HTTP and MQTT as an agent does. */
import { randomBytes } from 'node:crypto';
import {
  EnrolResponse,
  generateSigningKey,
  importSigningKey,
  LoginResponse,
  Problem,
  signEnvelope,
  topicOf,
  type AgentLeaf,
  type InventoryBody,
  type PresenceBody,
  type Purpose,
  type SigningKey,
} from '@drydock/contracts';
import { connectAsync, type MqttClient } from 'mqtt';
import type { z } from 'zod';
import type { TestServer } from '../../testing.js';

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  json<T extends z.ZodType>(schema: T): z.output<T>;
  /** The stable code of a problem. */
  readonly code: string;
}

/** A request as the admin, or as `token`; null: without sign-in. */
export async function call(
  server: TestServer,
  method: string,
  path: string,
  options: { body?: unknown; form?: FormData; token?: string | null; headers?: Record<string, string> } = {},
): Promise<Answer> {
  const token = options.token === undefined ? server.adminToken : options.token;
  const body = options.form ?? (options.body === undefined ? undefined : JSON.stringify(options.body));
  const response = await fetch(server.baseUrl + path, {
    method,
    headers: {
      ...(token === null ? {} : { authorization: `Bearer ${token}` }),
      ...(options.body === undefined ? {} : { 'content-type': 'application/json' }),
      ...options.headers,
    },
    ...(body === undefined ? {} : { body }),
  });
  const text = await response.text();
  return {
    status: response.status,
    headers: response.headers,
    text,
    json: (schema) => schema.parse(JSON.parse(text)),
    get code() {
      return response.ok ? '' : Problem.parse(JSON.parse(text)).code;
    },
  };
}

export async function query<T = Record<string, unknown>>(
  server: TestServer,
  sql: string,
  params: unknown[] = [],
): Promise<T[]> {
  return (await server.dataSource.query(sql, params)) as T[];
}

/** Looks again and again, at most thirty seconds. */
export async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 30_000;
  while (!(await condition())) {
    if (Date.now() > deadline) throw new Error('it did not come to pass within thirty seconds');
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

let counter = 0;
/** @returns a name that no other site or gateway of this run has. */
export function freshName(prefix: string): string {
  counter += 1;
  return `${prefix}-${counter}`;
}

/** Makes a site; @returns its id. */
export async function makeSite(server: TestServer, claimMode: 'open' | 'list' | 'approval' = 'open'): Promise<string> {
  const answer = await call(server, 'POST', '/api/v1/sites', { body: { name: freshName('site'), claimMode } });
  return (JSON.parse(answer.text) as { id: string }).id;
}

/** @returns a fresh enrolment token. */
export async function makeToken(server: TestServer, site: string): Promise<string> {
  const answer = await call(server, 'POST', '/api/v1/enrolment-tokens', { body: { site } });
  return (JSON.parse(answer.text) as { token: string }).token;
}

export const newEpoch = (): string => randomBytes(16).toString('hex');

/** An enrolled gateway with its key; `enrolment` is what the server answered. */
export class TestGateway {
  epoch = newEpoch();
  connection = 1;
  private sequence = 0;
  private inventorySequence = 0;
  private client: MqttClient | undefined;

  private constructor(
    private readonly server: TestServer,
    readonly key: SigningKey,
    readonly enrolment: z.output<typeof EnrolResponse>,
  ) {}

  get id(): string {
    return this.enrolment.gateway.id;
  }

  static async enrol(server: TestServer, site: string, name = freshName('gw')): Promise<TestGateway> {
    const { privateJwk, publicJwk } = await generateSigningKey();
    const token = await makeToken(server, site);
    const answer = await call(server, 'POST', '/agent/v1/enrol', {
      token: null,
      body: { token, name, publicKey: publicJwk, agentVersion: '1.0.0' },
    });
    return new TestGateway(server, await importSigningKey(privateJwk), answer.json(EnrolResponse));
  }

  sign(
    purpose: Purpose,
    body: unknown,
    options: { epoch?: string; key?: SigningKey; server?: string } = {},
  ): Promise<string> {
    return signEnvelope(
      {
        v: 1,
        purpose,
        server: options.server ?? this.enrolment.server,
        gateway: this.id,
        epoch: options.epoch ?? this.epoch,
        bodyVersion: 1,
        body,
      },
      options.key ?? this.key,
    );
  }

  async login(): Promise<Answer> {
    const envelope = await this.sign('login', { nonce: randomBytes(16).toString('hex') });
    return call(this.server, 'POST', '/agent/v1/login', { token: null, body: { envelope } });
  }

  async token(): Promise<string> {
    return (await this.login()).json(LoginResponse).token;
  }

  /** Connects to the broker with a login token. @throws when the broker refuses. */
  async connect(token?: string): Promise<MqttClient> {
    this.client = await connectAsync(this.server.mqttUrl, {
      protocolVersion: 4,
      username: this.id,
      password: token ?? (await this.token()),
      clientId: this.id,
      reconnectPeriod: 0,
    });
    return this.client;
  }

  /** Resolves when the server has handled the message: the embedded broker acknowledges then, or ends the connection. */
  async publish(leaf: AgentLeaf, payload: string): Promise<void> {
    const client = this.client?.connected ? this.client : await this.connect();
    const closed = new Promise<void>((resolve) => client.once('close', () => resolve()));
    const topic = topicOf(this.enrolment.topicPrefix, leaf);
    // A server that ends the connection because of the message does not acknowledge it.
    await Promise.race([client.publishAsync(topic, payload, { qos: 1, retain: leaf === 'presence' }), closed]);
  }

  async presence(fields: Partial<z.input<typeof PresenceBody>> = {}, epoch = this.epoch): Promise<void> {
    const body = {
      online: true,
      connection: this.connection,
      sequence: this.sequence++,
      agentVersion: '1.0.0',
      wire: [1],
      protocols: ['smp'],
      links: [],
      held: { reign: 0, revision: 0 },
      ...fields,
    };
    await this.publish('presence', await this.sign('presence', body, { epoch }));
  }

  async inventory(
    devices: z.input<typeof InventoryBody>['devices'],
    fields: Partial<z.input<typeof InventoryBody>> = {},
    epoch = this.epoch,
  ): Promise<void> {
    const body = { sequence: ++this.inventorySequence, devices, ...fields };
    await this.publish('inventory', await this.sign('inventory', body, { epoch }));
  }

  /** A new run of the agent: new epoch, numbers from the start. */
  restart(): void {
    this.epoch = newEpoch();
    this.connection = 1;
    this.sequence = 0;
    this.inventorySequence = 0;
  }

  async close(): Promise<void> {
    await this.client?.endAsync(true);
    this.client = undefined;
  }
}

type InventoryDeviceInput = z.input<typeof InventoryBody>['devices'][number];
/** A device as an agent would describe it, `value` being its chip id. */
export function seenDevice(value: string, fields: Partial<InventoryDeviceInput> = {}): InventoryDeviceInput {
  return {
    identity: { kind: 'chip-id', value },
    model: 'sensor-a',
    links: [{ link: `serial:/dev/ttyUSB0` }],
    protocol: 'smp',
    mode: 'application',
    running: [{ image: 0, version: '1.0.0' }],
    readAfterSeq: 0,
    ...fields,
  };
}
