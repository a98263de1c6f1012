/** Decisions and failures of campaigns. */
import { Injectable } from '@nestjs/common';
import { DataSource } from 'typeorm';
import { z } from 'zod';
import {
  errorSentence,
  isErrorCode,
  type DecisionPage,
  type DecisionQuery,
  type FailureCounts,
} from '@drydock/contracts';
import { queryRows } from '../../adapters/database/rows.js';
import { factsOfCode } from '../../domain/deployment/retry.js';
import { decodeCursor, toPage } from '../../http/cursor.js';
import { ProblemError } from '../../http/problem-error.js';

@Injectable()
export class InsightService {
  constructor(private readonly source: DataSource) {}

  /** What the engine and people decided. */
  async decisions(orgId: string, campaignId: string, query: DecisionQuery): Promise<DecisionPage> {
    await this.expectCampaign(orgId, campaignId);
    const after =
      query.after === undefined ? undefined : decodeCursor(query.after, z.tuple([z.string().regex(/^\d{1,18}$/)]));
    const newest = query.order === 'newest';
    const rows = await queryRows<{ id: string; at: Date; kind: string; params: Record<string, unknown> }>(
      this.source.manager,
      `select id, at, kind, params from decisions
       where campaign_id = $1 and ($2::bigint is null or id ${newest ? '<' : '>'} $2::bigint)
         and ($4::boolean is null or params ? 'by' = $4)
       order by id ${newest ? 'desc' : 'asc'} limit $3`,
      [campaignId, after?.[0] ?? null, query.limit + 1, query.by === undefined ? null : query.by === 'person'],
    );
    return toPage(
      rows,
      query.limit,
      (row) => [row.id],
      (row) => ({
        id: row.id,
        at: row.at.toISOString(),
        kind: row.kind,
        by: typeof row.params['by'] === 'string' ? row.params['by'] : null,
        params: row.params,
      }),
    );
  }

  async failures(orgId: string, campaignId: string): Promise<FailureCounts> {
    await this.expectCampaign(orgId, campaignId);
    const rows = await queryRows<{ code: string; n: string }>(
      this.source.manager,
      'select code, n from failure_counters where campaign_id = $1 and n > 0 order by n desc, code limit 200',
      [campaignId],
    );
    return {
      items: rows.map(({ code, n }) => ({
        code,
        n: Number(n),
        blame: factsOfCode(code).blame,
        sentence: isErrorCode(code) ? errorSentence(code) : code,
      })),
    };
  }

  async expectCampaign(orgId: string, id: string): Promise<void> {
    const found = await queryRows(this.source.manager, 'select 1 from campaigns where org_id = $1 and id = $2', [
      orgId,
      id,
    ]);
    if (found.length === 0) throw new ProblemError('request.not-found', { what: 'campaign', id });
  }
}
