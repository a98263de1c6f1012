/** What runs where, over time: from hourly counts, thinned for a plot. */
import { Injectable } from '@nestjs/common';
import { DataSource } from 'typeorm';
import type { FleetVersions, FleetVersionsQuery } from '@drydock/contracts';
import { queryRows } from '../../../adapters/database/rows.js';

const MOST_POINTS = 500;
const MOST_VERSIONS = 6;
const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

@Injectable()
export class FleetVersionsService {
  constructor(private readonly source: DataSource) {}

  async versions(orgId: string, query: FleetVersionsQuery): Promise<FleetVersions> {
    const column = query.seen === 'all' ? 'n' : 'seen';
    const rows = await queryRows<{ at: Date; model: string; version: string; n: number }>(
      this.source.manager,
      // Of each slot of time the last look, so that a plot never has more points than it can show.
      `with looks as (
         select distinct on (slot) at from (
           select at, floor(extract(epoch from now() - at) * $4::float8 / ($2::float8 * 86400)) as slot
           from (select distinct at from fleet_versions where org_id = $1 and at > now() - $2::float8 * interval '1 day') d) s
         order by slot, at desc)
       select v.at, v.model, v.version, v.${column}::float8 as n from fleet_versions v join looks using (at)
       where v.org_id = $1 and ($3::text is null or v.model = $3) order by v.at, v.model, v.version`,
      [orgId, query.days, query.model ?? null, MOST_POINTS - 1],
    );
    const newest = rows.at(-1)?.at.getTime();
    const named = rows.filter((row) => row.version !== '' && row.version !== '*');
    const top = named
      .filter((row) => row.at.getTime() === newest && row.n > 0)
      .sort((a, b) => b.n - a.n)
      .slice(0, MOST_VERSIONS);
    const placeOf = new Map(top.map((row, index) => [`${row.model}\n${row.version}`, index]));
    const points = new Map<number, FleetVersions['points'][number]>();
    for (const row of rows) {
      const at = row.at.getTime();
      const point = points.get(at) ?? {
        at: row.at.toISOString(),
        n: top.map(() => 0),
        other: 0,
        unknown: 0,
        total: 0,
      };
      points.set(at, point);
      const place = placeOf.get(`${row.model}\n${row.version}`);
      if (place !== undefined) point.n[place] = row.n;
      else if (row.version === '') point.unknown += row.n;
      else point.other += row.n;
      point.total += row.n;
    }
    return {
      versions: top.map((row) => ({ model: row.model === '' ? null : row.model, version: row.version })),
      points: [...points.values()],
      gapMs: Math.max(3 * HOUR_MS, (3 * query.days * DAY_MS) / MOST_POINTS, query.days > 14 ? 2 * DAY_MS : 0),
    };
  }
}
