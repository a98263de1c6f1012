/**
 * One transaction for many batches (group commit): cursors, raw reports, deployments, attempts, devices, gateways and
 * counters move together or not at all (P4, P10). Set-based throughout: its number of statements does not depend on
 * the number of reports.
 */
import { Inject, Injectable } from '@nestjs/common';
import type { Pool, PoolClient } from 'pg';
import { Policy, type CampaignState, provableImages, type ArtifactProof } from '@drydock/contracts';
import { PG_POOL } from '../../adapters/database/database.js';
import type { Part } from '../../adapters/database/one-statement.js';
import type { Queryable } from '../../adapters/database/rows.js';
import { judgeBatch } from '../../domain/report-cursor/cursor.js';
import { lockDeployments } from '../campaigns/deployment-rows.js';
import { writeDeployments } from '../campaigns/deployment-writer.js';
import { versionProvesSql } from '../campaigns/version-proves.js';
import { AUDIT, type Audit } from '../audit/audit.port.js';
import type { ReadBatch, ReadReport } from './batch-reader.js';
import { quarantineContradictions, type Contradicted } from './contradictions.js';
import { readFailedBefore, readStepArtifacts } from './fold-facts.js';
import { ReportFold, type CampaignContext, type JudgedReport, type ReportOrigin } from './report-fold.js';

export interface IncomingBatch {
  readonly origin: ReportOrigin;
  readonly batch: ReadBatch;
}

export interface CommittedBatch {
  readonly kind: 'take' | 'duplicate' | 'gap';
  readonly cursor: number;
  readonly reign: number;
  /** Numbers of its `downloading` reports that moved nothing: the gateway must not touch what they name. */
  readonly unapplied: readonly number[];
}

export interface CommitResult {
  readonly batches: readonly CommittedBatch[];
  readonly campaigns: readonly string[];
  readonly taken: number;
  readonly refused: number;
  /** Gateways whose reports knew a later attempt or reign than the database, with the newest reign each named. */
  readonly ahead: ReadonlyMap<string, number>;
  /** Gateways whose reports contradict each other; quarantined with this commit. */
  readonly contradicted: readonly Contradicted[];
}

interface CachedCampaign {
  readonly policy: Pick<Policy, 'retry' | 'onAbort'>;
  readonly images: ArtifactProof['images'];
  readonly runningVersion: string | null;
  readonly requires: readonly string[];
}

const ATTEMPTS = 5;
const MAX_CACHED = 1_000;

@Injectable()
export class ReportCommitter {
  private readonly campaigns = new Map<string, CachedCampaign>();
  private readonly statements = new Map<string, string>();

  constructor(
    @Inject(PG_POOL) private readonly pool: Pool,
    @Inject(AUDIT) private readonly audit: Audit,
  ) {}

  /** Commits the batches, in this order. @throws what the database says; then nothing of them is committed. */
  async commit(batches: readonly IncomingBatch[]): Promise<CommitResult> {
    for (let attempt = 1; ; attempt++) {
      const client = await this.pool.connect();
      let broken: Error | undefined;
      try {
        await client.query('begin');
        const result = await this.apply(this.queryable(client), batches);
        await client.query('commit');
        return result;
      } catch (error) {
        const code = (error as { code?: string }).code;
        await client.query('rollback').catch((failure: Error) => (broken = failure));
        if (attempt >= ATTEMPTS || (code !== '40001' && code !== '40P01')) throw error;
      } finally {
        client.release(broken);
      }
    }
  }

  /** Prepared once per connection: planning would cost more than running. */
  private queryable(client: PoolClient): Queryable {
    const query = async (text: string, values?: unknown[]): Promise<unknown> => {
      let name = this.statements.get(text);
      if (name === undefined) {
        name = `reports-${this.statements.size}`;
        this.statements.set(text, name);
      }
      return (await client.query({ name, text, values: values ?? [] })).rows;
    };
    return { query } as Queryable;
  }

