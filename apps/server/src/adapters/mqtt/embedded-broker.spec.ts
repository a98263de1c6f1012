/** The embedded broker with real clients: who may connect, who may say what, and what a restart needs. */
import { randomUUID } from 'node:crypto';
import { connect as connectTcp } from 'node:net';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import {
  gatewayTopicPrefix,
  generateSigningKey,
  importSigningKey,
  importVerifyingKey,
  MAX_MESSAGE_BYTES,
  signEnvelope,
  type SigningKey,
} from '@drydock/contracts';
import { connectAsync, type IClientOptions, type MqttClient } from 'mqtt';
import type { ServerKeys } from '../keys/server-keys.port.js';
import type { InboundMessage } from './broker.port.js';
import { EmbeddedBroker, PacketLengthWatch } from './embedded-broker.js';

const serverId = randomUUID();
const orgId = randomUUID();
const gatewayA = randomUUID();
const gatewayB = randomUUID();
const refusedGateway = randomUUID();
const START_MS = 1_900_000_000_000;

let clock = START_MS;
let broker: EmbeddedBroker;
let orderKey: SigningKey;
let strangerKey: SigningKey;
let keys: ServerKeys;
const heard: InboundMessage[] = [];
const connected: string[] = [];
let beforeAnswer: () => Promise<void> = async () => undefined;
const clients: MqttClient[] = [];

async function makeBroker(port = 0): Promise<EmbeddedBroker> {
  const made = new EmbeddedBroker({
    listen: { host: '127.0.0.1', port, setting: 'DRYDOCK_MQTT_PORT', given: true },
    keys,
    authority: () => ({
      mayConnect: async (gatewayId) => (gatewayId === refusedGateway ? undefined : { orgId }),
    }),
    nowMs: async () => clock,
    warn: () => undefined,
  });
  for (const leaf of ['presence', 'reports', 'progress'] as const) {
    made.onInbound(leaf, async (message) => {
      await beforeAnswer();
      heard.push(message);
    });
  }
  made.onClientConnected(async ({ gatewayId }) => {
    connected.push(gatewayId);
  });
  await made.start();
  return made;
}

beforeAll(async () => {
  orderKey = await importSigningKey((await generateSigningKey()).privateJwk);
  strangerKey = await importSigningKey((await generateSigningKey()).privateJwk);
  const verifying = await importVerifyingKey(orderKey.publicJwk);
  keys = {
    serverId,
    orderKey,
    resolveOrderKey: (kid) => (kid === orderKey.kid ? verifying : undefined),
    rootStatements: async () => [],
  };
  broker = await makeBroker();
});
afterEach(async () => {
  await Promise.all(clients.splice(0).map((client) => client.endAsync(true)));
  heard.length = 0;
  beforeAnswer = async () => undefined;
  clock = START_MS;
});
afterAll(() => broker.stop());

interface TokenFacts {
  gateway?: string;
  server?: string;
  purpose?: 'login-token' | 'orders';
  expiresAtMs?: number;
  key?: SigningKey;
}
const token = (facts: TokenFacts = {}) =>
  signEnvelope(
    {
      v: 1,
      purpose: facts.purpose ?? 'login-token',
      server: facts.server ?? serverId,
      gateway: facts.gateway ?? gatewayA,
      epoch: null,
      bodyVersion: 1,
      body: { expiresAtMs: facts.expiresAtMs ?? START_MS + 60_000 },
    },
    facts.key ?? orderKey,
  );

async function connect(gateway: string, password: string, more: IClientOptions = {}): Promise<MqttClient> {
  const client = await connectAsync(`mqtt://127.0.0.1:${broker.port}`, {
    username: gateway,
    password,
    clientId: `${gateway}-1`,
    reconnectPeriod: 0,
    connectTimeout: 3_000,
    ...more,
  });
  client.on('error', () => undefined);
  clients.push(client);
  return client;
}
const login = async (gateway: string, more: IClientOptions = {}) => connect(gateway, await token({ gateway }), more);
const topic = (gateway: string, leaf: string, org = orgId) => gatewayTopicPrefix(org, gateway) + leaf;
const closed = (client: MqttClient) => new Promise<void>((resolve) => client.once('close', () => resolve()));
const received = (client: MqttClient) =>
  new Promise<string>((resolve) => client.once('message', (_topic, payload) => resolve(payload.toString())));

