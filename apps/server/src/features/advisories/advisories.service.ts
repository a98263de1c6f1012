/** Advisories as people write them. Each change, its audit entry and a first sample share one transaction. */
import { Inject, Injectable } from '@nestjs/common';
import type { Advisory, AdvisoryDraft, AdvisoryQuery } from '@drydock/contracts';
import { DataSource, type EntityManager } from 'typeorm';
import { z } from 'zod';
import { queryRows } from '../../adapters/database/rows.js';
import { inTransaction } from '../../adapters/database/transaction.js';
import { faultOfRule } from '../../domain/advisory/affected.js';
import { decodeCursor, toPage } from '../../http/cursor.js';
import { ProblemError } from '../../http/problem-error.js';
import { expectRevision } from '../../http/revision.js';
import type { Actor } from '../access/actor.js';
import { AUDIT, type Audit } from '../audit/audit.port.js';
import { ADVISORY, advisoryView, readAdvisory, type AdvisoryRow } from './advisory-rows.js';
import { ExposureSampler } from './exposure-sampler.js';

@Injectable()
export class AdvisoriesService {
  constructor(
    private readonly source: DataSource,
    private readonly sampler: ExposureSampler,
    @Inject(AUDIT) private readonly audit: Audit,
  ) {}

  async list(actor: Actor, query: AdvisoryQuery): Promise<{ items: Advisory[]; next?: string }> {
    const [at, id] = query.after ? decodeCursor(query.after, z.tuple([z.iso.datetime(), z.uuid()])) : [null, null];
    const rows = await queryRows<AdvisoryRow>(
      this.source.manager,
      `${ADVISORY} where a.org_id = $1 and ($2::text is null or a.state = $2)
         and ($3::timestamptz is null or (date_trunc('milliseconds', a.created_at), a.id) < ($3::timestamptz, $4::uuid))
       order by date_trunc('milliseconds', a.created_at) desc, a.id desc limit $5`,
      [actor.orgId, query.state ?? null, at, id, query.limit + 1],
    );
    return toPage(rows, query.limit, (row) => [row.created_at.toISOString(), row.id], advisoryView);
  }

  async get(actor: Actor, id: string): Promise<Advisory> {
    return advisoryView(await readAdvisory(this.source.manager, actor.orgId, id));
  }

  async create(actor: Actor, draft: AdvisoryDraft): Promise<Advisory> {
    return inTransaction(this.source, async (tx) => {
      await this.check(tx, actor.orgId, draft);
      const [made] = await queryRows<{ id: string }>(
        tx,
        `insert into advisories (org_id, cve, title, body, severity, created_by) values ($1, $2, $3, $4, $5, $6)
         on conflict (org_id, cve) do nothing returning id`,
        [actor.orgId, draft.cve, draft.title, draft.text, draft.severity, actor.personId],
      );
      if (!made) throw taken(draft.cve);
      await this.writeModels(tx, made.id, draft);
      await this.record(tx, actor, 'advisory.created', made.id, { cve: draft.cve, models: namesOf(draft) });
      await this.sampler.sample(tx, actor.orgId, made.id);
      return advisoryView(await readAdvisory(tx, actor.orgId, made.id));
    });
  }

  async replace(actor: Actor, id: string, expected: number | undefined, draft: AdvisoryDraft): Promise<Advisory> {
    return this.changing(actor, id, expected, async (tx) => {
      await this.check(tx, actor.orgId, draft);
      const other = await queryRows(tx, 'select 1 from advisories where org_id = $1 and cve = $2 and id <> $3', [
        actor.orgId,
        draft.cve,
        id,
      ]);
      if (other.length > 0) throw taken(draft.cve);
      await queryRows(
        tx,
        `update advisories set cve = $2, title = $3, body = $4, severity = $5, revision = revision + 1 where id = $1`,
        [id, draft.cve, draft.title, draft.text, draft.severity],
      );
      await queryRows(tx, 'delete from advisory_models where advisory_id = $1', [id]);
      await this.writeModels(tx, id, draft);
      await this.record(tx, actor, 'advisory.changed', id, { cve: draft.cve, models: namesOf(draft) });
      await this.sampler.sample(tx, actor.orgId, id);
    });
  }