  private async apply(tx: Queryable, batches: readonly IncomingBatch[]): Promise<CommitResult> {
    const gateways = [...new Set(batches.map(({ origin }) => origin.gatewayId))].sort();
    // The gateway's row stands for all its cursors: two servers that got the same batch wait for each other here.
    const present = (await tx.query(
      'select id, org_id from gateways where id = any($1::uuid[]) order by id for no key update',
      [gateways],
    )) as { id: string; org_id: string }[];
    // The organisation comes from the topic, and an outside broker's ACL may let a gateway choose it.
    const orgs = new Map(present.map((row) => [row.id, row.org_id]));
    const { cursors, nowMs, reign } = await this.readCursors(tx, batches);

    const verdicts: Omit<CommittedBatch, 'unapplied'>[] = [];
    const taken: { origin: ReportOrigin; read: ReadReport }[] = [];
    const moved = new Map<string, { gateway: string; epoch: string; cursor: number }>();
    for (const { origin, batch } of batches) {
      const key = `${origin.gatewayId} ${batch.of}`;
      const cursor = cursors.get(key) ?? 0;
      const known = orgs.get(origin.gatewayId) === origin.orgId;
      // Only what is committed may be acknowledged.
      const verdict = known
        ? judgeBatch(cursor, batch.firstSeq, batch.reports.length)
        : { kind: 'gap' as const, cursor };
      verdicts.push({ kind: verdict.kind, cursor: verdict.cursor, reign });
      if (verdict.kind !== 'take') continue;
      cursors.set(key, verdict.cursor);
      moved.set(key, { gateway: origin.gatewayId, epoch: batch.of, cursor: verdict.cursor });
      for (const read of batch.reports.slice(verdict.skip)) taken.push({ origin, read });
    }
    if (taken.length === 0) {
      const answered = await this.withUnapplied(tx, batches, verdicts, []);
      return { batches: answered, campaigns: [], taken: 0, refused: 0, ahead: new Map(), contradicted: [] };
    }

    const fold = await this.fold(tx, taken, nowMs, reign);
    await writeDeployments(tx, fold.changes(), storing(fold.judged, [...moved.values()]));
    const contradicted = await quarantineContradictions(tx, fold.judged, this.audit);
    return {
      batches: await this.withUnapplied(tx, batches, verdicts, fold.judged),
      campaigns: fold.campaignsTouched(),
      taken: taken.length,
      refused: fold.judged.filter((report) => report.disposition === 'refused').length,
      ahead: fold.ahead,
      contradicted,
    };
  }

  /** Of new reports as they were judged; of those that came again as they are stored. */
  private async withUnapplied(
    tx: Queryable,
    batches: readonly IncomingBatch[],
    verdicts: readonly Omit<CommittedBatch, 'unapplied'>[],
    judged: readonly JudgedReport[],
  ): Promise<CommittedBatch[]> {
    const unapplied = new Map<string, Set<number>>();
    const judgedNow = new Set<string>();
    const note = (gateway: string, of: string, seq: number): void => {
      const key = `${gateway} ${of}`;
      const list = unapplied.get(key) ?? new Set();
      unapplied.set(key, list.add(seq));
    };
    for (const { origin, read, disposition } of judged) {
      if (read.report?.kind !== 'downloading') continue;
      judgedNow.add(`${origin.gatewayId} ${origin.of} ${read.seq}`);
      if (disposition !== 'applied') note(origin.gatewayId, origin.of, read.seq);
    }
    const again = batches.flatMap(({ origin, batch }, index) =>
      verdicts[index]!.kind === 'gap'
        ? []
        : batch.reports.flatMap((read) =>
            read.report?.kind === 'downloading' && !judgedNow.has(`${origin.gatewayId} ${batch.of} ${read.seq}`)
              ? [{ gateway: origin.gatewayId, of: batch.of, seq: read.seq }]
              : [],
          ),
    );
    if (again.length > 0) {
      const stored = (await tx.query(
        `select r.gateway_id, r.epoch, r.seq::float8 as seq from reports r
           join unnest($1::uuid[], $2::text[], $3::bigint[]) as x(gateway_id, epoch, seq)
             on r.gateway_id = x.gateway_id and r.epoch = x.epoch and r.seq = x.seq
         where r.disposition <> 'applied'`,
        [again.map((one) => one.gateway), again.map((one) => one.of), again.map((one) => one.seq)],
      )) as { gateway_id: string; epoch: string; seq: number }[];
      for (const row of stored) note(row.gateway_id, row.epoch, row.seq);
    }
    return batches.map(({ origin, batch }, index) => {
      const of = unapplied.get(`${origin.gatewayId} ${batch.of}`);
      return {
        ...verdicts[index]!,
        unapplied: of ? batch.reports.map((read) => read.seq).filter((seq) => of.has(seq)) : [],
      };
    });
  }

  private async readCursors(
    tx: Queryable,
    batches: readonly IncomingBatch[],
  ): Promise<{ cursors: Map<string, number>; nowMs: number; reign: number }> {
    const rows = (await tx.query(
      `select c.gateway_id, c.epoch, c.cursor::float8 as cursor,
         floor(extract(epoch from clock_timestamp()) * 1000)::float8 as now_ms, i.reign::float8 as reign
       from installation i left join (
         select c.gateway_id, c.epoch, c.cursor from report_cursors c
         join (select distinct * from unnest($1::uuid[], $2::text[]) as x(gateway_id, epoch)) x using (gateway_id, epoch)) c on true`,
      [batches.map(({ origin }) => origin.gatewayId), batches.map(({ batch }) => batch.of)],
    )) as { gateway_id: string | null; epoch: string | null; cursor: number | null; now_ms: number; reign: number }[];
    const cursors = new Map<string, number>();
    for (const row of rows) if (row.gateway_id !== null) cursors.set(`${row.gateway_id} ${row.epoch}`, row.cursor ?? 0);
    return { cursors, nowMs: rows[0]!.now_ms, reign: rows[0]!.reign };
  }

