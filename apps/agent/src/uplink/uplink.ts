/**
 * The agent's end of the wire (design, section 4): login, presence with a last will, orders and acks in,
 * reports, inventory and progress out, and the server's time.
 */
import type { IncomingMessage } from 'node:http';
import {
  AckBody,
  MAX_MESSAGE_BYTES,
  MAX_ORDER_BYTES,
  OrdersBody,
  KNOWN_ORDER_FIELDS,
  SignatureError,
  TOPIC_RULES,
  TimeBody,
  importVerifyingKey,
  signEnvelope,
  topicOf,
  unknownMusts,
  verifyEnvelope,
  type AgentLeaf,
  type AgentUpgrade,
  type AttemptRef,
  type Cancellation,
  type Envelope,
  type InventoryBody,
  type PresenceBody,
  type ProgressMessage,
  type Purpose,
  type SigningKey,
  type VerifyingKey,
} from '@drydock/contracts';
import type { Clock } from '../clock.js';
import type { Journal } from '../journal/journal.js';
import type { Logger } from '../logger.js';
import { followRoot, type AgentState, type Enrolment, type StateFile } from './agent-state.js';
import { BrokerConnection, type ConnectionPlan } from './broker-connection.js';
import type { RawPortEnd } from './raw-port-end.js';
import { ReportSender } from './report-sender.js';
import { brokerUrl, ServerHttp } from './server-http.js';
import { type TrustedTime } from './trusted-time.js';

/** An order whose signature, server and gateway were checked. */
export interface ReceivedOrder {
  /** Valid even when the body is not. */
  readonly cancellations: readonly Cancellation[];
  /** Absent when it is meant for another epoch of this agent, or cannot be read. */
  readonly body?: OrdersBody;
  /** Names in `must` that this agent does not know. */
  readonly refused: readonly string[];
  /** A newer agent, where the order is meant for this epoch and its body cannot be read. */
  readonly upgrade?: AgentUpgrade;
}

export interface UplinkOptions {
  readonly state: AgentState & { readonly enrolment: Enrolment };
  readonly stateFile: StateFile;
  readonly key: SigningKey;
  readonly journal: Journal;
  readonly clock: Clock;
  readonly log: Logger;
  readonly time: TrustedTime;
  readonly agentVersion: string;
  readonly protocols: readonly string[];
  readonly allowPlaintext: boolean;
  presence(): Pick<PresenceBody, 'links' | 'held'>;
  /** What it says of itself; not in the last will, which would say it when it is long past. */
  self?(): Pick<PresenceBody, 'clockOffsetMs' | 'journalBytes' | 'journalEntries'>;
  order(order: ReceivedOrder): void;
  /** Before `committed`: numbers of a batch that are committed and moved nothing. */
  refused?(of: string, seqs: readonly number[]): void;
  /** More reports are known to be committed. */
  committed?(): void;
  /** The time became known, again or for the first time; or the connection came back. */
  changed(): void;
}

const TIME_RETRY_MS = 30_000;
const TIME_REFRESH_MS = 10 * 60_000;
const ROOT_PAUSE_MS = 60_000;
/** Looked at without a reason: a key that is no longer good would otherwise be trusted until an unknown one is met. */
const ROOT_REFRESH_MS = 12 * 3_600_000;
/** The will says nothing about any presence that was sent in its connection. */
const WILL_SEQUENCE = Number.MAX_SAFE_INTEGER;
const MAX_WAITING_MESSAGES = 64;

export class Uplink {
  readonly reports: ReportSender;
  readonly #options: UplinkOptions;
  readonly #http: ServerHttp;
  readonly #connection: BrokerConnection;
  #state: AgentState & { readonly enrolment: Enrolment };
  #keys: Promise<readonly VerifyingKey[]> | undefined;
  #rootAskedMs = Number.NEGATIVE_INFINITY;
  #rootRefreshedMs = Number.NEGATIVE_INFINITY;
  #connections = 0;
  #sequence = 0;
  #online = false;
  #presenceWanted = false;
  #timer: (() => void) | undefined;
  #messages: Promise<void> = Promise.resolve();
  #waitingMessages = 0;
  #heardMs = 0;
  #stopped = false;

