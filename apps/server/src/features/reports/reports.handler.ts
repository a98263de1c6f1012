/** `reports` from gateways: verified, committed, acknowledged. Time requests are answered. */
import { Inject, Injectable, Logger, type OnModuleInit } from '@nestjs/common';
import { DataSource } from 'typeorm';
import {
  SignatureError,
  TimeRequestBody,
  unknownMusts,
  type AckBody,
  type Envelope,
  type Purpose,
  type TimeBody,
} from '@drydock/contracts';
import { SERVER_KEYS, type ServerKeys } from '../../adapters/keys/server-keys.port.js';
import { BROKER, type Broker, type InboundMessage } from '../../adapters/mqtt/broker.port.js';
import { queryRows } from '../../adapters/database/rows.js';
import { AUDIT, type Audit } from '../audit/audit.port.js';
import { FleetEvents } from '../fleet/fleet-events.js';
import { GatewayKeys } from '../fleet/gateway-keys.js';
import { CampaignDirt } from './campaign-dirt.js';
import { readBatch } from './batch-reader.js';
import { signEnvelopeFast, verifyEnvelopeFast } from './envelope-verifier.js';
import { OverloadedError, ReportQueue } from './report-queue.js';
import { ReportMetrics } from './report-metrics.js';
import { RestoreNotice } from '../dispatch/restore-notice.js';
import { StampClock } from './stamp-clock.js';

/** A gateway that sends rubbish makes one audit entry a minute, not one a message. */
const AUDIT_EVERY_MS = 60_000;
const MAX_AUDITED_REMEMBERED = 10_000;
const PURPOSES: readonly Purpose[] = ['reports', 'time-request'];

@Injectable()
export class ReportsHandler implements OnModuleInit {
  private readonly log = new Logger('Reports');
  private readonly auditedAt = new Map<string, number>();
  private reign: { value: number; untilMs: number } | undefined;

  constructor(
    private readonly source: DataSource,
    private readonly gatewayKeys: GatewayKeys,
    private readonly queue: ReportQueue,
    private readonly clock: StampClock,
    private readonly dirt: CampaignDirt,
    private readonly metrics: ReportMetrics,
    private readonly restore: RestoreNotice,
    private readonly fleet: FleetEvents,
    @Inject(SERVER_KEYS) private readonly keys: ServerKeys,
    @Inject(BROKER) private readonly broker: Broker,
    @Inject(AUDIT) private readonly audit: Audit,
  ) {}

  onModuleInit(): void {
    this.broker.onInbound('reports', (message) => this.handle(message));
    this.queue.onCommitted((result) => {
      this.metrics.committed(result.taken, result.refused);
      this.dirt.mark(result.campaigns);
      for (const gateway of result.contradicted)
        this.fleet.emit('gatewayChanged', { ...gateway, state: 'quarantined' });
      for (const [gatewayId, reign] of result.ahead) this.restore.noticed({ gatewayId, reign, by: 'report' });
    });
  }

  /** Resolves when what the message says is committed, or it was refused; never rejects for content. */
  async handle(message: InboundMessage): Promise<void> {
    const receivedAt = performance.now();
    let envelope: Envelope;
    try {
      envelope = await verifyEnvelopeFast(
        message.payload.toString('utf8'),
        this.gatewayKeys.resolver(message.gatewayId),
        { purposes: PURPOSES, server: this.keys.serverId, gateway: message.gatewayId },
      );
    } catch (error) {
      if (!(error instanceof SignatureError)) throw error;
      return this.refuse(message, error.why, error.message);
    }
    if (envelope.purpose === 'time-request') return this.answerTime(message, envelope);
    const batch = readBatch(envelope);
    if (!batch) return this.refuse(message, 'unreadable', 'it is not clear which reports it carries');
    const origin = {
      orgId: message.orgId,
      gatewayId: message.gatewayId,
      epoch: envelope.epoch,
      of: batch.of,
    };
    try {
      const committed = await this.queue.push({ origin, batch });
      this.metrics.lag((performance.now() - receivedAt) / 1000);
      this.acknowledge(message, envelope.epoch, {
        of: batch.of as AckBody['of'],
        cursor: committed.cursor,
        reign: committed.reign,
        ...(committed.unapplied.length > 0 && { unapplied: [...committed.unapplied] }),
        ...(batch.nonce !== undefined && { nonce: batch.nonce }),
      });
    } catch (error) {
      if (!(error instanceof OverloadedError)) throw error;
      this.metrics.overloaded();
      await this.sayOverloaded(message, envelope.epoch, batch.of, error.retryAfterMs);
    }
  }

