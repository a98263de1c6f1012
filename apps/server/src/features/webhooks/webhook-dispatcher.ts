/**
 * Brings events to endpoints: makes a delivery for each endpoint that wants an event, and tries what is due. The rows
 * are the truth; the queue only carries ids, and what it loses is found again at the next look. Runs on every server
 * side by side: a delivery is leased before it is sent.
 */
import {
  Inject,
  Injectable,
  Logger,
  type OnApplicationBootstrap,
  type OnModuleDestroy,
  type OnModuleInit,
} from '@nestjs/common';
import { DataSource, type EntityManager } from 'typeorm';
import { queryRows, type Queryable } from '../../adapters/database/rows.js';
import { databaseNowMs, inTransaction } from '../../adapters/database/transaction.js';
import { QUEUES, type Queues } from '../../adapters/queue/queues.js';
import { WebhookSender, type SendResult } from '../../adapters/webhook-sender/webhook-sender.js';
import { isGivenUp, nextTryMs } from '../../domain/webhook/retry-plan.js';
import { SETTINGS, type Settings } from '../../settings/settings.js';
import { AUDIT, type Audit } from '../audit/audit.port.js';

const QUEUE = 'webhook-delivery';
const POLL_MS = 500;
const EVENTS_PER_LOOK = 200;
/** Deliveries under way at once: on a server, and to one endpoint, so that a slow one does not hold up the others. */
const CONCURRENCY = 16;
const PER_ENDPOINT = 4;
/** Longer than any attempt takes. A server that is killed in the middle leaves the delivery to the next try after it. */
const LEASE = "interval '60 seconds'";

interface Leased {
  readonly id: string;
  readonly org_id: string;
  readonly endpoint_id: string;
  readonly event_id: string;
  readonly body: string;
  readonly attempts: number;
  readonly once: boolean;
  readonly url: string;
  readonly secret: string;
  readonly previous_secret: string | null;
}

@Injectable()
export class WebhookDispatcher implements OnModuleInit, OnApplicationBootstrap, OnModuleDestroy {
  private readonly log = new Logger('WebhookDispatcher');
  private timer: NodeJS.Timeout | undefined;
  private polling: Promise<void> | undefined;
  private readonly direct = new Set<Promise<void>>();
  private stopped = false;

  constructor(
    private readonly source: DataSource,
    private readonly sender: WebhookSender,
    @Inject(QUEUES) private readonly queues: Queues,
    @Inject(SETTINGS) private readonly settings: Settings,
    @Inject(AUDIT) private readonly audit: Audit,
  ) {}

  onModuleInit(): void {
    this.queues.define({ name: QUEUE, concurrency: CONCURRENCY, attempts: 1 }, async (job) => {
      if (!this.stopped) await this.deliver(String(job.ids['deliveryId']));
    });
  }

  onApplicationBootstrap(): void {
    this.timer = setInterval(() => this.poll(), POLL_MS);
  }

  async onModuleDestroy(): Promise<void> {
    this.stopped = true;
    clearInterval(this.timer);
    await this.polling;
    await Promise.all(this.direct);
  }

  /** Looks for events and deliveries that are due. */
  poll(): void {
    if (this.stopped || this.polling) return;
    this.polling = this.look()
      .catch((error: unknown) => {
        if (!this.stopped) this.log.error(`webhooks that are due could not be looked up: ${String(error)}`);
      })
      .finally(() => {
        this.polling = undefined;
      });
  }

  private async look(): Promise<void> {
    while (!this.stopped && (await this.fanOut()) === EVENTS_PER_LOOK);
    const due = await queryRows<{ id: string; attempts: number }>(
      this.source.manager,
      `select d.id, d.attempts from webhook_endpoints e
       join lateral (select count(*)::int as busy from webhook_deliveries b
         where b.endpoint_id = e.id and b.state = 'waiting' and b.leased_until > clock_timestamp()) under_way on true
       join lateral (select id, attempts, next_at from webhook_deliveries w
         where w.endpoint_id = e.id and w.state = 'waiting' and w.next_at <= clock_timestamp()
           and (w.leased_until is null or w.leased_until <= clock_timestamp()) and (e.enabled or w.once)
         order by w.next_at limit greatest(0, ${PER_ENDPOINT} - under_way.busy)) d on true
       order by d.next_at limit 200`,
    );
    for (const { id, attempts } of due) {
      if (this.stopped) return;
      try {
        await this.queues.add(QUEUE, { deliveryId: id }, { jobId: `${id}-${attempts}` });
      } catch {
        // The queue is away. The delivery is not: it is sent without one.
        if (this.direct.size >= CONCURRENCY) return;
        const sent = this.deliver(id)
          .catch((error: unknown) => this.log.error(`a webhook could not be sent: ${String(error)}`))
          .finally(() => this.direct.delete(sent));
        this.direct.add(sent);
      }
    }
  }

  /** @returns how many events were taken. */
  private async fanOut(): Promise<number> {
    return inTransaction(this.source, async (tx) => {
      const [row] = await queryRows<{ n: number }>(
        tx,
        `with taken as (
           select id from events where fanned_out_at is null and (batch_until is null or batch_until <= clock_timestamp())
           order by seq limit ${EVENTS_PER_LOOK} for update skip locked),
         marked as (
           update events e set fanned_out_at = clock_timestamp() from taken where e.id = taken.id returning e.*),
         made as (
           insert into webhook_deliveries (org_id, endpoint_id, event_id, kind, body)
           select m.org_id, w.id, m.id, m.kind, jsonb_build_object('type', m.kind,
             'timestamp', to_char(m.at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'), 'org', m.org_id,
             'subject', jsonb_build_object('kind', m.subject_kind, 'id', m.subject_id), 'data', m.payload)::text
           from marked m join webhook_endpoints w on w.org_id = m.org_id and w.enabled
             and w.created_at <= greatest(m.at, m.batch_until)
             and (w.kinds = '{}' or m.kind = any(w.kinds))
           on conflict (endpoint_id, event_id) where not once do nothing)
         select count(*)::int as n from marked`,
      );
      return row!.n;
    });
  }

