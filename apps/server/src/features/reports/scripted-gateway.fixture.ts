/** For specs: a gateway that takes orders and reports by script, over the real broker, with real signatures. */
import { randomBytes } from 'node:crypto';
import type { MqttClient } from 'mqtt';
import {
  AckBody,
  Artifact,
  Campaign,
  OrdersBody,
  TimeBody,
  importVerifyingKey,
  topicOf,
  verifyEnvelope,
  type CampaignDraft,
  type Cancellation,
  type Grant,
  type RunningImageFact,
  type VerifyingKey,
} from '@drydock/contracts';
import { makeMcubootImage } from '@drydock/dfu-core';
import type { z } from 'zod';
import type { TestServer } from '../../testing.js';
import { call, freshName, makeSite, query, TestGateway, until } from '../fleet/fleet.fixture.js';

export type RawReport = Record<string, unknown> & { kind: string };

export interface HeldOrder extends OrdersBody {
  readonly cancellations: Cancellation[];
  readonly forEpoch: string | null;
}

export interface ScriptedDevice {
  readonly id: string;
  readonly serial: string;
}

/** A running image as an old firmware states it. */
export const OLD: RunningImageFact = { image: 0, version: '1.0.0', hash: '00'.repeat(32), confirmed: true };

export class ScriptedGateway {
  order: HeldOrder | undefined;
  readonly orders: HeldOrder[] = [];
  readonly acks: AckBody[] = [];
  readonly times: TimeBody[] = [];
  /** Presence shows what is held, as an agent does; off to play a gateway that does not answer. */
  answersOrders = true;
  private seq = 0;
  private serverKey: VerifyingKey | undefined;
  private client: MqttClient | undefined;
  private tail: Promise<void> = Promise.resolve();

  private constructor(
    readonly server: TestServer,
    readonly gateway: TestGateway,
  ) {}

  get id(): string {
    return this.gateway.id;
  }

  /** Enrolled, connected, present. */
  static async start(server: TestServer, site: string): Promise<ScriptedGateway> {
    const scripted = new ScriptedGateway(server, await TestGateway.enrol(server, site));
    scripted.serverKey = await importVerifyingKey(server.platform.keys.orderKey.publicJwk);
    await scripted.connect();
    return scripted;
  }

  async connect(): Promise<void> {
    const client = await this.gateway.connect();
    this.client = client;
    client.on('message', (topic, payload) => {
      this.tail = this.tail.then(() => this.take(topic, payload.toString('utf8')));
    });
    const { topicPrefix } = this.gateway.enrolment;
    await client.subscribeAsync([topicOf(topicPrefix, 'orders'), topicOf(topicPrefix, 'acks')], { qos: 1 });
    await this.present();
  }

  async present(): Promise<void> {
    const held = this.order ? { reign: this.order.reign, revision: this.order.revision } : { reign: 0, revision: 0 };
    await this.gateway.presence({ held });
  }

  /** A new start of the agent: its reports are numbered from 1 again. */
  async restart(): Promise<void> {
    await this.close();
    this.gateway.restart();
    this.seq = 0;
    await this.connect();
  }

  /** Ends the connection without a word. */
  async close(): Promise<void> {
    await this.client?.endAsync(true);
    this.client = undefined;
    await this.tail;
  }

  private async take(topic: string, jws: string): Promise<void> {
    const envelope = await verifyEnvelope(jws, (kid) => (kid === this.serverKey!.kid ? this.serverKey : undefined), {
      purpose: topic.endsWith('orders') ? 'orders' : ['acks', 'time'],
      gateway: this.id,
    });
    if (envelope.purpose === 'acks') this.acks.push(AckBody.parse(envelope.body));
    else if (envelope.purpose === 'time') this.times.push(TimeBody.parse(envelope.body));
    else {
      const body = OrdersBody.parse(envelope.body);
      const order = { ...body, cancellations: envelope.cancellations ?? [], forEpoch: envelope.epoch };
      this.orders.push(order);
      const newer =
        !this.order ||
        body.reign > this.order.reign ||
        (body.reign === this.order.reign && body.revision > this.order.revision);
      if (newer) this.order = order;
      if (!newer || !this.answersOrders) return;
      // Without the connection that it came by there is nobody to tell.
      await this.present().catch((error: unknown) => {
        if (this.client?.connected) throw error;
      });
    }
  }

  /** Devices that the gateway sees, known to the server afterwards. */
  async sees(count: number, model: string, running: RunningImageFact = OLD): Promise<ScriptedDevice[]> {
    const serials = Array.from({ length: count }, () => freshName('sn'));
    for (let at = 0; at < count; at += 200) {
      await this.gateway.inventory(serials.slice(at, at + 200).map((serial) => this.sighting(serial, model, running)));
    }
    const rows = await query<{ id: string; serial: string }>(
      this.server,
      'select id, identity_value as serial from devices where identity_value = any($1)',
      [serials],
    );
    return serials.map((serial) => rows.find((row) => row.serial === serial)!);
  }

  sighting(serial: string, model: string, running: RunningImageFact, readAfterSeq = this.seq) {
    return {
      identity: { kind: 'serial-number' as const, value: serial },
      model,
      links: [{ link: `serial:/dev/${serial}` }],
      protocol: 'smp',
      mode: 'application' as const,
      running: [running],
      readAfterSeq,
    };
  }

  /** The grant of a device, as soon as an order brings it. */
  async grantOf(device: ScriptedDevice): Promise<Grant> {
    await until(() => this.order?.grants.some((grant) => grant.device === device.id) ?? false);
    return this.order!.grants.find((grant) => grant.device === device.id)!;
  }

