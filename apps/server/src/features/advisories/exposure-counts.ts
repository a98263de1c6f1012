/**
 * Who runs what, counted by the database and judged here: the number of different versions of a model is small, however
 * many devices there are.
 */
import type { AdvisoryModel } from '@drydock/contracts';
import { queryRows, type Queryable } from '../../adapters/database/rows.js';
import { judgeOf, type Verdict } from '../../domain/advisory/affected.js';

/** A device is silent when no gateway that works would reach it now. Needs the alias gw, which may be null. */
export const SILENT = `(gw.id is null or not gw.online or gw.state <> 'active')`;

export interface VersionCount {
  readonly model: string;
  readonly version: string | null;
  readonly site: string;
  readonly devices: number;
  readonly silent: number;
  readonly status: Verdict;
}

/** Devices of the advisory's models by version and site, with the verdict on each version. */
export async function countExposure(
  tx: Queryable,
  orgId: string,
  models: readonly AdvisoryModel[],
): Promise<VersionCount[]> {
  const rows = await queryRows<{
    model: string;
    version: string | null;
    site: string;
    devices: number;
    silent: number;
  }>(
    tx,
    // Counted by gateway first, from the index alone; only then is each gateway looked at, once.
    `select d.model, d.running_version as version, d.site_id as site, sum(d.n)::int as devices,
       (sum(d.n) filter (where ${SILENT}))::int as silent
     from (select model, running_version, site_id, gateway_id, count(*) as n from devices
           where org_id = $1 and state = 'active' and model = any($2::text[])
           group by model, running_version, site_id, gateway_id) d
     left join gateways gw on gw.id = d.gateway_id
     group by d.model, d.running_version, d.site_id`,
    [orgId, models.map(({ model }) => model)],
  );
  const judges = new Map(models.map((entry) => [entry.model, judgeOf(entry)]));
  return rows.map((row) => ({ ...row, silent: row.silent ?? 0, status: judges.get(row.model)!(row.version) }));
}

/** Versions that run, by model, without reading a device for each: from one value of the index to the next. */
export async function runningVersions(
  tx: Queryable,
  orgId: string,
  models: readonly string[],
): Promise<{ model: string; version: string }[]> {
  const next = (after: string) => `(select running_version from devices d
    where d.org_id = $1 and d.state = 'active' and d.model = m.model and ${after} order by running_version limit 1)`;
  return queryRows(
    tx,
    `with recursive m(model, version) as (
       select model, ${next('running_version is not null')} from unnest($2::text[]) as m(model)
       union all select m.model, ${next('running_version > m.version')} from m where m.version is not null)
     select model, version from m where version is not null`,
    [orgId, models],
  );
}

export interface ModelNumbers {
  affected: number;
  affectedSilent: number;
  unknown: number;
  total: number;
}

/** Sums by model; a model without devices has zeros, so that its history shows that. */
export function numbersByModel(
  models: readonly AdvisoryModel[],
  counts: readonly VersionCount[],
): Map<string, ModelNumbers> {
  const numbers = new Map(
    models.map(({ model }) => [model, { affected: 0, affectedSilent: 0, unknown: 0, total: 0 } as ModelNumbers]),
  );
  for (const count of counts) {
    const entry = numbers.get(count.model)!;
    entry.total += count.devices;
    if (count.status === 'affected') {
      entry.affected += count.devices;
      entry.affectedSilent += count.silent;
    } else if (count.status === 'unknown') entry.unknown += count.devices;
  }
  return numbers;
}
