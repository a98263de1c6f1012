/** The broker inside the server: aedes, MQTT 3.1.1, loopback or TLS. */
import { createServer as createTcpServer, type Server } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';
import {
  MAX_MESSAGE_BYTES,
  parseTopic,
  TOPIC_RULES,
  topicOf,
  gatewayTopicPrefix,
  type AgentLeaf,
  type ServerLeaf,
} from '@drydock/contracts';
import { Aedes, type AuthenticateError, type Client } from 'aedes';
import type { ServerKeys } from '../keys/server-keys.port.js';
import { listenOn, type ListenAddress } from '../listen.js';
import type { Broker, InboundHandler, InboundMessage } from './broker.port.js';
import type { GatewayAuthority } from './gateway-authority.port.js';
import { checkLoginToken } from './login-token.js';

/** Longest wait of a sender for its commit; then the broker lets go, and only `acks` tells (design, section 4). */
const HOOK_TIMEOUT_MS = 2_000;
/** Room for topic and headers around the largest message. */
const MAX_PACKET_BYTES = MAX_MESSAGE_BYTES + 4096;
const CONNECT_TIMEOUT_MS = 10_000;
const NOT_AUTHORIZED = 5;
const BAD_LOGIN = 4;

export interface EmbeddedBrokerOptions {
  readonly listen: ListenAddress;
  readonly tls?: { cert: Buffer; key: Buffer };
  readonly keys: ServerKeys;
  /** Looked up when the first gateway connects. */
  readonly authority: () => GatewayAuthority | undefined;
  /** The servers' clock, milliseconds. */
  readonly nowMs: () => Promise<number>;
  readonly warn: (facts: Record<string, unknown>, sentence: string) => void;
}

interface Session {
  readonly client: Client;
  readonly gatewayId: string;
  readonly orgId: string;
  readonly prefix: string;
}

export class EmbeddedBroker implements Broker {
  private readonly handlers = new Map<AgentLeaf, InboundHandler>();
  private readonly connectedHandlers: ((gateway: { orgId: string; gatewayId: string }) => Promise<void>)[] = [];
  /** By the client object, not its id: a second connection with the same id must not inherit the first one's rights. */
  private readonly sessions = new Map<Client, Session>();
  private aedes: Aedes | undefined;
  private server: Server | undefined;
  private boundPort = 0;

  constructor(private readonly options: EmbeddedBrokerOptions) {}

  /** Port that is bound; 0 before `start`. */
  get port(): number {
    return this.boundPort;
  }

  onInbound(leaf: AgentLeaf, handler: InboundHandler): void {
    if (this.handlers.has(leaf)) throw new Error(`Two handlers for ${leaf}.`);
    this.handlers.set(leaf, handler);
  }

  onClientConnected(handler: (gateway: { orgId: string; gatewayId: string }) => Promise<void>): void {
    this.connectedHandlers.push(handler);
  }

  async start(): Promise<void> {
    const aedes = await Aedes.createBroker({
      connectTimeout: CONNECT_TIMEOUT_MS,
      maxClientsIdLength: 128,
      maxTopicLevels: 10,
      queueLimit: 256,
      authenticate: (client, user, password, done) => {
        this.authenticate(client, user, password).then(
          (refusal) => done(refusal ?? null, refusal === undefined),
          (error: unknown) => {
            this.options.warn({ err: error }, 'a login could not be checked');
            done(refuse('server unavailable', 3), false);
          },
        );
      },
      authorizePublish: (client, packet, done) => {
        if (client === null) return done(null);
        this.authorizePublish(client, packet.topic, packet.payload, packet.retain, packet.qos).then(
          () => done(null),
          (error: unknown) => done(error as Error),
        );
      },
      authorizeSubscribe: (client, subscription, done) => {
        const session = this.sessions.get(client);
        const own =
          session && (['orders', 'acks'] as const).some((leaf) => subscription.topic === topicOf(session.prefix, leaf));
        done(null, own ? subscription : null);
      },
      authorizeForward: (client, packet) => {
        // Persistent sessions outlive a re-enrolment: what was subscribed once is checked again when it is delivered.
        const session = this.sessions.get(client);
        return session && packet.topic.startsWith(session.prefix) ? packet : null;
      },
    });
    aedes.on('clientReady', (client) => this.announce(client));
    aedes.on('clientDisconnect', (client) => this.sessions.delete(client));
    aedes.on('clientError', (client, error) => this.dropped(client, error));
    aedes.on('connectionError', (client, error) => this.dropped(client, error));
    this.aedes = aedes;

    const handle = aedes.handle.bind(aedes);
    const server = this.options.tls
      ? createTlsServer({ ...this.options.tls, minVersion: 'TLSv1.2', noDelay: true }, (socket) =>
          handle(gathered(limited(socket))),
        )
      : createTcpServer({ noDelay: true }, (socket) => handle(gathered(limited(socket))));
    server.on('tlsClientError', () => undefined);
    this.server = server;
    this.boundPort = await listenOn(server, this.options.listen);
  }