  constructor(options: UplinkOptions) {
    this.#options = options;
    this.#state = options.state;
    const { journal, clock, log, key, state } = options;
    this.#http = new ServerHttp(state.enrolment, key, journal.epoch, clock, options.allowPlaintext);
    this.reports = new ReportSender({
      journal,
      clock,
      log,
      ask: () => options.time.ask(),
      publish: (batch) => this.#publish('reports', 'reports', batch),
      refused: (of, seqs) => options.refused?.(of, seqs),
      committed: () => options.committed?.(),
    });
    this.#connection = new BrokerConnection({
      clock,
      log,
      plan: () => this.#plan(),
      connected: () => this.#connected(),
      disconnected: () => this.#disconnected(),
      message: (topic, payload) => this.#arrived(topic, payload),
    });
  }

  get online(): boolean {
    return this.#online;
  }

  /** The newest moment of the server's clock that a signed message named; undefined before the first. */
  get heardMs(): number | undefined {
    return this.#heardMs > 0 ? this.#heardMs : undefined;
  }

  start(): void {
    this.#connection.start();
  }

  /** Says goodbye (a presence that is offline) and ends. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#timer?.();
    this.reports.stop();
    if (this.#online) {
      const goodbye = this.#publish('presence', 'presence', this.#presence(false, (this.#sequence += 1)));
      await Promise.race([goodbye.catch(() => undefined), new Promise((resolve) => setTimeout(resolve, 1000).unref())]);
    }
    await this.#connection.stop();
  }

  /** Links or the held order changed. Several changes at once make one message. */
  announce(): void {
    if (!this.#online || this.#presenceWanted) return;
    this.#presenceWanted = true;
    setImmediate(() => {
      this.#presenceWanted = false;
      if (this.#online && !this.#stopped)
        this.#send('presence', 'presence', this.#presence(true, (this.#sequence += 1)));
    });
  }

  inventory(body: InventoryBody): Promise<void> {
    return this.#publish('inventory', 'inventory', body);
  }

  progress(message: ProgressMessage): void {
    const topic = topicOf(this.#state.enrolment.topicPrefix, 'progress');
    this.#connection.publish(topic, JSON.stringify(message), { qos: 0, retain: false }).catch(() => undefined);
  }

  openArtifact(sha256: string, offset: number, signal: AbortSignal): Promise<IncomingMessage> {
    return this.#http.openArtifact(sha256, offset, signal, () => this.#options.time.ask());
  }

  openRawPort(ref: AttemptRef, signal: AbortSignal): Promise<RawPortEnd | undefined> {
    return this.#http.openRawPort(ref, signal, () => this.#options.time.ask());
  }

  async #plan(): Promise<ConnectionPlan> {
    const { time, state, allowPlaintext } = this.#options;
    const login = await this.#http.login(time.ask());
    await this.#takeTime(login.time).catch((error: unknown) => this.#notTaken('login time', error));
    this.#connections += 1;
    this.#sequence = 0;
    const { topicPrefix, gateway, serverUrl } = this.#state.enrolment;
    const { broker } = login;
    return {
      url: brokerUrl(broker.url, serverUrl, allowPlaintext),
      clientId: gateway.id,
      ...(broker.login === 'token' && { username: gateway.id, password: login.token }),
      ...(broker.ca !== undefined && { ca: broker.ca }),
      ...(broker.login === 'certificate' &&
        broker.certificate !== undefined && {
          cert: broker.certificate,
          key: await privateKeyPem(state),
        }),
      will: {
        topic: topicOf(topicPrefix, 'presence'),
        payload: await this.#sign('presence', this.#presence(false, WILL_SEQUENCE)),
      },
      subscriptions: [topicOf(topicPrefix, 'orders'), topicOf(topicPrefix, 'acks')],
    };
  }

  #connected(): void {
    this.#online = true;
    // The server may have come back with another key.
    this.#rootRefreshedMs = Number.NEGATIVE_INFINITY;
    this.announce();
    this.reports.connected();
    this.#askTime();
    this.#options.changed();
  }

  #disconnected(): void {
    this.#online = false;
    this.reports.disconnected();
    this.#timer?.();
    this.#timer = undefined;
  }

  /** Asks at once while the time is not known, else now and then. */
  #askTime(): void {
    this.#timer?.();
    if (!this.#online || this.#stopped) return;
    const { time, clock } = this.#options;
    this.#refreshRoot();
    const known = time.upperBoundMs() !== undefined;
    if (!known) this.#send('reports', 'time-request', { nonce: time.ask() });
    this.#timer = clock.after(known ? TIME_REFRESH_MS : TIME_RETRY_MS, () => {
      if (known && this.#online) this.#send('reports', 'time-request', { nonce: time.ask() });
      // What it says of itself may have changed meanwhile, and is no event.
      this.announce();
      this.#askTime();
    });
  }

  #arrived(topic: string, payload: Buffer): void {
    if (payload.length === 0) return; // a retained message was cleared
    if (payload.length > MAX_MESSAGE_BYTES || this.#waitingMessages >= MAX_WAITING_MESSAGES) {
      this.#options.log.warn({ topic, bytes: payload.length }, 'message dropped');
      return;
    }
    this.#waitingMessages += 1;
    this.#messages = this.#messages.then(async () => {
      this.#waitingMessages -= 1;
      if (this.#stopped) return;
      const { topicPrefix } = this.#state.enrolment;
      const text = payload.toString('utf8');
      try {
        if (topic === topicOf(topicPrefix, 'orders')) await this.#takeOrder(text);
        else if (topic === topicOf(topicPrefix, 'acks')) await this.#takeAck(text);
      } catch (error) {
        this.#notTaken(topic, error);
      }
    });
  }

  async #takeOrder(text: string): Promise<void> {
    if (text.length > MAX_ORDER_BYTES) throw new Error(`an order of ${text.length} bytes`);
    const envelope = await this.#verify(text, ['orders']);
    const cancellations = envelope.cancellations ?? [];
    const refused = unknownMusts(envelope, KNOWN_ORDER_FIELDS);
    const parsed = envelope.bodyVersion === 1 && refused.length === 0 ? OrdersBody.safeParse(envelope.body) : undefined;
    const forUs = envelope.epoch === this.#options.journal.epoch;
    if (parsed?.success) {
      this.#heard(parsed.data.issuedAtMs);
      this.reports.noticeReign(parsed.data.reign);
    } else {
      this.#options.log.warn({ refused, bodyVersion: envelope.bodyVersion }, 'order not understood');
    }
    const { upgrade } = envelope;
    const read = parsed?.success ? { body: parsed.data } : upgrade && { upgrade };
    this.#options.order({ cancellations, refused, ...(forUs && read) });
  }

  async #takeAck(text: string): Promise<void> {
    const envelope = await this.#verify(text, ['acks', 'time']);
    if (unknownMusts(envelope, KNOWN_ACK_FIELDS).length > 0 || envelope.bodyVersion !== 1) return;
    if (envelope.epoch !== this.#options.journal.epoch) return; // meant for an earlier start, or for a clone of this gateway
    if (envelope.purpose === 'time') {
      this.#time(TimeBody.parse(envelope.body));
      return;
    }
    const ack = AckBody.parse(envelope.body);
    if (ack.nonce !== undefined) this.#time({ nonce: ack.nonce, serverTimeMs: ack.serverTimeMs });
    else this.#heard(ack.serverTimeMs);
    this.reports.acknowledged(ack);
  }

  async #takeTime(text: string): Promise<void> {
    const envelope = await this.#verify(text, ['time']);
    this.#time(TimeBody.parse(envelope.body));
  }

  #time(body: { nonce: string; serverTimeMs: number }): void {
    this.#heard(body.serverTimeMs);
    const { time } = this.#options;
    const knew = time.upperBoundMs() !== undefined;
    if (!time.answer(body.nonce, body.serverTimeMs) || knew) return;
    this.#askTime();
    this.#options.changed();
  }

  #heard(serverTimeMs: number): void {
    this.#heardMs = Math.max(this.#heardMs, serverTimeMs);
  }

  #notTaken(what: string, error: unknown): void {
    const why = error instanceof SignatureError ? error.why : (error as Error).message;
    this.#options.log.warn({ what, why: String(why).slice(0, 300) }, 'message not taken');
  }

  async #verify(text: string, purpose: readonly Purpose[]): Promise<Envelope> {
    const { server, gateway } = this.#state.enrolment;
    const expect = { purpose, server, gateway: gateway.id };
    const resolve = async (kid: string): Promise<VerifyingKey | undefined> =>
      (await this.#orderKeys()).find((key) => key.kid === kid);
    try {
      return await verifyEnvelope(text, resolve, expect);
    } catch (error) {
      if (!(error instanceof SignatureError) || error.why !== 'unknown-key' || !(await this.#followRoot())) throw error;
      return verifyEnvelope(text, resolve, expect);
    }
  }

  #orderKeys(): Promise<readonly VerifyingKey[]> {
    return (this.#keys ??= Promise.all(this.#state.enrolment.root.orderKeys.map((jwk) => importVerifyingKey(jwk))));
  }

  /** The server may have a new order key: its root says so, in a statement. @returns whether there is one. */
  async #followRoot(): Promise<boolean> {
    const { clock } = this.#options;
    if (clock.monotonicMs() - this.#rootAskedMs < ROOT_PAUSE_MS) return false;
    this.#rootAskedMs = clock.monotonicMs();
    return this.#takeRoot();
  }

  /** Order keys end, too: the root says so, and nobody else would tell. */
  #refreshRoot(): void {
    const { clock } = this.#options;
    if (clock.monotonicMs() - this.#rootRefreshedMs < ROOT_REFRESH_MS) return;
    this.#rootRefreshedMs = clock.monotonicMs();
    this.#takeRoot().catch((error: unknown) => this.#notTaken('root statement', error));
  }

  async #takeRoot(): Promise<boolean> {
    const { log, stateFile } = this.#options;
    const { enrolment } = this.#state;
    const statements = await this.#http.rootStatements(enrolment.root.version).catch(() => []);
    const root = await followRoot(enrolment.root, enrolment.server, statements);
    if (root.version === enrolment.root.version) return false;
    this.#state = { ...this.#state, enrolment: { ...enrolment, root } };
    this.#keys = undefined;
    await stateFile.save(this.#state);
    log.info({ version: root.version }, 'new order keys');
    return true;
  }

  #presence(online: boolean, sequence: number): PresenceBody {
    const { links, held } = this.#options.presence();
    return {
      online,
      connection: this.#connections,
      sequence,
      agentVersion: this.#options.agentVersion,
      wire: [1],
      protocols: [...this.#options.protocols],
      links,
      held,
      ...(this.heardMs !== undefined && { heardMs: this.heardMs }),
      ...(sequence !== WILL_SEQUENCE && this.#options.self?.()),
    };
  }

  #send(leaf: AgentLeaf, purpose: Purpose, body: unknown): void {
    this.#publish(leaf, purpose, body).catch((error: unknown) =>
      this.#options.log.debug({ leaf, detail: (error as Error).message }, 'not sent'),
    );
  }

  async #publish(leaf: AgentLeaf, purpose: Purpose, body: unknown): Promise<void> {
    const payload = await this.#sign(purpose, body);
    const { qos, retain } = TOPIC_RULES[leaf];
    await this.#connection.publish(topicOf(this.#state.enrolment.topicPrefix, leaf), payload, { qos, retain });
  }

  #sign(purpose: Purpose, body: unknown): Promise<string> {
    const { journal, key } = this.#options;
    const { server, gateway } = this.#state.enrolment;
    return signEnvelope(
      { v: 1, purpose, server, gateway: gateway.id, epoch: journal.epoch, bodyVersion: 1, body },
      key,
    );
  }
}

const KNOWN_ACK_FIELDS: ReadonlySet<string> = new Set(Object.keys(AckBody.shape));

/** The gateway's own key as TLS wants it. */
async function privateKeyPem(state: AgentState): Promise<string> {
  const { createPrivateKey } = await import('node:crypto');
  return createPrivateKey({ key: { ...state.key }, format: 'jwk' })
    .export({ format: 'pem', type: 'pkcs8' })
    .toString();
}
