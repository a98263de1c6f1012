/**
 * A small server for specs and benches of the agent: the wire contract and nothing behind it. A real
 * broker and real HTTP on the loopback; what it answers to a batch is a script of the test.
 */
import { createHash, randomUUID } from 'node:crypto';
import { createServer as createHttpServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer, type AddressInfo, type Server } from 'node:net';
import { Aedes } from 'aedes';
import {
  EnrolRequest,
  EnrolResponse,
  Grant,
  InventoryBody,
  LoginRequest,
  PresenceBody,
  ReportBatch,
  TimeRequestBody,
  generateSigningKey,
  gatewayTopicPrefix,
  importSigningKey,
  importVerifyingKey,
  signEnvelope,
  signRootStatement,
  verifyEnvelope,
  type AckBody,
  type Cancellation,
  type Epoch,
  type Purpose,
  type PublicJwk,
  type SigningKey,
} from '@drydock/contracts';

export interface ReceivedBatch {
  readonly of: Epoch;
  readonly firstSeq: number;
  readonly reports: readonly { readonly seq: number; readonly kind: string; readonly [field: string]: unknown }[];
  readonly nonce: string;
  /** Live epoch of the sender. */
  readonly epoch: Epoch;
}

/** What is answered to a batch; nothing, if undefined. Fields that are left out are as a committed batch would have them. */
export type AckScript = (batch: ReceivedBatch, cursor: number) => Partial<AckBody> | undefined;

export interface ReceivedPresence extends PresenceBody {
  readonly epoch: Epoch | null;
}

export class ScriptedServer {
  readonly server = randomUUID();
  readonly org = randomUUID();
  readonly gateway = randomUUID();
  readonly prefix = gatewayTopicPrefix(this.org, this.gateway);
  readonly enrolToken = 'a token that is good for one use';
  readonly batches: ReceivedBatch[] = [];
  readonly presences: ReceivedPresence[] = [];
  readonly inventories: InventoryBody[] = [];
  readonly artifacts = new Map<string, Uint8Array>();
  /** Committed reports by epoch, in order. */
  readonly committed = new Map<string, { seq: number; kind: string; [field: string]: unknown }[]>();
  releaseKeys: Record<string, string[]> = {};
  reign = 0;
  /** Added to the real clock, for the server's time. */
  clockOffsetMs = 0;
  ackScript: AckScript = () => ({});
  answersTime = true;
  logins = 0;
  #revision = 0;
  #http = createHttpServer((request, response) => void this.#serve(request, response));
  #tcp: Server | undefined;
  /** Told to agents also while the broker is away. */
  #brokerPort = 0;
  #broker: Awaited<ReturnType<typeof Aedes.createBroker>> | undefined;
  #rootKey!: SigningKey;
  #orderKey!: SigningKey;
  #statements: string[] = [];
  #gatewayKey: PublicJwk | undefined;
  #epoch: Epoch | null = null;
  readonly #lookers = new Set<() => void>();
  #work: Promise<void> = Promise.resolve();

