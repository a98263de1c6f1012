/**
 * What happened, written in the transaction of the change: an event exists exactly when its change does. Whoever tells
 * others (the webhook dispatcher) reads from here after the commit.
 */
import type { CampaignState, WebhookEventKind, WebhookPayload } from '@drydock/contracts';
import { queryRows, type Queryable } from '../../adapters/database/rows.js';
import { storableJson } from '../../adapters/database/storable-json.js';

/** Failures of one campaign are gathered for so long and told as one. */
const BATCH_SECONDS = 30;
/** Examples that a batch names. */
const BATCH_EXAMPLES = 10;

export interface NewEvent<K extends WebhookEventKind> {
  readonly orgId: string;
  readonly kind: K;
  /** What it is about: `{ kind: 'campaign', id }`. */
  readonly subject: { readonly kind: string; readonly id: string };
  readonly payload: WebhookPayload<K>;
}

/**
 * @param manager the transaction that makes the change.
 */
export async function recordEvent<K extends WebhookEventKind>(manager: Queryable, event: NewEvent<K>): Promise<void> {
  await queryRows(
    manager,
    'insert into events (org_id, kind, subject_kind, subject_id, payload) values ($1, $2, $3, $4, $5)',
    [event.orgId, event.kind, event.subject.kind, event.subject.id, storableJson(event.payload)],
  );
}

/** Moves that somebody may want to hear of; what a campaign came from decides whether it started or went on. */
function kindOfMove(from: CampaignState, to: CampaignState): WebhookEventKind | undefined {
  switch (to) {
    case 'running':
      return from === 'paused' || from === 'halted' ? 'campaign.resumed' : 'campaign.started';
    case 'paused':
      return 'campaign.paused';
    case 'halted':
      return 'campaign.halted';
    case 'aborted':
      return 'campaign.aborted';
    case 'completed':
      return 'campaign.completed';
    case 'awaiting-approval':
      return 'approval.wanted';
    default:
      return undefined;
  }
}

/** For every move of a campaign through its lifecycle. */
export async function recordCampaignMove(
  manager: Queryable,
  campaign: { readonly id: string; readonly state: CampaignState },
  to: CampaignState,
  by: string,
  reason: string | null,
): Promise<void> {
  const kind = kindOfMove(campaign.state, to);
  if (kind === undefined) return;
  await queryRows(
    manager,
    `insert into events (org_id, kind, subject_kind, subject_id, payload)
     select org_id, $2, 'campaign', id, jsonb_build_object('campaign', id, 'name', name, 'from', $3::text, 'by', $4::text,
       'reason', $5::text) from campaigns where id = $1`,
    [campaign.id, kind, campaign.state, by, reason],
  );
}

const STAGE_EVENTS: ReadonlySet<string> = new Set<WebhookEventKind>([
  'stage.opened',
  'stage.passed',
  'stage.held',
  'stage.failed',
]);

/** For every decision of the engine that is written down; those about stages are events, too. */
export async function recordStageDecision(
  manager: Queryable,
  campaignId: string,
  kind: string,
  params: Readonly<Record<string, unknown>>,
): Promise<void> {
  if (!STAGE_EVENTS.has(kind)) return;
  const note = typeof params['note'] === 'string' ? params['note'] : null;
  await queryRows(
    manager,
    `insert into events (org_id, kind, subject_kind, subject_id, payload)
     select org_id, $2, 'campaign', id, jsonb_build_object('campaign', id, 'name', name, 'stage', $3::text, 'note', $4::text)
     from campaigns where id = $1`,
    [campaignId, kind, String(params['stage'] ?? ''), note],
  );
}

/** What became of one device. */
export interface DeviceOutcome {
  readonly campaignId: string;
  readonly deviceId: string;
  readonly kind: 'deployment.failed' | 'deployment.lost' | 'device.reverted';
  readonly code: string | null;
}

/**
 * Outcomes of devices come by the thousand: those of one kind and campaign within half a minute are one event, with a
 * count, the error codes, and a few devices by name.
 */
export async function recordDeviceOutcomes(manager: Queryable, outcomes: readonly DeviceOutcome[]): Promise<void> {
  if (outcomes.length === 0) return;
  const batches = new Map<string, { campaign: string; kind: string; codes: Map<string, number>; devices: string[] }>();
  for (const { campaignId, deviceId, kind, code } of outcomes) {
    const key = `${campaignId} ${kind}`;
    const batch = batches.get(key) ?? { campaign: campaignId, kind, codes: new Map<string, number>(), devices: [] };
    if (code !== null) batch.codes.set(code, (batch.codes.get(code) ?? 0) + 1);
    batch.devices.push(deviceId);
    batches.set(key, batch);
  }
  // In one order always: two transactions must not wait for each other.
  for (const key of [...batches.keys()].sort()) {
    const { campaign, kind, codes, devices } = batches.get(key)!;
    await queryRows(
      manager,
      `insert into events (org_id, kind, subject_kind, subject_id, payload, batch_until)
       select org_id, $2, 'campaign', id, jsonb_build_object('campaign', id, 'name', name, 'count', $3::int,
           'codes', $4::jsonb, 'devices', $5::jsonb), clock_timestamp() + interval '${BATCH_SECONDS} seconds'
       from campaigns where id = $1
       on conflict (org_id, kind, subject_id) where batch_until is not null and fanned_out_at is null
       do update set payload = events.payload || jsonb_build_object(
         'count', (events.payload->>'count')::int + $3::int,
         'codes', (select coalesce(jsonb_object_agg(code, n), '{}') from (
           select code, sum(n::int) as n from (
             select key as code, value as n from jsonb_each_text(events.payload->'codes')
             union all select key, value from jsonb_each_text($4::jsonb)) both_sides group by code) merged),
         'devices', (select coalesce(jsonb_agg(d), '[]') from (
           select d from (
             select d, 0 as side from jsonb_array_elements(events.payload->'devices') as a(d)
             union all select d, 1 from jsonb_array_elements($5::jsonb) as b(d)) ds
           order by side limit ${BATCH_EXAMPLES}) few))`,
      [
        campaign,
        kind,
        devices.length,
        JSON.stringify(Object.fromEntries(codes)),
        JSON.stringify(devices.slice(0, BATCH_EXAMPLES)),
      ],
    );
  }
}

/** For a gateway that somebody, or a rule, took out of work. */
export async function recordGatewayEvent(
  manager: Queryable,
  gatewayId: string,
  kind: 'gateway.quarantined' | 'gateway.decommissioned',
  note: string,
): Promise<void> {
  await queryRows(
    manager,
    `insert into events (org_id, kind, subject_kind, subject_id, payload)
     select g.org_id, $2, 'gateway', g.id, jsonb_build_object('gateway', g.id, 'name', g.name, 'site', s.name, 'note', $3::text)
     from gateways g join sites s on s.id = g.site_id where g.id = $1`,
    [gatewayId, kind, note],
  );
}