  private async fold(
    tx: Queryable,
    taken: readonly { origin: ReportOrigin; read: ReadReport }[],
    nowMs: number,
    reign: number,
  ): Promise<ReportFold> {
    const ids = new Set<string>();
    for (const { read } of taken) {
      if (read.report && read.report.kind !== 'epoch-started') ids.add(read.report.ref.deployment);
    }
    const locked = await lockDeployments(tx, [...ids]);
    const known = {
      campaigns: await this.readCampaigns(tx, [...new Set(locked.map((row) => row.facts.campaignId))]),
      stepArtifacts: await readStepArtifacts(tx, locked),
      failedBefore: await readFailedBefore(tx, locked),
    };
    const fold = new ReportFold(locked, known, nowMs, reign);
    for (const { origin, read } of taken) fold.add(origin, read);
    return fold;
  }

  private async readCampaigns(tx: Queryable, ids: readonly string[]): Promise<Map<string, CampaignContext>> {
    const found = new Map<string, CampaignContext>();
    if (ids.length === 0) return found;
    const fresh = (await tx.query(
      `select c.id, c.state, ${versionProvesSql('a')} as version_proves,
         (select jsonb_object_agg(s.version, s.artifact_id) from campaign_steps s where s.campaign_id = c.id) as steps
       from campaigns c join artifacts a on a.id = c.artifact_id where c.id = any($1::uuid[])`,
      [ids],
    )) as { id: string; state: CampaignState; version_proves: boolean; steps: Record<string, string> | null }[];
    const missing = ids.filter((id) => !this.campaigns.has(id));
    // What was started no longer changes: policy and artifact are read once.
    if (missing.length > 0) {
      const rows = (await tx.query(
        `select c.id, c.policy, a.description, a.running_version, a.requires from campaigns c join artifacts a on a.id = c.artifact_id
         where c.id = any($1::uuid[])`,
        [missing],
      )) as {
        id: string;
        policy: unknown;
        description: unknown;
        running_version: string | null;
        requires: { runningVersions?: string[] };
      }[];
      for (const row of rows) {
        this.campaigns.set(row.id, {
          policy: Policy.parse(row.policy),
          images: provableImages(row.description),
          runningVersion: row.running_version,
          requires: row.requires.runningVersions ?? [],
        });
      }
    }
    for (const row of fresh) {
      const { policy, images, runningVersion, requires } = this.campaigns.get(row.id)!;
      found.set(row.id, {
        state: row.state,
        policy,
        artifact: { images, runningVersion, versionProves: row.version_proves },
        way: { requires, next: new Map(Object.entries(row.steps ?? {})) },
      });
    }
    while (this.campaigns.size > MAX_CACHED) this.campaigns.delete(this.campaigns.keys().next().value!);
    return found;
  }
}

/** The reports as they were judged, and how far each cursor came. */
function storing(
  judged: readonly JudgedReport[],
  moved: readonly { gateway: string; epoch: string; cursor: number }[],
): Part[] {
  const refs = judged.map(({ read }) => (read.report && 'ref' in read.report ? read.report.ref : undefined));
  const cursors: Part = (param) => `insert into report_cursors (gateway_id, epoch, cursor, last_at)
    select gateway_id, epoch, cursor, clock_timestamp()
    from unnest(${param(moved.map(({ gateway }) => gateway))}::uuid[], ${param(moved.map(({ epoch }) => epoch))}::text[],
      ${param(moved.map(({ cursor }) => cursor))}::bigint[]) as m(gateway_id, epoch, cursor)
    on conflict (gateway_id, epoch) do update set cursor = excluded.cursor, last_at = excluded.last_at`;
  const reports: Part = (param) => `insert into reports
      (org_id, gateway_id, epoch, seq, kind, deployment_id, attempt, reign, disposition, note, body)
    select * from unnest(${param(judged.map(({ origin }) => origin.orgId))}::uuid[],
      ${param(judged.map(({ origin }) => origin.gatewayId))}::uuid[], ${param(judged.map(({ origin }) => origin.of))}::text[],
      ${param(judged.map(({ read }) => read.seq))}::bigint[], ${param(judged.map(({ read }) => read.kind))}::text[],
      ${param(refs.map((ref) => ref?.deployment ?? null))}::uuid[], ${param(refs.map((ref) => ref?.attempt ?? null))}::int[],
      ${param(refs.map((ref) => ref?.reign ?? null))}::bigint[],
      ${param(judged.map(({ disposition }) => disposition))}::text[], ${param(judged.map(({ note }) => note))}::text[],
      ${param(judged.map(({ read }) => read.bodyJson))}::jsonb[])`;
  return [cursors, reports];
}
