/** Checks a signed message of a gateway before anything of it is believed; refusals are counted and audited. */
import { Inject, Injectable } from '@nestjs/common';
import { SignatureError, unknownMusts, verifyEnvelope, type Envelope, type Purpose } from '@drydock/contracts';
import { DataSource } from 'typeorm';
import type { z } from 'zod';
import { SERVER_KEYS, type ServerKeys } from '../../adapters/keys/server-keys.port.js';
import type { InboundMessage } from '../../adapters/mqtt/broker.port.js';
import { AUDIT, type Audit } from '../audit/audit.port.js';
import { GatewayKeys } from './gateway-keys.js';

/** A gateway that sends rubbish makes one audit entry a minute and topic, not one a message. */
const AUDIT_EVERY_MS = 60_000;
const MAX_REMEMBERED = 10_000;

export interface CheckedMessage<Body> {
  readonly epoch: string;
  readonly body: Body;
  readonly envelope: Envelope;
}

@Injectable()
export class MessageCheck {
  private readonly auditedAt = new Map<string, number>();
  private readonly refusals = new Map<string, number>();

  constructor(
    private readonly source: DataSource,
    private readonly gatewayKeys: GatewayKeys,
    @Inject(SERVER_KEYS) private readonly serverKeys: ServerKeys,
    @Inject(AUDIT) private readonly audit: Audit,
  ) {}

  /** Messages refused since the start, by reason: for metrics. */
  counts(): ReadonlyMap<string, number> {
    return this.refusals;
  }

  /** @returns undefined when the message was refused. */
  async open<Schema extends z.ZodObject>(
    message: InboundMessage,
    purpose: Purpose,
    schema: Schema,
  ): Promise<CheckedMessage<z.output<Schema>> | undefined> {
    try {
      const envelope = await verifyEnvelope(
        message.payload.toString('utf8'),
        this.gatewayKeys.resolver(message.gatewayId),
        { purpose, server: this.serverKeys.serverId, gateway: message.gatewayId },
      );
      const unknown = unknownMusts(envelope, new Set(Object.keys(schema.shape)));
      const parsed = schema.safeParse(envelope.body);
      if (unknown.length > 0) return await this.refuse(message, 'unknown-must', unknown.join(', '));
      if (!parsed.success) return await this.refuse(message, 'malformed', parsed.error.issues[0]?.message ?? '');
      if (envelope.epoch === null) return await this.refuse(message, 'malformed', 'no epoch');
      return { epoch: envelope.epoch, body: parsed.data, envelope };
    } catch (error) {
      if (error instanceof SignatureError) return this.refuse(message, error.why, error.message);
      throw error;
    }
  }

  private async refuse(message: InboundMessage, why: string, detail: string): Promise<undefined> {
    const count = `${message.leaf}:${why}`;
    this.refusals.set(count, (this.refusals.get(count) ?? 0) + 1);
    const place = `${message.gatewayId}:${message.leaf}`;
    const last = this.auditedAt.get(place);
    if (last !== undefined && performance.now() - last < AUDIT_EVERY_MS) return undefined;
    this.auditedAt.delete(place);
    this.auditedAt.set(place, performance.now());
    if (this.auditedAt.size > MAX_REMEMBERED) this.auditedAt.delete(this.auditedAt.keys().next().value!);
    await this.audit.record(this.source.manager, {
      orgId: message.orgId,
      actor: { kind: 'gateway', id: message.gatewayId, name: message.gatewayId },
      action: `${message.leaf}.refused`,
      target: { kind: 'gateway', id: message.gatewayId },
      params: { why, detail: detail.slice(0, 300), bytes: message.payload.length },
    });
    return undefined;
  }
}
