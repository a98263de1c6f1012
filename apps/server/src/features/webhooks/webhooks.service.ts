/** Webhooks as people set them up, and the log of what was sent. */
import { Inject, Injectable } from '@nestjs/common';
import type {
  PageQuery,
  Webhook,
  WebhookBody,
  WebhookCreate,
  WebhookDelivery,
  WebhookDeliveryDetail,
  WebhookDeliveryQuery,
  WebhookPatch,
  WebhookWithSecret,
} from '@drydock/contracts';
import { DataSource, type EntityManager } from 'typeorm';
import { z } from 'zod';
import { queryRows, type Queryable } from '../../adapters/database/rows.js';
import { inTransaction } from '../../adapters/database/transaction.js';
import { WebhookSender } from '../../adapters/webhook-sender/webhook-sender.js';
import { decodeCursor, toPage } from '../../http/cursor.js';
import { ProblemError } from '../../http/problem-error.js';
import { expectRevision } from '../../http/revision.js';
import type { Actor } from '../access/actor.js';
import { AUDIT, type Audit } from '../audit/audit.port.js';
import { withBefore } from '../audit/with-before.js';
import {
  attemptView,
  deliveryView,
  makeWebhookSecret,
  webhookView,
  type AttemptRow,
  type DeliveryRow,
  type EndpointRow,
} from './webhook-rows.js';
import { WebhookDispatcher } from './webhook-dispatcher.js';

/** More would be a mistake: each event is sent to each. */
const MAX_ENDPOINTS = 50;
/** For so long both secrets sign. */
const SECRET_OVERLAP = "interval '1 day'";

@Injectable()
export class WebhooksService {
  constructor(
    private readonly source: DataSource,
    private readonly sender: WebhookSender,
    private readonly dispatcher: WebhookDispatcher,
    @Inject(AUDIT) private readonly audit: Audit,
  ) {}

  async list(actor: Actor, query: PageQuery): Promise<{ items: Webhook[]; next?: string }> {
    const [name] = query.after ? decodeCursor(query.after, z.tuple([z.string()])) : [null];
    const rows = await queryRows<EndpointRow>(
      this.source.manager,
      'select * from webhook_endpoints where org_id = $1 and ($2::text is null or name > $2) order by name limit $3',
      [actor.orgId, name, query.limit + 1],
    );
    return toPage(rows, query.limit, (row) => [row.name], webhookView);
  }

  async get(actor: Actor, id: string): Promise<Webhook> {
    return webhookView(await this.row(this.source.manager, actor.orgId, id));
  }

  async create(actor: Actor, body: WebhookCreate): Promise<WebhookWithSecret> {
    this.checkUrl(body.url);
    return inTransaction(this.source, async (tx) => {
      await tx.query('select 1 from orgs where id = $1 for no key update', [actor.orgId]);
      const [count] = await queryRows<{ n: number }>(
        tx,
        'select count(*)::int as n from webhook_endpoints where org_id = $1',
        [actor.orgId],
      );
      if (count!.n >= MAX_ENDPOINTS) {
        throw new ProblemError('request.conflict', {
          detail: `there are ${MAX_ENDPOINTS} webhooks, which is the most`,
        });
      }
      const [row] = await queryRows<EndpointRow>(
        tx,
        `insert into webhook_endpoints (org_id, name, url, kinds, secret, created_by) values ($1, $2, $3, $4, $5, $6)
         on conflict (org_id, name) do nothing returning *`,
        [actor.orgId, body.name, body.url, body.kinds, makeWebhookSecret(), actor.personId],
      );
      if (!row) throw nameTaken(body.name);
      await this.record(tx, actor, 'webhook.created', row.id, { name: row.name, url: row.url, kinds: row.kinds });
      return { ...webhookView(row), secret: row.secret };
    });
  }