  async stop(): Promise<void> {
    const server = this.server;
    const aedes = this.aedes;
    if (!server || !aedes) return;
    this.server = undefined;
    this.aedes = undefined;
    const closed = new Promise<void>((resolve) => server.close(() => resolve()));
    await new Promise<void>((resolve) => aedes.close(() => resolve()));
    for (const { client } of this.sessions.values()) (client.conn as { destroy(): void }).destroy();
    this.sessions.clear();
    await closed;
  }

  async publish(
    target: { orgId: string; gatewayId: string; leaf: ServerLeaf },
    payload: string | Buffer,
  ): Promise<void> {
    const aedes = this.aedes;
    if (!aedes) throw new Error('The broker is stopped.');
    const { qos, retain } = TOPIC_RULES[target.leaf];
    const topic = topicOf(gatewayTopicPrefix(target.orgId, target.gatewayId), target.leaf);
    await new Promise<void>((resolve, reject) => {
      aedes.publish({ cmd: 'publish', topic, payload: Buffer.from(payload), qos, retain, dup: false }, (error) =>
        error ? reject(error) : resolve(),
      );
    });
  }

  async disconnect(gatewayId: string): Promise<void> {
    const ending = [...this.sessions.values()].filter((session) => session.gatewayId === gatewayId);
    await Promise.all(ending.map(({ client }) => new Promise<void>((resolve) => client.close(() => resolve()))));
  }

  status(): { kind: 'embedded'; connected: boolean; clients: number } {
    return { kind: 'embedded', connected: this.server !== undefined, clients: this.aedes?.connectedClients ?? 0 };
  }

  private async authenticate(
    client: Client,
    user: string | undefined,
    password: Buffer | undefined,
  ): Promise<AuthenticateError | undefined> {
    const bad = refuse('bad user name or password', BAD_LOGIN);
    if (!user || !password) return bad;
    const token = password.toString('utf8');
    const nowMs = await this.options.nowMs();
    if (!(await checkLoginToken(this.options.keys, token, nowMs, { gatewayId: user }))) return bad;
    const gateway = await this.options.authority()?.mayConnect(user, token);
    if (!gateway) return refuse('this gateway may not connect', NOT_AUTHORIZED);
    // One live connection under a client id ends the other one with that id: a foreign id would throw out a stranger.
    if (!client.id.startsWith(user)) return refuse('the client id must begin with the gateway id', NOT_AUTHORIZED);
    const prefix = gatewayTopicPrefix(gateway.orgId, user);
    this.sessions.set(client, { client, gatewayId: user, orgId: gateway.orgId, prefix });
    return undefined;
  }

  /** Rejects only for rights and size; content never closes a connection. */
  private async authorizePublish(
    client: Client,
    topic: string,
    payload: string | Buffer,
    retain: boolean,
    qos: number,
  ): Promise<void> {
    const session = this.sessions.get(client);
    const address = parseTopic(topic);
    const rule = address && TOPIC_RULES[address.leaf];
    if (!session || !address || topic !== topicOf(session.prefix, address.leaf) || rule?.from !== 'agent') {
      throw new Error('a gateway publishes on its own topics only');
    }
    if (retain && !rule.retain) throw new Error(`${address.leaf} is not retained`);
    if (qos > 1) throw new Error('QoS 2 is not used');
    const bytes = Buffer.isBuffer(payload) ? payload : Buffer.from(payload);
    if (bytes.length > MAX_MESSAGE_BYTES) throw new Error(`a message has at most ${MAX_MESSAGE_BYTES} bytes`);
    // An empty retained message only clears what is retained.
    if (bytes.length === 0) return;
    await this.hand({
      orgId: session.orgId,
      gatewayId: session.gatewayId,
      leaf: address.leaf as AgentLeaf,
      payload: bytes,
    });
  }