  static async start(): Promise<ScriptedServer> {
    const it = new ScriptedServer();
    it.#rootKey = await newKey();
    await it.rotateOrderKey();
    await listen(it.#http);
    await it.startBroker();
    return it;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#http.address() as AddressInfo).port}/`;
  }

  /** The live epoch of the agent, as its presence shows it. */
  get epoch(): Epoch | null {
    return this.#epoch;
  }

  get nowMs(): number {
    return Date.now() + this.clockOffsetMs;
  }

  /** A new key signs orders from now on; the root says so in a further statement. */
  async rotateOrderKey(): Promise<void> {
    this.#orderKey = await newKey();
    this.#statements.push(
      await signRootStatement(
        {
          v: 1,
          server: this.server,
          version: this.#statements.length + 1,
          root: this.#rootKey.publicJwk,
          orderKeys: [this.#orderKey.publicJwk],
          issuedAtMs: this.nowMs,
        },
        this.#rootKey,
      ),
    );
  }

  async startBroker(port = 0): Promise<void> {
    const broker = await Aedes.createBroker();
    this.#broker = broker;
    broker.on('publish', (packet, client) => {
      if (!client) return;
      const payload = packet.payload.toString();
      this.#work = this.#work.then(() => this.#took(packet.topic, payload)).catch(() => undefined);
    });
    this.#tcp = createServer(broker.handle);
    await listen(this.#tcp, port);
    this.#brokerPort = (this.#tcp.address() as AddressInfo).port;
  }

  /** Ends the broker and all its connections; what was retained is gone. @returns its port. */
  async stopBroker(): Promise<number> {
    const { port } = this.#tcp!.address() as AddressInfo;
    await new Promise<void>((resolve) => this.#broker!.close(() => resolve()));
    await new Promise<void>((resolve) => this.#tcp!.close(() => resolve()));
    return port;
  }

  async stop(): Promise<void> {
    await this.stopBroker();
    this.#http.closeAllConnections();
    await new Promise<void>((resolve) => this.#http.close(() => resolve()));
  }

  /** Resolves as soon as it holds; looked at whenever something arrives. */
  async until(holds: () => boolean): Promise<void> {
    if (holds()) return;
    await new Promise<void>((resolve) => {
      const look = (): void => {
        if (!holds()) return;
        this.#lookers.delete(look);
        resolve();
      };
      this.#lookers.add(look);
    });
  }

  /** Kinds of the committed reports of an epoch, in order. */
  kinds(epoch: string | null = this.#epoch): string[] {
    return (this.committed.get(epoch ?? '') ?? []).map(({ kind }) => kind);
  }

  reports(kind: string): { seq: number; kind: string; [field: string]: unknown }[] {
    return [...this.committed.values()].flat().filter((report) => report.kind === kind);
  }

  addArtifact(bytes: Uint8Array): { sha256: string; sizeBytes: number } {
    const sha256 = createHash('sha256').update(bytes).digest('hex');
    this.artifacts.set(sha256, bytes);
    return { sha256, sizeBytes: bytes.length };
  }

  /** Publishes the next order for the live epoch. */
  async order(order: {
    grants?: readonly Grant[];
    cancellations?: readonly Cancellation[];
    must?: readonly string[];
    epoch?: Epoch | null;
    revision?: number;
    prefetch?: readonly { sha256: string; sizeBytes: number; format: string }[];
  }): Promise<void> {
    this.#revision = order.revision ?? this.#revision + 1;
    const body = {
      reign: this.reign,
      revision: this.#revision,
      issuedAtMs: this.nowMs,
      grants: order.grants ?? [],
      prefetch: order.prefetch ?? [],
    };
    await this.send('orders', 'orders', body, {
      cancellations: order.cancellations ?? [],
      must: order.must ?? [],
      ...(order.epoch !== undefined && { epoch: order.epoch }),
    });
  }

  /** An empty order signed by somebody else's key. */
  publishAs(key: SigningKey, order: { revision: number }): Promise<void> {
    const body = { reign: this.reign, revision: order.revision, issuedAtMs: this.nowMs, grants: [] };
    return this.send('orders', 'orders', body, {}, key);
  }

  /** Signs and publishes anything. */
  async send(
    leaf: 'orders' | 'acks',
    purpose: Purpose,
    body: unknown,
    more: object = {},
    key = this.#orderKey,
  ): Promise<void> {
    const payload = await signEnvelope(
      {
        v: 1,
        purpose,
        server: this.server,
        gateway: this.gateway,
        epoch: this.#epoch,
        bodyVersion: 1,
        body,
        ...more,
      } as Parameters<typeof signEnvelope>[0],
      key,
    );
    await new Promise<void>((resolve, reject) =>
      this.#broker!.publish(
        {
          cmd: 'publish',
          topic: this.prefix + leaf,
          payload: Buffer.from(payload),
          qos: 1,
          retain: leaf === 'orders',
          dup: false,
        },
        (error) => (error ? reject(error) : resolve()),
      ),
    );
  }

  /** A grant with all fields; what matters to a test is given. */
  grant(
    more: Partial<Omit<Grant, 'artifact'>> & {
      links: Grant['links'];
      artifact: { sha256: string; sizeBytes: number; format: string };
    },
  ): Grant {
    const now = this.nowMs;
    return Grant.parse({
      deployment: randomUUID(),
      reign: this.reign,
      attempt: 1,
      mode: 'update',
      device: randomUUID(),
      model: 'demo-board',
      identity: { kind: 'port-path', value: '/dev/null' },
      protocol: 'smp',
      expect: { versionProves: false },
      confirm: 'after-proof',
      allowDowngrade: false,
      startBy: now + 60_000,
      finishBy: now + 360_000,
      timeouts: { downloadMs: 60_000, transferMs: 120_000, activateMs: 60_000, proveMs: 60_000 },
      ...more,
    });
  }

  async #took(topic: string, payload: string): Promise<void> {
    const leaf = topic.slice(this.prefix.length);
    if (!topic.startsWith(this.prefix) || leaf === 'progress') return;
    const key = await importVerifyingKey(this.#gatewayKey!);
    const purposes: Purpose[] = leaf === 'reports' ? ['reports', 'time-request'] : [leaf as Purpose];
    const envelope = await verifyEnvelope(payload, (kid) => (kid === key.kid ? key : undefined), {
      purpose: purposes,
      server: this.server,
      gateway: this.gateway,
    });
    if (leaf === 'presence') {
      const body = PresenceBody.parse(envelope.body);
      this.presences.push({ ...body, epoch: envelope.epoch });
      if (body.online) this.#epoch = envelope.epoch;
    } else if (leaf === 'inventory') this.inventories.push(InventoryBody.parse(envelope.body));
    else if (envelope.purpose === 'time-request') {
      const { nonce } = TimeRequestBody.parse(envelope.body);
      if (this.answersTime) {
        await this.send(
          'acks',
          'time',
          { nonce, serverTimeMs: this.nowMs, reign: this.reign },
          { epoch: envelope.epoch },
        );
      }
    } else await this.#batch(ReportBatch.parse(envelope.body), envelope.epoch!);
    for (const look of [...this.#lookers]) look();
  }

  async #batch(batch: ReportBatch, epoch: Epoch): Promise<void> {
    const received: ReceivedBatch = { ...batch, epoch };
    this.batches.push(received);
    const known = this.committed.get(batch.of) ?? [];
    const answer = this.ackScript(received, known.length);
    const before = known.length;
    if (answer && answer.cursor === undefined) {
      for (const report of batch.reports) if (report.seq === known.length + 1) known.push(report);
      this.committed.set(batch.of, known);
    }
    if (!answer) {
      this.committed.set(batch.of, known.slice(0, before));
      return;
    }
    await this.send(
      'acks',
      'acks',
      {
        of: batch.of,
        cursor: known.length,
        reign: this.reign,
        nonce: batch.nonce,
        serverTimeMs: this.nowMs,
        ...answer,
      },
      { epoch },
    );
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '/', this.url);
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const body: unknown = chunks.length > 0 ? JSON.parse(Buffer.concat(chunks).toString()) : undefined;
    const json = (status: number, value: unknown): void => {
      response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(value));
    };
    const broker = { url: `mqtt://:${this.#brokerPort}`, login: 'token' as const };
    const artifact = /^\/agent\/v1\/artifacts\/([0-9a-f]{64})$/.exec(url.pathname)?.[1];
    if (artifact !== undefined) this.#serveArtifact(artifact, request, response);
    else if (url.pathname === '/agent/v1/enrol') {
      const { token, publicKey } = EnrolRequest.parse(body);
      if (token !== this.enrolToken) {
        return json(403, {
          type: 'urn:drydock:error:enrolment.token',
          title: 'no',
          status: 403,
          detail: 'no',
          code: 'enrolment.token',
          params: {},
        });
      }
      this.#gatewayKey = publicKey;
      json(
        201,
        EnrolResponse.parse({
          server: this.server,
          org: this.org,
          site: { id: randomUUID(), name: 'hall', zone: 'Europe/Berlin' },
          gateway: { id: this.gateway, name: 'gw-1' },
          topicPrefix: this.prefix,
          broker,
          rootStatements: this.#statements,
          releaseKeys: this.releaseKeys,
        }),
      );
    } else if (url.pathname === '/agent/v1/login') {
      this.logins += 1;
      const key = await importVerifyingKey(this.#gatewayKey!);
      const envelope = await verifyEnvelope(LoginRequest.parse(body).envelope, () => key, { purpose: 'login' });
      const { nonce } = envelope.body as { nonce: string };
      const time = await signEnvelope(
        {
          v: 1,
          purpose: 'time',
          server: this.server as never,
          gateway: this.gateway as never,
          epoch: envelope.epoch,
          bodyVersion: 1,
          body: { nonce, serverTimeMs: this.nowMs, reign: this.reign },
        },
        this.#orderKey,
      );
      json(200, { token: 'login-token', expiresInMs: 600_000, time: this.answersTime ? time : 'none', broker });
    } else if (url.pathname === '/agent/v1/root') {
      json(200, { rootStatements: this.#statements.slice(Number(url.searchParams.get('after') ?? 0)) });
    } else json(404, {});
  }

  #serveArtifact(sha256: string, request: IncomingMessage, response: ServerResponse): void {
    const bytes = this.artifacts.get(sha256);
    if (!bytes || request.headers.authorization !== 'Bearer login-token') {
      response.writeHead(bytes ? 401 : 404).end();
      return;
    }
    const from = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? '')?.[1] ?? 0);
    response.writeHead(from > 0 ? 206 : 200, {
      'content-length': bytes.length - from,
      ...(from > 0 && { 'content-range': `bytes ${from}-${bytes.length - 1}/${bytes.length}` }),
    });
    response.end(bytes.subarray(from));
  }
}

async function newKey(): Promise<SigningKey> {
  return importSigningKey((await generateSigningKey()).privateJwk);
}

function listen(server: Server, port = 0): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', () => resolve());
  });
}
