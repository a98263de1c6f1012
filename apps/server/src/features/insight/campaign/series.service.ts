/** How a campaign went over time: points that were kept, thinned for a plot, and the one of now. */
import { Injectable } from '@nestjs/common';
import { DataSource } from 'typeorm';
import { Policy, type CampaignSeries } from '@drydock/contracts';
import { queryRows } from '../../../adapters/database/rows.js';
import { expectCampaign } from '../../campaigns/deployment-reader.js';
import { POINT_OF_NOW } from '../history/campaign-points.js';

type Column = Exclude<keyof CampaignSeries['points'][number], 'at' | 'inFlight' | 'startsPerMinute'> | 'in_flight';
type PointRow = Record<Column, number> & { readonly at: Date };

const MINUTE_MS = 60_000;
/** Points farther apart than so many times their usual distance have a gap between them. */
const GAP = 3;

@Injectable()
export class SeriesService {
  constructor(private readonly source: DataSource) {}

  /** @param points at most so many, the last of them of now. @throws ProblemError `request.not-found` */
  async series(orgId: string, campaignId: string, points: number): Promise<CampaignSeries> {
    const tx = this.source.manager;
    await expectCampaign(tx, orgId, campaignId);
    const [campaign] = await queryRows<{ policy: unknown; ended: Date | null }>(
      tx,
      `select policy, case when state in ('completed', 'aborted') then state_at end as ended from campaigns where id = $1`,
      [campaignId],
    );
    const policy = Policy.parse(campaign!.policy);
    const kept = await queryRows<PointRow>(
      tx,
      `with bounds as (
         select min(at) as first, greatest(max(at), min(at) + interval '1 second') as last from campaign_points where campaign_id = $1)
       select distinct on (bucket) p.at, ${COLUMNS}
       from campaign_points p cross join bounds b cross join lateral (
         select floor(extract(epoch from p.at - b.first) / extract(epoch from b.last - b.first) * $2::float8) as bucket) x
       where p.campaign_id = $1 order by bucket, p.at desc`,
      // The last moment has a bucket of its own, and the point of now comes behind.
      [campaignId, points - 2],
    );
    const now = await queryRows<PointRow>(tx, `${POINT_OF_NOW} where c.id = $1`, [campaignId]);
    // What is over has no now: its counts are those of its end.
    const { ended } = campaign!;
    const last = ended ? now.map((row) => ({ ...row, at: ended })) : now;
    const rows = [...kept.filter(({ at }) => !ended || at < ended), ...last];
    const times = rows.map((row) => row.at.getTime());
    const steps = times.slice(1).map((at, index) => at - times[index]!);
    const usual = [...steps].sort((a, b) => a - b)[Math.floor(steps.length / 2)] ?? MINUTE_MS;
    return {
      points: rows.map(({ at, in_flight, ...counts }, index) => {
        const before = rows[index - 1];
        const minutes = before ? (at.getTime() - before.at.getTime()) / MINUTE_MS : 0;
        return {
          at: at.toISOString(),
          ...counts,
          inFlight: in_flight,
          startsPerMinute: before && minutes > 0 ? Math.max(0, counts.granted - before.granted) / minutes : null,
        };
      }),
      gapMs: Math.max(GAP * usual, GAP * MINUTE_MS),
      capPerMinute: policy.pace.maxPerMinute,
    };
  }
}

const COLUMNS = ['proven', 'failed', 'reverted', 'unproven', 'lost', 'in_flight', 'target', 'granted']
  .map((column) => `p.${column}::float8 as ${column}`)
  .join(', ');
