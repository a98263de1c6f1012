/** Pages of the audit, newest first. */
import { Injectable } from '@nestjs/common';
import type { AuditPage, AuditQuery, AuditRecord } from '@drydock/contracts';
import { DataSource } from 'typeorm';
import { z } from 'zod';
import { likeOf, parsePattern } from '../../domain/filter/text-pattern.js';
import { CursorBigint, CursorTime, decodeCursor, toPage } from '../../http/cursor.js';

interface Row {
  id: string;
  at: Date;
  /** Microseconds, which a JavaScript date would cut. */
  at_text: string;
  actor_kind: AuditRecord['actor']['kind'];
  actor_id: string | null;
  actor_name: string | null;
  action: string;
  target_kind: string | null;
  target_id: string | null;
  params: Record<string, unknown>;
  ip: string | null;
  request_id: string | null;
}

/** The time and the id. */
const CURSOR = z.tuple([CursorTime, CursorBigint]);

@Injectable()
export class AuditReader {
  constructor(private readonly dataSource: DataSource) {}

  async page(orgId: string, query: AuditQuery): Promise<AuditPage> {
    const [at, id] = query.after ? decodeCursor(query.after, CURSOR) : [null, null];
    const rows = (await this.dataSource.query(
      `select id, at, at::text as at_text, actor_kind, actor_id, actor_name, action, target_kind, target_id, params, ip, request_id
       from audit
       where org_id = $1 and ($2::timestamptz is null or (at, id) < ($2, $3::bigint))
         and ($4::text is null or action like $4) and ($5::text is null or target_kind = $5)
         and ($6::text is null or target_id = $6) and ($7::text is null or actor_id = $7)
         and ($8::timestamptz is null or at >= $8) and ($9::timestamptz is null or at < $9)
       order by at desc, id desc limit $10`,
      [
        orgId,
        at,
        id,
        query.action === undefined ? null : likeOf(parsePattern(query.action)),
        query.targetKind ?? null,
        query.targetId ?? null,
        query.actorId ?? null,
        query.from ?? null,
        query.to ?? null,
        query.limit + 1,
      ],
    )) as Row[];
    return toPage(rows, query.limit, (row) => [row.at_text, row.id], toRecord);
  }
}

function toRecord(row: Row): AuditRecord {
  return {
    id: row.id,
    at: row.at.toISOString(),
    actor: { kind: row.actor_kind, id: row.actor_id, name: row.actor_name },
    action: row.action,
    target: row.target_kind === null ? null : { kind: row.target_kind, id: row.target_id ?? '' },
    params: row.params,
    ip: row.ip,
    requestId: row.request_id,
  };
}