  async move(actor: Actor, id: string, expected: number | undefined, to: Advisory['state']): Promise<Advisory> {
    return this.changing(actor, id, expected, async (tx, before) => {
      if (before.state === to) throw new ProblemError('request.conflict', { detail: `the advisory is ${to} already` });
      await queryRows(
        tx,
        `update advisories set state = $2, revision = revision + 1, last_exposed = null,
           closed_at = case when $2 = 'closed' then clock_timestamp() end where id = $1`,
        [id, to],
      );
      await this.record(tx, actor, to === 'closed' ? 'advisory.closed' : 'advisory.reopened', id, { cve: before.cve });
      await this.sampler.sample(tx, actor.orgId, id);
    });
  }

  async remove(actor: Actor, id: string, expected: number | undefined): Promise<void> {
    await inTransaction(this.source, async (tx) => {
      const before = await readAdvisory(tx, actor.orgId, id, 'for update of a');
      expectRevision(before.revision, expected);
      await queryRows(tx, 'delete from advisories where id = $1', [id]);
      await this.record(tx, actor, 'advisory.deleted', id, { cve: before.cve, title: before.title });
    });
  }

  private async changing(
    actor: Actor,
    id: string,
    expected: number | undefined,
    work: (tx: EntityManager, before: AdvisoryRow) => Promise<void>,
  ): Promise<Advisory> {
    return inTransaction(this.source, async (tx) => {
      const before = await readAdvisory(tx, actor.orgId, id, 'for update of a');
      expectRevision(before.revision, expected);
      await work(tx, before);
      return advisoryView(await readAdvisory(tx, actor.orgId, id));
    });
  }

  private async check(tx: EntityManager, orgId: string, draft: AdvisoryDraft): Promise<void> {
    const errors: { path: string; message: string }[] = [];
    for (const [index, entry] of draft.models.entries()) {
      const fault = faultOfRule(entry);
      if (fault !== undefined) errors.push({ path: `body.models.${index}.affected`, message: fault });
      if (entry.fixedBy === null) continue;
      // Held until the commit, so that the artifact is not deleted meanwhile.
      const [artifact] = await queryRows<{ model: string }>(
        tx,
        'select model from artifacts where org_id = $1 and id = $2 for key share',
        [orgId, entry.fixedBy],
      );
      if (artifact?.model === entry.model) continue;
      const message = artifact ? `is for model ${artifact.model}` : 'is no artifact';
      errors.push({ path: `body.models.${index}.fixedBy`, message });
    }
    if (errors.length === 0) return;
    throw new ProblemError('request.invalid', { detail: `${errors[0]!.path}: ${errors[0]!.message}` }, errors);
  }

  private async writeModels(tx: EntityManager, id: string, draft: AdvisoryDraft): Promise<void> {
    for (const entry of draft.models) {
      await queryRows(
        tx,
        `insert into advisory_models (advisory_id, model, affected, affected_versions, unaffected_versions, fixed_by)
         values ($1, $2, $3, $4, $5, $6)`,
        [id, entry.model, entry.affected, entry.affectedVersions, entry.unaffectedVersions, entry.fixedBy],
      );
    }
  }

  private record(
    tx: EntityManager,
    actor: Actor,
    action: string,
    id: string,
    params: Record<string, unknown>,
  ): Promise<void> {
    return this.audit.record(tx, { orgId: actor.orgId, actor, action, target: { kind: 'advisory', id }, params });
  }
}

const namesOf = (draft: AdvisoryDraft): string[] => draft.models.map(({ model }) => model);

function taken(cve: string): ProblemError {
  return new ProblemError('request.conflict', { detail: `there is an advisory ${cve} already` });
}