  async patch(actor: Actor, id: string, expected: number | undefined, body: WebhookPatch): Promise<Webhook> {
    if (body.url !== undefined) this.checkUrl(body.url);
    return inTransaction(this.source, async (tx) => {
      const before = await this.row(tx, actor.orgId, id, 'for update');
      expectRevision(before.revision, expected);
      const taken = await queryRows(
        tx,
        'select 1 from webhook_endpoints where org_id = $1 and name = $2 and id <> $3',
        [actor.orgId, body.name ?? before.name, id],
      );
      if (taken.length > 0) throw nameTaken(body.name ?? before.name);
      const enabled = body.enabled ?? before.enabled;
      const [row] = await queryRows<EndpointRow>(
        tx,
        `update webhook_endpoints set name = $2, url = $3, kinds = $4, enabled = $5, revision = revision + 1,
           disabled_reason = case when $5 then null when enabled then $6 else disabled_reason end,
           disabled_at = case when $5 then null else coalesce(disabled_at, clock_timestamp()) end,
           failing_since = case when $5 and not enabled then null else failing_since end,
           failures = case when $5 and not enabled then 0 else failures end
         where id = $1 returning *`,
        [
          id,
          body.name ?? before.name,
          body.url ?? before.url,
          body.kinds ?? before.kinds,
          enabled,
          `disabled by ${actor.name}`,
        ],
      );
      if (!enabled) await this.dispatcher.giveUpWaiting(tx, id);
      const was = { name: before.name, url: before.url, kinds: before.kinds, enabled: before.enabled };
      await this.record(tx, actor, 'webhook.changed', id, withBefore(body, was));
      return webhookView(row!);
    });
  }

  async remove(actor: Actor, id: string, expected: number | undefined): Promise<void> {
    await inTransaction(this.source, async (tx) => {
      const row = await this.row(tx, actor.orgId, id, 'for update');
      expectRevision(row.revision, expected);
      await tx.query('delete from webhook_endpoints where id = $1', [id]);
      await this.record(tx, actor, 'webhook.deleted', id, { name: row.name, url: row.url });
    });
  }

  /** The secret before this one goes on signing for a day, so that a receiver can be changed without a gap. */
  async newSecret(actor: Actor, id: string, expected: number | undefined): Promise<WebhookWithSecret> {
    return inTransaction(this.source, async (tx) => {
      const before = await this.row(tx, actor.orgId, id, 'for update');
      expectRevision(before.revision, expected);
      const [row] = await queryRows<EndpointRow>(
        tx,
        `update webhook_endpoints set previous_secret = secret, secret = $2, revision = revision + 1,
           previous_secret_until = clock_timestamp() + ${SECRET_OVERLAP} where id = $1 returning *`,
        [id, makeWebhookSecret()],
      );
      await this.record(tx, actor, 'webhook.secret-changed', id, { name: row!.name });
      return { ...webhookView(row!), secret: row!.secret };
    });
  }

  /** Sends one test message, now and once; a disabled webhook can be tested too. */
  async ping(actor: Actor, id: string): Promise<WebhookDeliveryDetail> {
    const delivery = await inTransaction(this.source, async (tx) => {
      const endpoint = await this.row(tx, actor.orgId, id);
      const body: WebhookBody = {
        type: 'webhook.ping',
        timestamp: new Date().toISOString(),
        org: actor.orgId,
        subject: { kind: 'webhook', id: endpoint.id },
        data: { sentBy: actor.name },
      };
      await this.record(tx, actor, 'webhook.pinged', id, {});
      return this.addOnce(tx, actor.orgId, id, { eventId: null, kind: 'webhook.ping', body: JSON.stringify(body) });
    });
    await this.dispatcher.deliver(delivery);
    return this.delivery(actor, id, delivery);
  }

