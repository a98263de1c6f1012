/** The client for outside brokers, against a bare MQTT 3.1.1 broker. Mosquitto is in the scaled lane. */
import { randomUUID } from 'node:crypto';
import { createServer, type AddressInfo, type Server } from 'node:net';
import { afterEach, beforeEach, expect, it } from '@jest/globals';
import { gatewayTopicPrefix } from '@drydock/contracts';
import { Aedes } from 'aedes';
import { connectAsync, type MqttClient } from 'mqtt';
import type { InboundMessage } from './broker.port.js';
import { OutsideBroker } from './outside-broker.js';

const orgId = randomUUID();
const gatewayId = randomUUID();
const topic = (leaf: string) => gatewayTopicPrefix(orgId, gatewayId) + leaf;

let aedes: Aedes;
let listener: Server;
let url: string;
const undo: (() => Promise<unknown>)[] = [];

beforeEach(async () => {
  aedes = await Aedes.createBroker();
  listener = createServer(aedes.handle.bind(aedes));
  await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve));
  url = `mqtt://127.0.0.1:${(listener.address() as AddressInfo).port}`;
});
afterEach(async () => {
  for (const step of undo.splice(0).reverse()) await step();
  await new Promise<void>((resolve) => aedes.close(() => resolve()));
  await new Promise<void>((resolve) => listener.close(() => resolve()));
});

async function agent(): Promise<MqttClient> {
  const client = await connectAsync(url, { clientId: gatewayId, reconnectPeriod: 0 });
  undo.push(() => client.endAsync(true));
  return client;
}

/** A server's side; what it hears can be awaited by number. */
async function serverSide(
  clientId: string | undefined,
  handle: (message: InboundMessage) => Promise<void> = async () => undefined,
) {
  const heard: string[] = [];
  const waiting: (() => void)[] = [];
  const broker = new OutsideBroker({ url, ...(clientId ? { clientId } : {}), warn: () => undefined });
  for (const leaf of ['reports', 'presence', 'progress'] as const) {
    broker.onInbound(leaf, async (message) => {
      expect([message.orgId, message.gatewayId, message.leaf]).toEqual([orgId, gatewayId, leaf]);
      heard.push(`${leaf}:${message.payload.toString()}`);
      for (const wake of waiting.splice(0)) wake();
      await handle(message);
    });
  }
  await broker.start();
  const until = async (n: number) => {
    while (heard.length < n) await new Promise<void>((resolve) => waiting.push(resolve));
    return heard;
  };
  return { broker, heard, until };
}

it('hears every gateway, at both qualities, and publishes by the rules of the topic', async () => {
  const { broker, until } = await serverSide('one');
  undo.push(() => broker.stop());
  expect(broker.status()).toEqual({ kind: 'outside', connected: true });
  const client = await agent();
  await client.publishAsync(topic('reports'), 'r', { qos: 1 });
  await client.publishAsync(topic('progress'), 'p', { qos: 0 });
  expect([...(await until(2))].sort()).toEqual(['progress:p', 'reports:r']);

  await broker.publish({ orgId, gatewayId, leaf: 'orders' }, 'order');
  // Retained: a later subscriber gets it.
  const order = new Promise<[string, boolean]>((resolve) =>
    client.once('message', (_, payload, packet) => resolve([payload.toString(), packet.retain])),
  );
  await client.subscribeAsync(topic('orders'), { qos: 1 });
  expect(await order).toEqual(['order', true]);
});

it('gets what arrived while it was away, and retained presence', async () => {
  const first = await serverSide('stable');
  await first.broker.stop();
  const client = await agent();
  await client.publishAsync(topic('reports'), 'while away', { qos: 1 });
  await client.publishAsync(topic('presence'), 'online', { qos: 1, retain: true });
  const second = await serverSide('stable');
  undo.push(() => second.broker.stop());
  expect((await second.until(2)).slice(0, 2).sort()).toEqual(['presence:online', 'reports:while away']);
});

it('handles many at once, and goes on when handlers fail or strangers publish', async () => {
  let active = 0;
  let most = 0;
  let release!: () => void;
  const gate = new Promise<void>((resolve) => (release = resolve));
  const { broker, until, heard } = await serverSide(undefined, async () => {
    most = Math.max(most, ++active);
    await gate;
    active--;
    throw new Error('the database is away');
  });
  undo.push(() => broker.stop());
  const client = await agent();
  await client.publishAsync('drydock/v1/x/gateways/y/reports', 'no ids', { qos: 1 });
  await Promise.all(
    Array.from({ length: 200 }, (_, i) => client.publishAsync(topic('reports'), String(i), { qos: 1 })),
  );
  await until(64);
  release();
  await until(200);
  expect(most).toBe(64);
  expect(heard).toEqual(Array.from({ length: 200 }, (_, i) => `reports:${i}`));
});

it('comes back when the connection breaks', async () => {
  const { broker, until } = await serverSide(undefined);
  undo.push(() => broker.stop());
  const back = new Promise<void>((resolve) => aedes.on('subscribe', () => resolve()));
  const [client] = Object.values(
    (aedes as unknown as { clients: Record<string, { conn: { destroy(): void } }> }).clients,
  );
  client!.conn.destroy();
  await back;
  const sender = await agent();
  await sender.publishAsync(topic('reports'), 'after', { qos: 1 });
  expect(await until(1)).toEqual(['reports:after']);
}, 15_000);

it('says at start that the broker cannot be reached', async () => {
  const broker = new OutsideBroker({ url: 'mqtt://127.0.0.1:1', warn: () => undefined });
  await expect(broker.start()).rejects.toThrow();
});
