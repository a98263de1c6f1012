/** What was said of the attempts with one device: grants, what gateways reported, and where nothing came. Newest first. */
import { Injectable } from '@nestjs/common';
import { DataSource } from 'typeorm';
import { z } from 'zod';
import {
  conversationSentence,
  type ConversationLine,
  type DeviceConversation,
  type PageQuery,
} from '@drydock/contracts';
import { queryRows } from '../../../adapters/database/rows.js';
import { CursorTime, decodeCursor, toPage } from '../../../http/cursor.js';
import { ProblemError } from '../../../http/problem-error.js';

/** Of a device that was in more campaigns than this, those that were tried last. */
const MOST_DEPLOYMENTS = 100;

interface Row {
  readonly at: Date;
  readonly at_text: string;
  readonly key: string;
  readonly campaign: ConversationLine['campaign'];
  readonly deployment_id: string;
  readonly attempt: number;
  readonly gateway: ConversationLine['gateway'];
  readonly kind: string;
  readonly disposition: string;
  readonly note: string | null;
  readonly body: Record<string, unknown>;
}

@Injectable()
export class ConversationService {
  constructor(private readonly source: DataSource) {}

  /** @throws ProblemError `request.not-found` */
  async page(orgId: string, deviceId: string, query: PageQuery): Promise<DeviceConversation> {
    const tx = this.source.manager;
    const found = await queryRows(tx, 'select 1 from devices where org_id = $1 and id = $2', [orgId, deviceId]);
    if (found.length === 0) throw new ProblemError('request.not-found', { what: 'device', id: deviceId });
    const after =
      query.after === undefined ? undefined : decodeCursor(query.after, z.tuple([CursorTime, z.string().max(200)]));
    const tried = await queryRows<{ id: string }>(
      tx,
      `select id from deployments where device_id = $1 and granted_at is not null order by granted_at desc limit ${MOST_DEPLOYMENTS}`,
      [deviceId],
    );
    const rows = await queryRows<Row>(
      tx,
      // Reports of one batch have one moment: their numbers say which came first. A grant is before all that was said of it.
      `with said as (
         (select r.received_at as at, '2' || r.epoch || lpad(r.seq::text, 16, '0') as key, r.deployment_id, r.attempt, r.gateway_id,
            r.kind, r.disposition, r.note, r.body from reports r
          where r.deployment_id = any($1::uuid[]) and r.org_id = $5 and r.received_at <= coalesce($2::timestamptz, 'infinity')
            and ($2::timestamptz is null or (r.received_at, '2' || r.epoch || lpad(r.seq::text, 16, '0')) < ($2::timestamptz, $3))
          order by 1 desc, 2 desc limit $4)
         union all
         (select t.at, t.key, a.deployment_id, a.attempt, a.gateway_id, t.kind, 'said', null, '{}'::jsonb
          from attempts a cross join lateral (values
            (a.granted_at, '1' || a.attempt, 'granted'),
            (case when a.outcome = 'lost' then a.ended_at end, '3' || a.attempt, 'lost')) t(at, key, kind)
          where a.deployment_id = any($1::uuid[]) and t.at is not null
            and ($2::timestamptz is null or (t.at, t.key) < ($2::timestamptz, $3))
          order by 1 desc, 2 desc limit $4))
       select s.at, s.at::text as at_text, s.key, jsonb_build_object('id', c.id, 'name', c.name) as campaign,
         s.deployment_id, s.attempt, jsonb_build_object('id', s.gateway_id, 'name', coalesce(g.name, '')) as gateway,
         s.kind, s.disposition, s.note, s.body
       from said s join deployments d on d.id = s.deployment_id join campaigns c on c.id = d.campaign_id
         left join gateways g on g.id = s.gateway_id
       order by s.at desc, s.key desc limit $4`,
      [tried.map(({ id }) => id), after?.[0] ?? null, after?.[1] ?? null, query.limit + 1, orgId],
    );
    return toPage(rows, query.limit, (row) => [row.at_text, row.key], toLine);
  }
}

function toLine(row: Row): ConversationLine {
  const known = (['said', 'applied', 'history', 'refused'] as const).find((each) => each === row.disposition);
  return {
    at: row.at.toISOString(),
    saidAt: momentOf(row.body.atMs),
    campaign: row.campaign,
    deploymentId: row.deployment_id,
    attempt: row.attempt,
    gateway: row.gateway,
    kind: row.kind,
    disposition: known ?? 'refused',
    note: row.note,
    sentence: conversationSentence(row.kind, row.body),
  };
}

/** A gateway may have said any number; a moment that no calendar has is none. */
function momentOf(ms: unknown): string | null {
  const year = typeof ms === 'number' ? new Date(ms).getUTCFullYear() : NaN;
  return year >= 1970 && year <= 9999 ? new Date(ms as number).toISOString() : null;
}
