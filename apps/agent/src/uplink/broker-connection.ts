/**
 * The connection to the broker: MQTT 3.1.1, made anew with a fresh login and a fresh last will each time,
 * with a growing pause between tries.
 */
import type { MqttClient } from 'mqtt';
import { DrydockError } from '@drydock/dfu-core';
import { sleep, type Clock } from '../clock.js';
import { RepeatedLine, type Logger } from '../logger.js';

export interface ConnectionPlan {
  readonly url: string;
  readonly clientId: string;
  readonly username?: string;
  readonly password?: string;
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
  readonly will: { readonly topic: string; readonly payload: string };
  readonly subscriptions: readonly string[];
}

export interface BrokerConnectionOptions {
  readonly clock: Clock;
  readonly log: Logger;
  /** Logs in and signs the will; called before each try. */
  plan(): Promise<ConnectionPlan>;
  connected(): void;
  disconnected(): void;
  message(topic: string, payload: Buffer): void;
  /** First pause between tries; doubles up to a minute. */
  readonly retryMs?: number;
}

const MAX_RETRY_MS = 60_000;
const CONNECT_MS = 15_000;
/** A connection that held this long starts the pauses from the beginning. */
const STEADY_MS = 60_000;

export class BrokerConnection {
  readonly #options: BrokerConnectionOptions;
  readonly #stop = new AbortController();
  #client: MqttClient | undefined;
  #loop: Promise<void> | undefined;
  #wake = new AbortController();

  constructor(options: BrokerConnectionOptions) {
    this.#options = options;
  }

  start(): void {
    this.#loop ??= this.#run();
  }

  /** Ends the connection so that the broker publishes no last will. */
  async stop(): Promise<void> {
    this.#stop.abort();
    this.#wake.abort();
    const client = this.#client;
    if (client) await new Promise<void>((resolve) => client.end(false, {}, () => resolve()));
    await this.#loop;
  }

  /** Ends this connection as if the network had; the next try follows. */
  drop(): void {
    this.#client?.stream.destroy();
  }

  /** Resolves when the broker has taken it (QoS 1: PUBACK). Rejects without a connection. */
  publish(topic: string, payload: string, options: { qos: 0 | 1; retain: boolean }): Promise<void> {
    const client = this.#client;
    if (!client?.connected) return Promise.reject(new DrydockError('server.unavailable', { detail: 'no connection' }));
    return new Promise((resolve, reject) => {
      client.publish(topic, payload, options, (error) => (error ? reject(error) : resolve()));
    });
  }

  async #run(): Promise<void> {
    const { clock, log, retryMs = 1000 } = this.#options;
    const lines = new RepeatedLine();
    let pauseMs = retryMs;
    while (!this.#stop.signal.aborted) {
      const began = clock.monotonicMs();
      let floorMs = 0;
      try {
        await this.#once(lines);
      } catch (error) {
        const failure = error as DrydockError & { retryAfterMs?: number };
        floorMs = failure.retryAfterMs ?? 0;
        lines.say(failure.message, (detail, times) => log.warn({ detail, times }, 'not connected'));
      }
      if (clock.monotonicMs() - began > STEADY_MS) pauseMs = retryMs;
      if (this.#stop.signal.aborted) return;
      // Not before the server says; and gateways that lost the same server do not come back in step.
      const pause = Math.max(floorMs * (1 + Math.random() / 5), pauseMs * (0.5 + Math.random() / 2));
      await sleep(clock, pause, this.#wake.signal);
      if (this.#wake.signal.aborted) this.#wake = new AbortController();
      pauseMs = Math.min(pauseMs * 2, MAX_RETRY_MS);
    }
  }

  /** One connection, from login to its end. */
  async #once(lines: RepeatedLine): Promise<void> {
    const [{ connect }, plan] = await Promise.all([import('mqtt'), this.#options.plan()]);
    if (this.#stop.signal.aborted) return;
    const client = connect(plan.url, {
      protocolVersion: 4,
      clientId: plan.clientId,
      clean: true,
      keepalive: 30,
      connectTimeout: CONNECT_MS,
      reconnectPeriod: 0,
      resubscribe: false,
      queueQoSZero: false,
      ...(plan.username !== undefined && { username: plan.username }),
      ...(plan.password !== undefined && { password: plan.password }),
      ...(plan.ca !== undefined && { ca: plan.ca }),
      ...(plan.cert !== undefined && { cert: plan.cert }),
      ...(plan.key !== undefined && { key: plan.key }),
      will: { topic: plan.will.topic, payload: Buffer.from(plan.will.payload), qos: 1, retain: true },
    });
    this.#client = client;
    let up = false;
    let failure: Error | undefined;
    client.on('error', (error) => (failure = error));
    client.on('message', (topic, payload) => this.#options.message(topic, payload));
    try {
      await new Promise<void>((resolve, reject) => {
        client.once('close', () => (up ? resolve() : reject(failure ?? new Error('the broker closed the connection'))));
        client.once('connect', () => {
          // Small messages both ways: waiting to fill a segment would cost about 100 ms each.
          (client.stream as { setNoDelay?: (on: boolean) => unknown }).setNoDelay?.(true);
          client.subscribe([...plan.subscriptions], { qos: 1 }, (error, granted) => {
            const refused = granted?.find(({ qos }) => qos === 128);
            if (error || refused) {
              failure = error ?? new Error(`the broker refused ${refused!.topic}`);
              client.end(true);
              return;
            }
            up = true;
            lines.reset();
            this.#options.log.info({ broker: plan.url }, 'connected');
            this.#options.connected();
          });
        });
      });
      if (!this.#stop.signal.aborted) this.#options.log.info({ detail: failure?.message ?? 'closed' }, 'disconnected');
    } finally {
      this.#client = undefined;
      client.removeAllListeners('message');
      client.end(true);
      if (up) this.#options.disconnected();
    }
  }
}
