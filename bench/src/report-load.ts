/** Connections of the bench's gateways: one batch under way on each, as agents do, timed until the `acks` say committed. */
import { LoginResponse, gatewayTopicPrefix } from '@drydock/contracts';
import { BenchMqttClient, text } from './mqtt-client.js';
import type { BenchFleet } from './report-fleet.js';
import type { ReportStream, SignedBatch } from './report-stream.js';

const ACK_WITHIN_MS = 60_000;

export class LoadGateway {
  private waiting: { cursor: number; done: () => void; again: () => void } | undefined;

  private constructor(
    private readonly client: BenchMqttClient,
    private readonly topic: Buffer,
  ) {
    client.onMessage = (payload) => {
      // The load generator shares the machine with the server, so it reads acks without checking their signature.
      const [, body] = payload.toString('latin1').split('.');
      const envelope = JSON.parse(Buffer.from(body!, 'base64url').toString('utf8')) as {
        body: { cursor?: number; retryAfterMs?: number };
      };
      const { waiting } = this;
      if (!waiting) return;
      if ((envelope.body.cursor ?? 0) < waiting.cursor) {
        // Overloaded: the same batch comes again, as an agent does it.
        if (envelope.body.retryAfterMs !== undefined) setTimeout(waiting.again, envelope.body.retryAfterMs);
        return;
      }
      this.waiting = undefined;
      waiting.done();
    };
  }

  static async connect(
    baseUrl: string,
    mqttUrl: string,
    fleet: BenchFleet,
    stream: ReportStream,
  ): Promise<LoadGateway> {
    const envelope = stream.sign('login', { nonce: '0'.repeat(32) });
    const response = await fetch(`${baseUrl}/agent/v1/login`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ envelope }),
    });
    const login = LoginResponse.parse(await response.json());
    const { id } = stream.gateway;
    const client = await BenchMqttClient.open(mqttUrl, id, { user: id, password: login.token });
    const prefix = gatewayTopicPrefix(fleet.orgId, id);
    await client.subscribe(`${prefix}acks`);
    return new LoadGateway(client, text(`${prefix}reports`));
  }

  /** Resolves when the server says it is committed. */
  send(batch: SignedBatch): Promise<void> {
    return new Promise<void>((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error('A batch was not acknowledged within a minute.')), ACK_WITHIN_MS);
      const publish = () => this.client.publish(this.topic, batch.bytes);
      this.waiting = {
        cursor: batch.lastSeq,
        done: () => {
          clearTimeout(timer);
          resolve();
        },
        again: publish,
      };
      publish();
    });
  }

  close(): void {
    this.client.close();
  }
}

/** Sends everything as fast as acks come. @returns reports per second. */
export async function saturate(gateways: readonly LoadGateway[], batches: readonly SignedBatch[][]): Promise<number> {
  const startedAt = performance.now();
  let reports = 0;
  await Promise.all(
    gateways.map(async (gateway, index) => {
      for (const batch of batches[index]!) {
        await gateway.send(batch);
        reports += batch.reports;
      }
    }),
  );
  return (reports / (performance.now() - startedAt)) * 1000;
}

/**
 * Offers a steady rate, gateways in turn. A batch whose gateway still waits is sent late, and its time counts from when
 * it was due.
 * @returns the 99th percentile of milliseconds from due to committed.
 */
export async function paced(
  gateways: readonly LoadGateway[],
  batches: readonly SignedBatch[][],
  reportsPerSecond: number,
): Promise<number> {
  const rounds = batches[0]!.length;
  const size = batches[0]![0]!.reports;
  const betweenMs = (size / reportsPerSecond) * 1000;
  const startedAt = performance.now() + 100;
  const took: number[] = [];
  await Promise.all(
    gateways.map(async (gateway, index) => {
      for (let round = 0; round < rounds; round += 1) {
        const due = startedAt + (round * gateways.length + index) * betweenMs;
        const wait = due - performance.now();
        if (wait > 0) await new Promise((resolve) => setTimeout(resolve, wait));
        await gateway.send(batches[index]![round]!);
        took.push(performance.now() - due);
      }
    }),
  );
  took.sort((a, b) => a - b);
  return took[Math.floor(took.length * 0.99)] ?? Number.NaN;
}

/** Floor: the same messages through a broker with nothing behind it. @returns messages per second. */
export async function bareBroker(url: string, payloads: readonly Buffer[], clients: number): Promise<number> {
  const connected = await Promise.all(
    Array.from({ length: clients }, (_, index) => BenchMqttClient.open(url, `bare-${index}`)),
  );
  const startedAt = performance.now();
  await Promise.all(
    connected.map(
      (client, index) =>
        new Promise<void>((resolve) => {
          const topic = text(`bare/${index}`);
          let at = index;
          const next = (): void => {
            if (at >= payloads.length) return resolve();
            client.publish(topic, payloads[at]!);
            at += clients;
          };
          client.onPuback = next;
          next();
        }),
    ),
  );
  const perSecond = (payloads.length / (performance.now() - startedAt)) * 1000;
  for (const client of connected) client.close();
  return perSecond;
}