  /** The cursor as it is, and when to come back: nothing of the batch was taken. */
  private async sayOverloaded(
    message: InboundMessage,
    epoch: string | null,
    of: string,
    retryAfterMs: number,
  ): Promise<void> {
    const [row] = await queryRows<{ cursor: string }>(
      this.source.manager,
      'select cursor from report_cursors where gateway_id = $1 and epoch = $2',
      [message.gatewayId, of],
    );
    const reign = await this.currentReign();
    this.acknowledge(message, epoch, {
      of: of as AckBody['of'],
      cursor: Number(row?.cursor ?? 0),
      reign,
      retryAfterMs,
    });
  }

  private acknowledge(message: InboundMessage, epoch: string | null, body: Omit<AckBody, 'serverTimeMs'>): void {
    const serverTimeMs = this.clock.upperBoundMs();
    // Without a time the ack cannot be made; the batch comes again and is then a duplicate.
    if (serverTimeMs === undefined) return;
    this.send(message, epoch, 'acks', { ...body, serverTimeMs } satisfies AckBody);
  }

  private async answerTime(message: InboundMessage, envelope: Envelope): Promise<void> {
    const parsed = TimeRequestBody.safeParse(envelope.body);
    const unknown = unknownMusts(envelope, new Set(Object.keys(TimeRequestBody.shape)));
    if (!parsed.success || unknown.length > 0) return this.refuse(message, 'malformed', 'no time request');
    const reign = await this.currentReign();
    const serverTimeMs = this.clock.upperBoundMs();
    if (serverTimeMs === undefined) return;
    this.send(message, envelope.epoch, 'time', { nonce: parsed.data.nonce, serverTimeMs, reign } satisfies TimeBody);
  }

  private send(message: InboundMessage, epoch: string | null, purpose: Purpose, body: unknown): void {
    const { orgId, gatewayId } = message;
    const jws = signEnvelopeFast(
      { v: 1, purpose, server: this.keys.serverId, gateway: gatewayId, epoch, must: [], bodyVersion: 1, body },
      this.keys.orderKey,
    );
    this.broker.publish({ orgId, gatewayId, leaf: 'acks' }, jws).catch((error: unknown) => {
      // The batch comes again and is then a duplicate, acknowledged again.
      this.log.warn(`an answer for ${gatewayId} was not taken by the broker: ${String(error)}`);
    });
  }

  private async currentReign(): Promise<number> {
    if (this.reign && this.reign.untilMs > performance.now()) return this.reign.value;
    const [row] = await queryRows<{ reign: string }>(this.source.manager, 'select reign from installation');
    this.reign = { value: Number(row?.reign ?? 0), untilMs: performance.now() + 1_000 };
    return this.reign.value;
  }

  /** PUBACK yes, ack no; counted, and audited once a minute for each gateway. */
  private async refuse(message: InboundMessage, why: string, detail: string): Promise<void> {
    this.metrics.badMessage(why);
    const last = this.auditedAt.get(message.gatewayId);
    if (last !== undefined && performance.now() - last < AUDIT_EVERY_MS) return;
    this.auditedAt.delete(message.gatewayId);
    this.auditedAt.set(message.gatewayId, performance.now());
    if (this.auditedAt.size > MAX_AUDITED_REMEMBERED) this.auditedAt.delete(this.auditedAt.keys().next().value!);
    await this.audit.record(this.source.manager, {
      orgId: message.orgId,
      actor: { kind: 'gateway', id: message.gatewayId, name: message.gatewayId },
      action: why === 'unreadable' || why === 'malformed' ? 'reports.refused' : 'reports.bad-signature',
      target: { kind: 'gateway', id: message.gatewayId },
      params: { why, detail: detail.slice(0, 300), bytes: message.payload.length },
    });
  }
}