  /** The same body under the same `webhook-id` once more; the first delivery stays in the log as it is. */
  async redeliver(actor: Actor, id: string, deliveryId: string): Promise<WebhookDelivery> {
    const again = await inTransaction(this.source, async (tx) => {
      await this.row(tx, actor.orgId, id);
      const before = await this.deliveryRow(tx, id, deliveryId);
      if (before.state === 'waiting') {
        throw new ProblemError('request.conflict', { detail: 'the delivery is still tried by itself' });
      }
      await this.record(tx, actor, 'webhook.redelivered', id, { delivery: deliveryId, kind: before.kind });
      return this.addOnce(tx, actor.orgId, id, { eventId: before.event_id, kind: before.kind, body: before.body });
    });
    this.dispatcher.poll();
    return deliveryView(await this.deliveryRow(this.source.manager, id, again));
  }

  async deliveries(
    actor: Actor,
    id: string,
    query: WebhookDeliveryQuery,
  ): Promise<{ items: WebhookDelivery[]; next?: string }> {
    await this.row(this.source.manager, actor.orgId, id);
    const [at, after] = query.after ? decodeCursor(query.after, z.tuple([z.iso.datetime(), z.uuid()])) : [null, null];
    const rows = await queryRows<DeliveryRow>(
      this.source.manager,
      `select * from webhook_deliveries where endpoint_id = $1 and ($2::text is null or state = $2)
         and ($3::timestamptz is null or (date_trunc('milliseconds', created_at), id) < ($3::timestamptz, $4::uuid))
       order by date_trunc('milliseconds', created_at) desc, id desc limit $5`,
      [id, query.state ?? null, at, after, query.limit + 1],
    );
    return toPage(rows, query.limit, (row) => [row.created_at.toISOString(), row.id], deliveryView);
  }

  async delivery(actor: Actor, id: string, deliveryId: string): Promise<WebhookDeliveryDetail> {
    await this.row(this.source.manager, actor.orgId, id);
    const row = await this.deliveryRow(this.source.manager, id, deliveryId);
    const log = await queryRows<AttemptRow>(
      this.source.manager,
      'select * from webhook_attempts where delivery_id = $1 order by attempt',
      [deliveryId],
    );
    return { ...deliveryView(row), body: row.body, log: log.map(attemptView) };
  }

  private async addOnce(
    tx: EntityManager,
    orgId: string,
    endpointId: string,
    message: { eventId: string | null; kind: string; body: string },
  ): Promise<string> {
    const [row] = await queryRows<{ id: string }>(
      tx,
      `insert into webhook_deliveries (org_id, endpoint_id, event_id, kind, body, once)
       values ($1, $2, coalesce($3::uuid, gen_random_uuid()), $4, $5, true) returning id`,
      [orgId, endpointId, message.eventId, message.kind, message.body],
    );
    return row!.id;
  }

  private checkUrl(url: string): void {
    const fault = this.sender.faultOf(url);
    if (fault === undefined) return;
    throw new ProblemError('request.invalid', { detail: `url: ${fault}` }, [{ path: 'body.url', message: fault }]);
  }

  private async row(tx: Queryable, orgId: string, id: string, lock = ''): Promise<EndpointRow> {
    const [row] = await queryRows<EndpointRow>(
      tx,
      `select * from webhook_endpoints where org_id = $1 and id = $2 ${lock}`,
      [orgId, id],
    );
    if (!row) throw new ProblemError('request.not-found', { what: 'webhook', id });
    return row;
  }

  private async deliveryRow(tx: Queryable, endpointId: string, id: string): Promise<DeliveryRow> {
    const [row] = await queryRows<DeliveryRow>(
      tx,
      'select * from webhook_deliveries where endpoint_id = $1 and id = $2',
      [endpointId, id],
    );
    if (!row) throw new ProblemError('request.not-found', { what: 'delivery', id });
    return row;
  }

  private record(
    tx: EntityManager,
    actor: Actor,
    action: string,
    id: string,
    params: Record<string, unknown>,
  ): Promise<void> {
    return this.audit.record(tx, { orgId: actor.orgId, actor, action, target: { kind: 'webhook', id }, params });
  }
}

function nameTaken(name: string): ProblemError {
  return new ProblemError('request.conflict', { detail: `there is a webhook ${name} already` });
}
