/**
 * A gateway that comes back as the agent does: the first try after half a second to a second, each next one after twice
 * as long; a fresh login, presence, a question for the time, and then one batch until the server says `committed`.
 */
import { request, Agent } from 'node:http';
import { LoginResponse, gatewayTopicPrefix } from '@drydock/contracts';
import { BenchMqttClient, text } from '../mqtt-client.js';
import type { BenchFleet } from '../report-fleet.js';
import type { PreparedReturns } from './prepared-returns.js';

const FIRST_PAUSE_MS = 1_000;
const MAX_PAUSE_MS = 60_000;
const ANSWER_MS = 15_000;
const BATCH_AGAIN_MS = 30_000;

/** What the gateways of a run met, together. */
export interface Returns {
  connected: number;
  committed: number;
  /** Tries to connect that failed, and batches that the server sent back until later. */
  failedTries: number;
  /** Logins that the server answered with a later time. */
  sentAway: number;
  postponed: number;
  sentAgain: number;
}

class LaterError extends Error {
  constructor(readonly retryAfterMs: number) {
    super('later');
  }
}

export class ReturningGateway {
  #client: BenchMqttClient | undefined;

  constructor(
    private readonly server: { readonly baseUrl: string; readonly mqttUrl: string },
    private readonly fleet: BenchFleet,
    private readonly at: number,
    private readonly prepared: PreparedReturns,
    private readonly returns: Returns,
  ) {}

  /** Resolves when its reports are committed, however often it has to try; the connection stays. */
  async comeBack(): Promise<void> {
    let floorMs = 0;
    for (let pauseMs = FIRST_PAUSE_MS; ; pauseMs = Math.min(pauseMs * 2, MAX_PAUSE_MS)) {
      await after(Math.max(floorMs * (1 + Math.random() / 5), pauseMs * (0.5 + Math.random() / 2)));
      try {
        return await this.#once();
      } catch (error) {
        floorMs = error instanceof LaterError ? error.retryAfterMs : 0;
        if (error instanceof LaterError) this.returns.sentAway += 1;
        else this.returns.failedTries += 1;
        this.close();
      }
    }
  }

  close(): void {
    this.#client?.close();
    this.#client = undefined;
  }

  async #once(): Promise<void> {
    const { fleet, returns } = this;
    const gateway = fleet.gateways[this.at]!;
    const { login, presence, timeRequest, lastSeq } = this.prepared.words(this.at);
    const token = await this.#login(login);
    const client = await BenchMqttClient.open(this.server.mqttUrl, gateway.id, { user: gateway.id, password: token });
    this.#client = client;
    const prefix = gatewayTopicPrefix(fleet.orgId, gateway.id);
    await client.subscribe(`${prefix}acks`);
    await client.subscribe(`${prefix}orders`);
    returns.connected += 1;
    client.publish(text(`${prefix}presence`), Buffer.from(presence), true);
    client.publish(text(`${prefix}reports`), Buffer.from(timeRequest));
    const batch = await this.prepared.batch(this.at);
    await new Promise<void>((resolve, reject) => {
      let timer: NodeJS.Timeout | undefined;
      let tries = 0;
      const send = (): void => {
        clearTimeout(timer);
        client.publish(text(`${prefix}reports`), batch);
        timer = setTimeout(
          () => {
            returns.sentAgain += 1;
            send();
          },
          BATCH_AGAIN_MS * 2 ** tries * (0.8 + Math.random() * 0.4),
        );
        tries += 1;
      };
      client.onMessage = (payload) => {
        const ack = bodyOf(payload);
        if ((ack.cursor ?? 0) >= lastSeq) {
          clearTimeout(timer);
          client.onMessage = () => undefined;
          returns.committed += 1;
          resolve();
        } else if (ack.retryAfterMs !== undefined) {
          returns.postponed += 1;
          clearTimeout(timer);
          timer = setTimeout(send, ack.retryAfterMs * (1 + Math.random() / 5));
        }
      };
      client.onClose = () => {
        clearTimeout(timer);
        reject(new Error('The broker closed the connection.'));
      };
      send();
    });
  }

  /** Not with `fetch`: ten thousand at once would wait in one pool. */
  #login(envelope: string): Promise<string> {
    return new Promise((resolve, reject) => {
      const body = Buffer.from(JSON.stringify({ envelope }));
      const outgoing = request(
        `${this.server.baseUrl}/agent/v1/login`,
        {
          method: 'POST',
          headers: { 'content-type': 'application/json', 'content-length': body.length },
          timeout: ANSWER_MS,
          agent: ONE_EACH,
        },
        (response) => {
          let answer = '';
          response.setEncoding('utf8').on('data', (part: string) => (answer += part));
          response.on('error', reject);
          response.on('end', () => {
            const parsed = response.statusCode === 200 ? LoginResponse.safeParse(JSON.parse(answer)) : undefined;
            if (parsed?.success) resolve(parsed.data.token);
            else if (response.statusCode === 503)
              reject(new LaterError(Number(response.headers['retry-after'] ?? 0) * 1_000));
            else reject(new Error(`HTTP ${response.statusCode}`));
          });
        },
      );
      outgoing.on('timeout', () => outgoing.destroy(new Error('no answer')));
      outgoing.on('error', reject);
      outgoing.end(body);
    });
  }
}

/** Each gateway is a machine of its own: no connection serves two. */
const ONE_EACH = new Agent({ keepAlive: false });

/** The load shares the machine with the server, so it reads what comes without checking its signature. */
function bodyOf(payload: Buffer): { cursor?: number; retryAfterMs?: number } {
  const [, body] = payload.toString('latin1').split('.');
  const envelope = JSON.parse(Buffer.from(body!, 'base64url').toString('utf8')) as { body?: object };
  return envelope.body ?? {};
}

function after(delayMs: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, delayMs));
}