  /** Tries one delivery now, unless somebody else does or it is over. Safe to call twice. */
  async deliver(deliveryId: string): Promise<void> {
    const leased = await this.lease(deliveryId);
    if (!leased) return;
    const nowMs = await databaseNowMs(this.source.manager);
    const result = await this.sender.send({
      url: leased.url,
      id: leased.event_id,
      body: leased.body,
      secrets: leased.previous_secret === null ? [leased.secret] : [leased.secret, leased.previous_secret],
      sentAt: new Date(nowMs),
    });
    await inTransaction(this.source, (tx) => this.settle(tx, leased, result));
  }

  private async lease(deliveryId: string): Promise<Leased | undefined> {
    const [row] = await queryRows<Leased>(
      this.source.manager,
      `update webhook_deliveries d set attempts = d.attempts + 1, leased_until = clock_timestamp() + ${LEASE}
       from webhook_endpoints e where d.id = $1 and e.id = d.endpoint_id and d.state = 'waiting'
         and d.next_at <= clock_timestamp() and (d.leased_until is null or d.leased_until <= clock_timestamp())
         and (e.enabled or d.once)
       returning d.id, d.org_id, d.endpoint_id, d.event_id, d.body, d.attempts, d.once, e.url, e.secret,
         case when e.previous_secret_until > clock_timestamp() then e.previous_secret end as previous_secret`,
      [deliveryId],
    );
    return row;
  }

  private async settle(tx: EntityManager, leased: Leased, result: SendResult): Promise<void> {
    // The endpoint first, always: removing one takes the locks in the same order.
    const [endpoint] = await queryRows<{
      failures: number;
      failing_ms: number | null;
      enabled: boolean;
      now_ms: number;
    }>(
      tx,
      `select failures, enabled, (extract(epoch from failing_since) * 1000)::float8 as failing_ms,
         (extract(epoch from clock_timestamp()) * 1000)::float8 as now_ms
       from webhook_endpoints where id = $1 for update`,
      [leased.endpoint_id],
    );
    if (!endpoint) return;
    await queryRows(
      tx,
      `insert into webhook_attempts (delivery_id, attempt, outcome, response_code, duration_ms, detail, response_body)
       values ($1, $2, $3, $4, $5, $6, $7) on conflict do nothing`,
      [
        leased.id,
        leased.attempts,
        result.outcome,
        result.responseCode,
        result.durationMs,
        result.detail,
        result.responseBody,
      ],
    );
    if (result.outcome === 'delivered') {
      await this.end(tx, leased.id, 'delivered');
      await queryRows(
        tx,
        `update webhook_endpoints set failing_since = null, failures = 0, last_success_at = clock_timestamp() where id = $1`,
        [leased.endpoint_id],
      );
      return;
    }
    const waitMs = leased.once ? undefined : nextTryMs(leased.attempts, Math.random(), result.retryAfterMs);
    if (waitMs === undefined) await this.end(tx, leased.id, 'failed');
    else {
      await queryRows(
        tx,
        `update webhook_deliveries set leased_until = null,
           next_at = clock_timestamp() + $2::float8 * interval '1 millisecond' where id = $1 and state = 'waiting'`,
        [leased.id, waitMs],
      );
    }
    // What a person tries by hand says nothing about the endpoint's days.
    if (leased.once) return;
    const failures = endpoint.failures + 1;
    await queryRows(
      tx,
      'update webhook_endpoints set failures = $2, failing_since = coalesce(failing_since, clock_timestamp()) where id = $1',
      [leased.endpoint_id, failures],
    );
    const days = this.settings.webhookDisableAfterDays;
    if (!endpoint.enabled) return;
    if (result.responseCode === 410) await this.disable(tx, leased, 'it answered 410: gone', failures);
    else if (isGivenUp({ failures, failingSinceMs: endpoint.failing_ms }, endpoint.now_ms, days)) {
      await this.disable(tx, leased, `no success for ${days} days`, failures);
    }
  }

  private async disable(tx: EntityManager, leased: Leased, reason: string, failures: number): Promise<void> {
    await queryRows(
      tx,
      `update webhook_endpoints set enabled = false, disabled_reason = $2, disabled_at = clock_timestamp(),
         revision = revision + 1 where id = $1`,
      [leased.endpoint_id, reason],
    );
    await this.giveUpWaiting(tx, leased.endpoint_id);
    await this.audit.record(tx, {
      orgId: leased.org_id,
      actor: { kind: 'rule', name: 'webhook-failing' },
      action: 'webhook.disabled',
      target: { kind: 'webhook', id: leased.endpoint_id },
      params: { reason, failures },
    });
  }

  /** Of an endpoint that is disabled: it would be old news when it comes back. */
  async giveUpWaiting(tx: Queryable, endpointId: string): Promise<void> {
    await queryRows(
      tx,
      `update webhook_deliveries set state = 'failed', ended_at = clock_timestamp(), leased_until = null
       where endpoint_id = $1 and state = 'waiting' and not once`,
      [endpointId],
    );
  }

  private async end(tx: Queryable, id: string, state: 'delivered' | 'failed'): Promise<void> {
    await queryRows(
      tx,
      `update webhook_deliveries set state = $2, ended_at = clock_timestamp(), leased_until = null
       where id = $1 and (state = 'waiting' or $2 = 'delivered')`,
      [id, state],
    );
  }
}