  number(reports: readonly RawReport[]): RawReport[] {
    return reports.map((report) => ({ atMs: null, ...report, seq: ++this.seq }));
  }

  /** Sends numbered reports as one batch; resolves with the ack of the batch. */
  async send(
    reports: readonly RawReport[],
    options: { of?: string; firstSeq?: number; must?: string[] } = {},
  ): Promise<AckBody> {
    const nonce = randomBytes(16).toString('hex');
    const body = {
      of: options.of ?? this.gateway.epoch,
      firstSeq: options.firstSeq ?? (reports[0] as { seq?: number } | undefined)?.seq ?? 1,
      reports,
      nonce,
    };
    await this.gateway.publish('reports', await this.gateway.sign('reports', body));
    await until(() => this.acks.some((ack) => ack.nonce === nonce));
    return this.acks.find((ack) => ack.nonce === nonce)!;
  }

  /** Numbers and sends. */
  report(...reports: RawReport[]): Promise<AckBody> {
    return this.send(this.number(reports));
  }
}

export const refOf = (grant: Grant) => ({
  deployment: grant.deployment,
  reign: grant.reign,
  attempt: grant.attempt,
});

export const downloading = (grant: Grant): RawReport => ({ kind: 'downloading', ref: refOf(grant) });
export const touched = (grant: Grant, before: RunningImageFact = OLD): RawReport => ({
  kind: 'touched',
  ref: refOf(grant),
  identity: grant.identity,
  before: [before],
});
export const step = (
  grant: Grant,
  kind: 'downloading' | 'erased' | 'complete' | 'activating' | 'proving',
): RawReport => ({
  kind,
  ref: refOf(grant),
});
export const withdrawn = (grant: Grant, why = 'superseded'): RawReport => ({
  kind: 'withdrawn',
  ref: refOf(grant),
  why,
});

export function ended(grant: Grant, outcome: string, fields: Record<string, unknown> = {}): RawReport {
  return {
    kind: 'ended',
    ref: refOf(grant),
    outcome,
    touched: true,
    needsRescue: false,
    sentBytes: 1000,
    durationMs: 2000,
    ...fields,
  };
}

/** What a proof of the artifact looks like. */
export const proven = (grant: Grant, artifact: Artifact): RawReport =>
  ended(grant, 'proven', {
    identity: grant.identity,
    before: [OLD],
    after: [{ image: 0, version: artifact.version, hash: artifact.runningHashes[0], confirmed: true }],
  });

/** Every report of an update that goes well. */
export const goodLife = (grant: Grant, artifact: Artifact): RawReport[] => [
  downloading(grant),
  touched(grant),
  step(grant, 'erased'),
  step(grant, 'complete'),
  step(grant, 'activating'),
  step(grant, 'proving'),
  proven(grant, artifact),
];

let builds = 0;
/** Uploads a real MCUboot image of a version that no other has. */
export async function uploadArtifact(
  server: TestServer,
  model: string,
  requires?: Artifact['requires'],
): Promise<Artifact> {
  const build = ++builds;
  const bytes = makeMcubootImage({
    body: new Uint8Array(500).fill(build),
    version: { major: 2, minor: 0, revision: 0, build },
    key: { kind: 'ed25519', secret: new Uint8Array(32).fill(7) },
  });
  const form = new FormData();
  form.append('model', model);
  if (requires) form.append('requires', JSON.stringify(requires));
  form.append('file', new Blob([Buffer.from(bytes)]), 'app.bin');
  const answer = await call(server, 'POST', '/api/v1/artifacts', { form });
  return answer.json(Artifact);
}

/** A draft that starts everything at once and forgives a lot. */
export function draftOf(
  artifact: Artifact,
  policy: Record<string, unknown> = {},
  selector: CampaignDraft['selector'] = {},
): Record<string, unknown> {
  return {
    name: freshName('camp'),
    artifactId: artifact.id,
    selector,
    policy: { stages: [{ name: 'all', percent: 100, gate: { maxFailureShare: 1 } }], ...policy },
  };
}

export async function makeCampaign(server: TestServer, draft: Record<string, unknown>): Promise<Campaign> {
  const answer = await call(server, 'POST', '/api/v1/campaigns', { body: draft });
  if (answer.status !== 201) throw new Error(answer.text);
  return answer.json(Campaign);
}

export async function startCampaign(server: TestServer, draft: Record<string, unknown>): Promise<Campaign> {
  const campaign = await makeCampaign(server, draft);
  const answer = await call(server, 'POST', `/api/v1/campaigns/${campaign.id}/start`, { body: {} });
  if (answer.status !== 200) throw new Error(answer.text);
  return answer.json(Campaign);
}

export async function readCampaign(server: TestServer, id: string): Promise<Campaign> {
  return (await call(server, 'GET', `/api/v1/campaigns/${id}`)).json(Campaign);
}

export async function act<T extends z.ZodType>(
  server: TestServer,
  id: string,
  action: string,
  schema: T,
  body: Record<string, unknown> = { reason: 'because' },
): Promise<z.output<T>> {
  const answer = await call(server, 'POST', `/api/v1/campaigns/${id}/${action}`, { body });
  if (answer.status !== 200) throw new Error(answer.text);
  return answer.json(schema);
}

/** One gateway with devices of a model of their own, and an artifact for them. */
export async function makeScene(
  server: TestServer,
  devices: number,
): Promise<{ site: string; model: string; gateway: ScriptedGateway; devices: ScriptedDevice[]; artifact: Artifact }> {
  const site = await makeSite(server);
  const model = freshName('model');
  const gateway = await ScriptedGateway.start(server, site);
  const seen = await gateway.sees(devices, model);
  return { site, model, gateway, devices: seen, artifact: await uploadArtifact(server, model) };
}