  private async hand(message: InboundMessage): Promise<void> {
    const handler = this.handlers.get(message.leaf);
    if (!handler) return;
    const work = handler(message).catch((error: unknown) => {
      // Not acknowledged by `acks`, so the agent sends it again.
      this.options.warn({ err: error, gatewayId: message.gatewayId, leaf: message.leaf }, 'a message was not handled');
    });
    let timer: NodeJS.Timeout | undefined;
    const timeout = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, HOOK_TIMEOUT_MS);
    });
    await Promise.race([work, timeout]);
    clearTimeout(timer);
  }

  private announce(client: Client): void {
    const session = this.sessions.get(client);
    if (!session) return;
    for (const handler of this.connectedHandlers) {
      handler({ orgId: session.orgId, gatewayId: session.gatewayId }).catch((error: unknown) => {
        this.options.warn({ err: error, gatewayId: session.gatewayId }, 'a connected gateway got no order yet');
      });
    }
  }

  private dropped(client: Client, error: Error): void {
    const session = this.sessions.get(client);
    this.options.warn({ gatewayId: session?.gatewayId, reason: error.message }, 'a broker connection was dropped');
  }
}

function refuse(words: string, returnCode: number): AuthenticateError {
  return Object.assign(new Error(words), { returnCode }) as AuthenticateError;
}

/** Ends a connection whose packet announces more bytes than any message of ours has, before they are buffered. */
function limited<S extends import('node:net').Socket>(socket: S): S {
  const watch = new PacketLengthWatch(MAX_PACKET_BYTES);
  socket.on('error', () => undefined);
  const original = socket.push.bind(socket);
  socket.push = ((chunk: Buffer | null, encoding?: BufferEncoding) => {
    if (chunk !== null && !watch.accepts(chunk)) {
      socket.destroy();
      return false;
    }
    return original(chunk, encoding);
  }) as S['push'];
  return socket;
}

/**
 * What is written to a connection within one turn of the loop goes out in one call of the system: the answer to a batch
 * of reports is a PUBACK and a message, and the calls were a fifth of the server's work under load.
 */
function gathered<S extends import('node:net').Socket>(socket: S): S {
  const original = socket.write.bind(socket) as (...args: unknown[]) => boolean;
  let holding = false;
  socket.write = ((...args: unknown[]) => {
    if (!holding) {
      holding = true;
      socket.cork();
      setImmediate(() => {
        holding = false;
        socket.uncork();
      });
    }
    return original(...args);
  }) as S['write'];
  return socket;
}

/** Follows the fixed headers of an MQTT stream (MQTT 3.1.1, section 2.2) and tells when one announces too much. */
export class PacketLengthWatch {
  private skip = 0;
  private position: 'type' | 'length' = 'type';
  private multiplier = 1;
  private length = 0;

  constructor(private readonly limitBytes: number) {}

  /** @returns false as soon as a packet is longer than the limit or its length is malformed. */
  accepts(chunk: Uint8Array): boolean {
    let index = 0;
    while (index < chunk.length) {
      if (this.skip > 0) {
        const taken = Math.min(this.skip, chunk.length - index);
        this.skip -= taken;
        index += taken;
        continue;
      }
      const byte = chunk[index++]!;
      if (this.position === 'type') {
        this.position = 'length';
        this.multiplier = 1;
        this.length = 0;
        continue;
      }
      this.length += (byte & 0x7f) * this.multiplier;
      if (this.length > this.limitBytes) return false;
      if ((byte & 0x80) === 0) {
        this.skip = this.length;
        this.position = 'type';
      } else if (this.multiplier >= 128 ** 3) {
        return false;
      } else {
        this.multiplier *= 128;
      }
    }
    return true;
  }
}