describe('login', () => {
  it('takes a good token, and says who connected', async () => {
    await login(gatewayA);
    expect(connected).toContain(gatewayA);
    expect(broker.status()).toEqual({ kind: 'embedded', connected: true, clients: 1 });
  });

  it.each<[string, TokenFacts]>([
    ['of another gateway', { gateway: gatewayB }],
    ['of another server', { server: randomUUID() }],
    ['of another purpose', { purpose: 'orders' }],
    ['that ended this very moment', { expiresAtMs: START_MS }],
    [
      'signed by a stranger',
      {
        get key() {
          return strangerKey;
        },
      },
    ],
  ])('refuses a token %s', async (_, facts) => {
    await expect(connect(gatewayA, await token(facts))).rejects.toThrow(/Bad username or password|Not authorized/i);
  });

  it('refuses an empty, cut or missing password', async () => {
    await expect(connect(gatewayA, '')).rejects.toThrow();
    await expect(connect(gatewayA, (await token()).slice(0, -3))).rejects.toThrow();
    await expect(
      connectAsync(`mqtt://127.0.0.1:${broker.port}`, { reconnectPeriod: 0, clientId: gatewayA }),
    ).rejects.toThrow();
  });

  it('refuses a gateway that the fleet does not let in, and a foreign client id', async () => {
    await expect(login(refusedGateway)).rejects.toThrow(/Not authorized/i);
    const victim = await login(gatewayA);
    await expect(connect(gatewayB, await token({ gateway: gatewayB }), { clientId: `${gatewayA}-1` })).rejects.toThrow(
      /Not authorized/i,
    );
    expect(victim.connected).toBe(true);
  });
});

describe('topics', () => {
  it('hands own reports to the handler before the acknowledgement', async () => {
    const client = await login(gatewayA);
    let release!: () => void;
    const gate = new Promise<void>((resolve) => (release = resolve));
    beforeAnswer = () => gate;
    let acknowledged = false;
    const published = client
      .publishAsync(topic(gatewayA, 'reports'), 'batch', { qos: 1 })
      .then(() => (acknowledged = true));
    // A second exchange on the same broker: what had to happen without the commit has happened.
    const other = await login(gatewayB);
    await other.subscribeAsync(topic(gatewayB, 'acks'));
    expect(acknowledged).toBe(false);
    release();
    await published;
    expect(
      heard.map((message) => [message.orgId, message.gatewayId, message.leaf, message.payload.toString()]),
    ).toEqual([[orgId, gatewayA, 'reports', 'batch']]);
  });

  it('acknowledges and stays connected when the handler fails: content closes nothing', async () => {
    const client = await login(gatewayA);
    beforeAnswer = async () => {
      throw new Error('the database is away');
    };
    await client.publishAsync(topic(gatewayA, 'reports'), 'batch', { qos: 1 });
    expect(client.connected).toBe(true);
  });

  it('lets go after two seconds when the commit does not come', async () => {
    const client = await login(gatewayA);
    let release!: () => void;
    beforeAnswer = () => new Promise<void>((resolve) => (release = resolve));
    await client.publishAsync(topic(gatewayA, 'reports'), 'slow', { qos: 1 });
    expect(heard).toEqual([]);
    release();
    expect(client.connected).toBe(true);
  });

  it.each([
    ["another gateway's reports", () => topic(gatewayB, 'reports')],
    ['its own orders', () => topic(gatewayA, 'orders')],
    ['its own topic in another org', () => topic(gatewayA, 'reports', randomUUID())],
    ['a topic of nobody', () => 'drydock/v1/all'],
    ['the broker itself', () => '$SYS/uptime'],
  ])('ends a connection that publishes on %s', async (_, where) => {
    const client = await login(gatewayA);
    const end = closed(client);
    client.publish(where(), 'x', { qos: 1 });
    await end;
    expect(heard).toEqual([]);
  });

  it('ends a connection that retains what is not retained, or sends too much', async () => {
    const retaining = await login(gatewayA);
    const first = closed(retaining);
    retaining.publish(topic(gatewayA, 'reports'), 'x', { qos: 1, retain: true });
    await first;
    const loud = await login(gatewayA);
    const second = closed(loud);
    loud.publish(topic(gatewayA, 'reports'), Buffer.alloc(MAX_MESSAGE_BYTES + 8192), { qos: 1 });
    await second;
    expect(heard).toEqual([]);
    const fitting = await login(gatewayA);
    await fitting.publishAsync(topic(gatewayA, 'reports'), Buffer.alloc(MAX_MESSAGE_BYTES), { qos: 1 });
    expect(heard).toHaveLength(1);
  });

  it.each([
    ["another gateway's orders", () => topic(gatewayB, 'orders')],
    ['every order', () => 'drydock/v1/+/gateways/+/orders'],
    ['everything', () => '#'],
    ['everything of its own', () => topic(gatewayA, '#')],
    ['its own reports', () => topic(gatewayA, 'reports')],
    ['a shared group', () => `$share/g/${topic(gatewayA, 'orders')}`],
  ])('refuses a subscription to %s', async (_, where) => {
    const client = await login(gatewayA);
    // mqtt.js rejects, or tells the refusal code.
    const granted = await client.subscribeAsync(where(), { qos: 1 }).then(
      (list) => list[0]?.qos,
      () => 128,
    );
    expect(granted).toBe(128);
    await broker.publish({ orgId, gatewayId: gatewayB, leaf: 'orders' }, 'secret');
    await broker.publish({ orgId, gatewayId: gatewayA, leaf: 'orders' }, '');
  });

  it('delivers retained orders to their gateway only', async () => {
    await broker.publish({ orgId, gatewayId: gatewayA, leaf: 'orders' }, 'order 1');
    const a = await login(gatewayA);
    const order = received(a);
    await a.subscribeAsync(topic(gatewayA, 'orders'), { qos: 1 });
    expect(await order).toBe('order 1');
  });

  it('publishes the last will of a connection that breaks', async () => {
    const client = await login(gatewayA, {
      will: { topic: topic(gatewayA, 'presence'), payload: Buffer.from('gone'), qos: 1, retain: true },
    });
    const gone = new Promise<void>((resolve) => {
      beforeAnswer = async () => resolve();
    });
    client.stream.destroy();
    await gone;
    await Promise.resolve();
    expect(heard.map((message) => [message.leaf, message.payload.toString()])).toEqual([['presence', 'gone']]);
  });

  it('does not let a will speak for another gateway', async () => {
    const client = await login(gatewayA, {
      will: { topic: topic(gatewayB, 'presence'), payload: Buffer.from('forged'), qos: 1, retain: false },
    });
    client.stream.destroy();
    // The next exchange on the broker comes after the will was handled.
    const other = await login(gatewayB);
    await other.publishAsync(topic(gatewayB, 'presence'), 'here', { qos: 1 });
    expect(heard.map((message) => message.payload.toString())).toEqual(['here']);
  });

  it('ends the connections of a gateway when told to', async () => {
    const client = await login(gatewayA);
    const other = await login(gatewayB);
    const end = closed(client);
    await broker.disconnect(gatewayA);
    await end;
    expect(other.connected).toBe(true);
  });
});

