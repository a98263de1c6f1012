/** Any outside MQTT broker (`MQTT_URL`), spoken to in MQTT 3.1.1. */
import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import {
  AGENT_LEAVES,
  everyGateway,
  gatewayTopicPrefix,
  MAX_MESSAGE_BYTES,
  parseTopic,
  TOPIC_RULES,
  topicOf,
  type AgentLeaf,
  type ServerLeaf,
} from '@drydock/contracts';
import { connect, type MqttClient } from 'mqtt';
import type { Broker, InboundHandler } from './broker.port.js';

/** Longest wait for one message before its acknowledgement goes out anyway (design, section 4). */
const HANDLER_TIMEOUT_MS = 2_000;
/**
 * Messages that are handled at the same time. The client library acknowledges in order and reads no further while it
 * waits, so an acknowledgement that always waited for its own commit would handle one message at a time. Up to this
 * many are let go early; what that could lose, the agents send again, since only `acks` means committed.
 */
const IN_FLIGHT = 64;

export interface OutsideBrokerOptions {
  readonly url: string;
  /**
   * Stable over restarts and different for each server: the broker then keeps what arrives while this server is away.
   * Left out: a random one and no session, so that servers that come and go leave nothing behind in the broker.
   */
  readonly clientId?: string;
  readonly caFile?: string;
  readonly certFile?: string;
  readonly keyFile?: string;
  /** All but presence is then delivered to one server of the group (presence is retained, which groups do not get). */
  readonly shareGroup?: string;
  readonly warn: (facts: Record<string, unknown>, sentence: string) => void;
}

export class OutsideBroker implements Broker {
  private readonly handlers = new Map<AgentLeaf, InboundHandler>();
  private client: MqttClient | undefined;
  private inFlight = 0;
  private waiting: (() => void)[] = [];

  constructor(private readonly options: OutsideBrokerOptions) {}

  onInbound(leaf: AgentLeaf, handler: InboundHandler): void {
    if (this.handlers.has(leaf)) throw new Error(`Two handlers for ${leaf}.`);
    this.handlers.set(leaf, handler);
  }

  onClientConnected(): void {
    // An outside broker keeps retained orders itself.
  }

  async start(): Promise<void> {
    const { url, clientId, caFile, certFile, keyFile, shareGroup } = this.options;
    const client = connect(url, {
      protocolVersion: 4,
      clean: clientId === undefined,
      clientId: clientId ?? `drydock-${randomUUID()}`,
      keepalive: 30,
      reconnectPeriod: 1_000,
      connectTimeout: 10_000,
      resubscribe: true,
      ...(caFile ? { ca: readFileSync(caFile) } : {}),
      ...(certFile && keyFile ? { cert: readFileSync(certFile), key: readFileSync(keyFile) } : {}),
    });
    // The acknowledgement goes out when `done` is called. Set before the first packet: the broker begins with what it kept.
    client.handleMessage = (packet, done) => {
      void this.admit(packet.topic, Buffer.from(packet.payload)).then(() => done());
    };
    await firstConnection(client);
    this.client = client;
    client.on('error', (error) => this.options.warn({ reason: error.message }, 'the outside broker reports an error'));
    client.on('offline', () => this.options.warn({}, 'the outside broker is away; trying again'));
    const filters = AGENT_LEAVES.map((leaf) => {
      const shared = shareGroup && leaf !== 'presence' && leaf !== 'progress';
      return shared ? `$share/${shareGroup}/${everyGateway(leaf)}` : everyGateway(leaf);
    });
    await client.subscribeAsync(filters, { qos: 1 });
  }

  async stop(): Promise<void> {
    await this.client?.endAsync();
    this.client = undefined;
  }

  async publish(
    target: { orgId: string; gatewayId: string; leaf: ServerLeaf },
    payload: string | Buffer,
  ): Promise<void> {
    const client = this.client;
    if (!client) throw new Error('The broker is stopped.');
    const { qos, retain } = TOPIC_RULES[target.leaf];
    await client.publishAsync(
      topicOf(gatewayTopicPrefix(target.orgId, target.gatewayId), target.leaf),
      Buffer.from(payload),
      {
        qos,
        retain,
      },
    );
  }

  async disconnect(): Promise<void> {
    // Connections of an outside broker are its own; a revoked key is refused at its next login and by every signature.
  }

  status(): { kind: 'outside'; connected: boolean } {
    return { kind: 'outside', connected: this.client?.connected ?? false };
  }

  /** Resolves when the acknowledgement may go out: at once while there is room, else when one before is done. */
  private async admit(topic: string, payload: Buffer): Promise<void> {
    const work = this.handle(topic, payload);
    if (this.inFlight < IN_FLIGHT) return;
    await Promise.race([work, new Promise<void>((resolve) => this.waiting.push(resolve))]);
  }

  private async handle(topic: string, payload: Buffer): Promise<void> {
    const address = parseTopic(topic);
    if (!address || TOPIC_RULES[address.leaf].from !== 'agent' || payload.length === 0) return;
    if (payload.length > MAX_MESSAGE_BYTES) {
      this.options.warn(
        { gatewayId: address.gatewayId, bytes: payload.length },
        'a message was too large and is not read',
      );
      return;
    }
    const handler = this.handlers.get(address.leaf as AgentLeaf);
    if (!handler) return;
    this.inFlight++;
    let timer: NodeJS.Timeout | undefined;
    const work = handler({ ...address, leaf: address.leaf as AgentLeaf, payload }).catch((error: unknown) => {
      this.options.warn({ err: error, gatewayId: address.gatewayId, leaf: address.leaf }, 'a message was not handled');
    });
    const timeout = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, HANDLER_TIMEOUT_MS);
    });
    await Promise.race([work, timeout]);
    clearTimeout(timer);
    this.inFlight--;
    this.waiting.shift()?.();
  }
}

/** A broker that goes away later is waited for; one that cannot be reached or refuses us at start is an error. */
async function firstConnection(client: MqttClient): Promise<void> {
  const listening = new AbortController();
  try {
    await new Promise<void>((resolve, reject) => {
      const once = (event: 'connect' | 'error' | 'close', listener: (error?: Error) => void) => {
        client.on(event, listener as () => void);
        listening.signal.addEventListener('abort', () => client.off(event, listener as () => void));
      };
      once('connect', () => resolve());
      once('error', reject);
      once('close', () => reject(new Error('the outside broker closed the connection (MQTT_URL)')));
    });
  } catch (error) {
    client.on('error', () => undefined);
    await client.endAsync(true);
    throw error;
  } finally {
    listening.abort();
  }
}
