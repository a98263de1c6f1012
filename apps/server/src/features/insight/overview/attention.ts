/** What waits for a person, worst first; what waits by plan is not here. Every read is small whatever the fleet. */
import { ATTENTION_KINDS, type Attention } from '@drydock/contracts';
import { queryRows, type Queryable } from '../../../adapters/database/rows.js';
import { standingSentence } from '../../../domain/campaign/standstill.js';

const MOST_SHOWN = 50;
/** A gateway is away when it was not heard for so long; so many of them, or such a share, are worth a look. */
const MANY_AWAY = 10;
const SHARE_AWAY = 0.05;
const OUTBOX_SECONDS = 60;

export interface FleetStanding {
  readonly gateways: number;
  /** Not connected, and not heard for an hour. */
  readonly away: number;
  readonly awaySince: Date | null;
  readonly rescue: number;
  readonly outboxAgeSeconds: number;
}

interface Row {
  readonly kind: Attention['kind'];
  readonly subject: Attention['subject'];
  readonly since: Date | null;
  readonly n: number;
  readonly note: string | null;
}

export async function readAttention(tx: Queryable, orgId: string, fleet: FleetStanding): Promise<Attention[]> {
  const rows = await queryRows<Row>(
    tx,
    `select * from (
       select case c.state when 'halted' then 'campaign.halted' when 'awaiting-approval' then 'approval.wanted'
           else 'campaign.paused' end as kind,
         jsonb_build_object('kind', 'campaign', 'id', c.id, 'name', c.name) as subject, c.state_at as since, 1 as n, c.state_reason as note
       from campaigns c where c.org_id = $1 and (c.state in ('halted', 'awaiting-approval')
         -- a person who paused knows of it; what paused by a rule waits for one
         or (c.state = 'paused' and not exists (select 1 from people p where p.org_id = c.org_id and p.name = c.state_by)))
       union all
       select 'stage.' || s.state, jsonb_build_object('kind', 'campaign', 'id', c.id, 'name', c.name),
         (select d.at from decisions d where d.campaign_id = c.id and d.kind = 'stage.' || s.state order by d.id desc limit 1), 1,
         s.name || coalesce(': ' || s.state_note, '')
       from campaigns c join campaign_stages s on s.campaign_id = c.id
       where c.org_id = $1 and c.state in ('running', 'paused') and s.state in ('held', 'failed')
       union all
       select 'campaign.standing', jsonb_build_object('kind', 'campaign', 'id', c.id, 'name', c.name), c.standing_since, 1, c.standing
       from campaigns c where c.org_id = $1 and c.state = 'running' and c.standing is not null
       union all
       select 'gateways.quarantined', jsonb_build_object('kind', 'gateway', 'id', g.id, 'name', g.name), q.at, 1, coalesce(g.state_note, q.note)
       from gateways g left join lateral (
           select at, note from campaign_quarantines q where q.kind = 'gateway' and q.ref_id = g.id and q.lifted_at is null
           order by at desc limit 1) q on true
       where g.org_id = $1 and g.state = 'quarantined'
       union all
       select 'webhook.failing', jsonb_build_object('kind', 'webhook', 'id', w.id, 'name', w.name), coalesce(w.failing_since, w.disabled_at),
         w.failures, w.disabled_reason
       from webhook_endpoints w where w.org_id = $1
         and (w.disabled_reason is not null or (w.enabled and w.failing_since < now() - interval '15 minutes'))
       union all
       (select 'devices.claimed', jsonb_build_object('kind', 'device', 'id', c.device_id, 'name', coalesce(d.name, d.identity_value)),
         c.first_at, 1, null
       from device_claims c join devices d on d.id = c.device_id where d.org_id = $1 and c.state = 'pending' order by c.first_at limit 20)
     ) waiting limit 500`,
    [orgId],
  );
  const own = (kind: Attention['kind'], n: number, since: Date | null, name: string): Row => ({
    kind,
    subject: { kind: 'fleet', id: orgId, name },
    since,
    n,
    note: null,
  });
  const away = fleet.away >= MANY_AWAY || (fleet.away > 1 && fleet.away > SHARE_AWAY * fleet.gateways);
  const all = [
    ...rows,
    ...(fleet.rescue > 0 ? [own('devices.rescue', fleet.rescue, null, 'devices')] : []),
    ...(away ? [own('gateways.absent', fleet.away, fleet.awaySince, 'gateways')] : []),
    ...(fleet.outboxAgeSeconds > OUTBOX_SECONDS
      ? [own('outbox.growing', Math.round(fleet.outboxAgeSeconds), null, 'orders')]
      : []),
  ];
  const harm = (kind: Attention['kind']): number => ATTENTION_KINDS.indexOf(kind);
  const time = (row: Row): number => row.since?.getTime() ?? 0;
  return all
    .sort((a, b) => harm(a.kind) - harm(b.kind) || time(a) - time(b))
    .slice(0, MOST_SHOWN)
    .map((row) => ({
      kind: row.kind,
      subject: row.subject,
      since: row.since?.toISOString() ?? null,
      n: row.n,
      ...wordsOf(row, fleet),
    }));
}

function wordsOf({ kind, subject, n, note }: Row, fleet: FleetStanding): Pick<Attention, 'sentence' | 'action'> {
  const because = note ? `: ${note}` : '';
  switch (kind) {
    case 'campaign.halted':
      return { sentence: `${subject.name} halted${because}`, action: 'look' };
    case 'approval.wanted':
      return { sentence: `${subject.name} waits for approval`, action: 'approve' };
    case 'stage.failed':
      return { sentence: `A gate of ${subject.name} failed${because}`, action: 'review' };
    case 'stage.held':
      return { sentence: `A gate of ${subject.name} is held${because}`, action: 'review' };
    case 'campaign.paused':
      return { sentence: `${subject.name} paused by itself${because}`, action: 'look' };
    case 'campaign.standing':
      return { sentence: `${subject.name} stands still: ${standingSentence(note)}`, action: 'look' };
    case 'devices.rescue':
      return { sentence: `${n} devices are without a running application`, action: 'look' };
    case 'gateways.quarantined':
      return { sentence: `Gateway ${subject.name} is quarantined${because}`, action: 'release' };
    case 'gateways.absent':
      return { sentence: `${n} of ${fleet.gateways} gateways were not heard for an hour`, action: 'look' };
    case 'outbox.growing':
      return { sentence: `The oldest order waits for ${n} s to be held by its gateway`, action: 'look' };
    case 'webhook.failing':
      return { sentence: `Webhook ${subject.name} does not get through${because}`, action: 'look' };
    case 'devices.claimed':
      return { sentence: `Device ${subject.name} is claimed by another site`, action: 'review' };
  }
}
