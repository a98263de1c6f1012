/** What runs where, over time: from hourly counts, thinned for a plot. */
import { Injectable } from '@nestjs/common';
import { DataSource } from 'typeorm';
import type { FleetVersions, FleetVersionsQuery } from '@drydock/contracts';
import { queryRows } from '../../../adapters/database/rows.js';

const MOST_POINTS = 500;
const MOST_VERSIONS = 6;
const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
/** Counts are kept once an hour: until the next one an answer stays what it was. */
const MAX_REMEMBERED = 200;

@Injectable()
export class FleetVersionsService {
  private readonly remembered = new Map<string, Promise<FleetVersions>>();

  constructor(private readonly source: DataSource) {}

  async versions(orgId: string, query: FleetVersionsQuery): Promise<FleetVersions> {
    const [newest] = await queryRows<{ at: string | null }>(
      this.source.manager,
      'select max(at)::text as at from fleet_versions where org_id = $1',
      [orgId],
    );
    const key = JSON.stringify([orgId, newest?.at ?? null, query.days, query.model ?? null, query.seen]);
    const known = this.remembered.get(key);
    if (known) return known;
    const reading = this.read(orgId, query);
    reading.catch(() => this.remembered.delete(key));
    const [oldest] = this.remembered.keys();
    if (this.remembered.size >= MAX_REMEMBERED && oldest !== undefined) this.remembered.delete(oldest);
    this.remembered.set(key, reading);
    return reading;
  }

  private async read(orgId: string, query: FleetVersionsQuery): Promise<FleetVersions> {
    const column = query.seen === 'all' ? 'n' : 'seen';
    const rows = await queryRows<{ at: Date; place: number; model: string; version: string; n: number }>(
      this.source.manager,
      // Of each slot of time the last look, so that a plot never has more points than it can show. Summed here: a look may
      // have hundreds of kinds, and a plot has eight. Places: 1 to 6 named, 7 other, 8 not known.
      `with looks as materialized (
         select distinct on (slot) at from (
           select at, floor(extract(epoch from now() - at) * $4::float8 / ($2::float8 * 86400)) as slot
           from (select distinct at from fleet_versions where org_id = $1 and at > now() - $2::float8 * interval '1 day') d) s
         order by slot, at desc),
       -- Those that most ran at any moment of it, so that what an update replaces is seen to go; what most run now comes first.
       top as materialized (
         select model, version, row_number() over (order by now desc, peak desc, model, version) as place from (
           select v.model, v.version, max(v.${column}) as peak,
             coalesce(max(v.${column}) filter (where v.at = (select max(at) from looks)), 0) as now
           from looks join fleet_versions v on v.org_id = $1 and v.at = looks.at
           where v.version not in ('', '*') and v.${column} > 0 and ($3::text is null or v.model = $3)
           group by 1, 2 order by 3 desc, 1, 2 limit ${MOST_VERSIONS}) often)
       select v.at, coalesce(t.place, case v.version when '' then ${MOST_VERSIONS + 2} else ${MOST_VERSIONS + 1} end)::int as place,
         coalesce(max(t.model), '') as model, coalesce(max(t.version), '') as version, sum(v.${column})::float8 as n
       from looks join fleet_versions v on v.org_id = $1 and v.at = looks.at
         left join top t on t.model = v.model and t.version = v.version
       where $3::text is null or v.model = $3 group by 1, 2 order by 1, 2`,
      [orgId, query.days, query.model ?? null, MOST_POINTS - 1],
    );
    const top: { model: string; version: string }[] = [];
    for (const row of rows) if (row.place <= MOST_VERSIONS) top[row.place - 1] ??= row;
    const points = new Map<number, FleetVersions['points'][number]>();
    for (const { at, place, n } of rows) {
      const point = points.get(at.getTime()) ?? {
        at: at.toISOString(),
        n: top.map(() => 0),
        other: 0,
        unknown: 0,
        total: 0,
      };
      points.set(at.getTime(), point);
      if (place <= MOST_VERSIONS) point.n[place - 1] = n;
      else if (place === MOST_VERSIONS + 1) point.other = n;
      else point.unknown = n;
      point.total += n;
    }
    return {
      versions: top.map((row) => ({ model: row.model === '' ? null : row.model, version: row.version })),
      points: [...points.values()],
      gapMs: Math.max(3 * HOUR_MS, (3 * query.days * DAY_MS) / MOST_POINTS, query.days > 14 ? 2 * DAY_MS : 0),
    };
  }
}
