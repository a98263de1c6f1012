/** Rows of the advisories room, and how a person sees them. */
import type { Advisory, AdvisoryModel } from '@drydock/contracts';
import { queryRows, type Queryable } from '../../adapters/database/rows.js';
import { ProblemError } from '../../http/problem-error.js';

export interface AdvisoryRow {
  readonly id: string;
  readonly org_id: string;
  readonly cve: string;
  readonly title: string;
  readonly body: string;
  readonly severity: Advisory['severity'];
  readonly state: Advisory['state'];
  readonly revision: number;
  readonly created_at: Date;
  readonly closed_at: Date | null;
  readonly last_exposed: string | null;
  readonly models: AdvisoryModel[];
}

/** With its models; needs the alias `a`. */
export const ADVISORY = `select a.*, (select coalesce(jsonb_agg(jsonb_build_object('model', m.model, 'affected', m.affected,
    'affectedVersions', m.affected_versions, 'unaffectedVersions', m.unaffected_versions, 'fixedBy', m.fixed_by)
    order by m.model), '[]') from advisory_models m where m.advisory_id = a.id) as models
  from advisories a`;

/** @throws ProblemError `request.not-found` */
export async function readAdvisory(tx: Queryable, orgId: string, id: string, lock = ''): Promise<AdvisoryRow> {
  const [row] = await queryRows<AdvisoryRow>(tx, `${ADVISORY} where a.org_id = $1 and a.id = $2 ${lock}`, [orgId, id]);
  if (!row) throw new ProblemError('request.not-found', { what: 'advisory', id });
  return row;
}

export function advisoryView(row: AdvisoryRow): Advisory {
  return {
    id: row.id,
    cve: row.cve,
    title: row.title,
    text: row.body,
    severity: row.severity,
    state: row.state,
    models: row.models,
    createdAt: row.created_at.toISOString(),
    closedAt: row.closed_at?.toISOString() ?? null,
    revision: row.revision,
  };
}