describe('a restart', () => {
  it('forgets retained orders and tells who connected, so that they are published again', async () => {
    await broker.publish({ orgId, gatewayId: gatewayA, leaf: 'orders' }, 'before');
    const port = broker.port;
    await broker.stop();
    broker = await makeBroker(port);
    connected.length = 0;
    const client = await login(gatewayA);
    expect(connected).toEqual([gatewayA]);
    const order = received(client);
    await client.subscribeAsync(topic(gatewayA, 'orders'), { qos: 1 });
    await broker.publish({ orgId, gatewayId: gatewayA, leaf: 'orders' }, 'after');
    expect(await order).toBe('after');
  });
});

describe('noise', () => {
  it('never hurts the others', async () => {
    const client = await login(gatewayA);
    for (const bytes of [
      Buffer.from('GET / HTTP/1.1\r\n\r\n'),
      Buffer.alloc(64, 0xff),
      Buffer.from([0x10, 0xff, 0xff, 0xff, 0x7f]),
    ]) {
      await new Promise<void>((resolve) => {
        const socket = connectTcp(broker.port, '127.0.0.1', () => socket.write(bytes));
        socket.on('error', () => undefined);
        socket.on('close', () => resolve());
        socket.on('end', () => socket.end());
      });
    }
    await client.publishAsync(topic(gatewayA, 'reports'), 'still here', { qos: 1 });
    expect(heard).toHaveLength(1);
  }, 20_000);

  it('is cut off by the announced length, however the bytes are split', () => {
    const packet = (length: number) => {
      const header = [0x30];
      let rest = length;
      do {
        header.push((rest & 0x7f) | (rest > 127 ? 0x80 : 0));
        rest >>= 7;
      } while (rest > 0);
      return Buffer.concat([Buffer.from(header), Buffer.alloc(length)]);
    };
    const stream = Buffer.concat([packet(0), packet(127), packet(128), packet(1000), packet(1)]);
    for (const size of [1, 2, 3, 7, 64, stream.length]) {
      const watch = new PacketLengthWatch(1000);
      for (let at = 0; at < stream.length; at += size) expect(watch.accepts(stream.subarray(at, at + size))).toBe(true);
      expect(watch.accepts(packet(1001).subarray(0, 3))).toBe(false);
    }
    expect(new PacketLengthWatch(2 ** 40).accepts(Buffer.from([0x30, 0xff, 0xff, 0xff, 0xff]))).toBe(false);
  });
});
