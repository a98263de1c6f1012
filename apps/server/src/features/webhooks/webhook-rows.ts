/** Rows of the webhooks room, and how a person sees them. */
import { randomBytes } from 'node:crypto';
import type { Webhook, WebhookAttempt, WebhookDelivery } from '@drydock/contracts';

export interface EndpointRow {
  readonly id: string;
  readonly org_id: string;
  readonly name: string;
  readonly url: string;
  readonly kinds: string[];
  readonly secret: string;
  readonly previous_secret_until: Date | null;
  readonly enabled: boolean;
  readonly disabled_reason: string | null;
  readonly disabled_at: Date | null;
  readonly failing_since: Date | null;
  readonly failures: number;
  readonly last_success_at: Date | null;
  readonly revision: number;
  readonly created_at: Date;
}

export interface DeliveryRow {
  readonly id: string;
  readonly event_id: string;
  readonly kind: string;
  readonly body: string;
  readonly state: WebhookDelivery['state'];
  readonly attempts: number;
  readonly next_at: Date;
  readonly created_at: Date;
  readonly ended_at: Date | null;
}

export interface AttemptRow {
  readonly attempt: number;
  readonly at: Date;
  readonly outcome: WebhookAttempt['outcome'];
  readonly response_code: number | null;
  readonly duration_ms: number;
  readonly detail: string | null;
  readonly response_body: string | null;
}

/** 24 random bytes behind the prefix that the Standard Webhooks specification gives symmetric secrets. */
export function makeWebhookSecret(): string {
  return `whsec_${randomBytes(24).toString('base64')}`;
}

export function webhookView(row: EndpointRow): Webhook {
  return {
    id: row.id,
    name: row.name,
    url: row.url,
    kinds: row.kinds,
    enabled: row.enabled,
    disabledReason: row.disabled_reason,
    disabledAt: row.disabled_at?.toISOString() ?? null,
    failingSince: row.failing_since?.toISOString() ?? null,
    failures: row.failures,
    lastSuccessAt: row.last_success_at?.toISOString() ?? null,
    previousSecretUntil: row.previous_secret_until?.toISOString() ?? null,
    createdAt: row.created_at.toISOString(),
    revision: row.revision,
  };
}

export function deliveryView(row: DeliveryRow): WebhookDelivery {
  return {
    id: row.id,
    event: row.event_id,
    kind: row.kind,
    state: row.state,
    attempts: row.attempts,
    nextAt: row.state === 'waiting' ? row.next_at.toISOString() : null,
    createdAt: row.created_at.toISOString(),
    endedAt: row.ended_at?.toISOString() ?? null,
  };
}

export function attemptView(row: AttemptRow): WebhookAttempt {
  return {
    attempt: row.attempt,
    at: row.at.toISOString(),
    outcome: row.outcome,
    responseCode: row.response_code,
    durationMs: row.duration_ms,
    detail: row.detail,
    responseBody: row.response_body,
  };
}
