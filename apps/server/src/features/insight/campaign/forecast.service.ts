/** Forecasts of running campaigns: rehearsed again every few minutes from where they are, kept, and compared with before. */
import { Inject, Injectable, type OnModuleInit } from '@nestjs/common';
import { DataSource } from 'typeorm';
import type { CampaignForecast, CampaignState } from '@drydock/contracts';
import { queryRows } from '../../../adapters/database/rows.js';
import { QUEUES, type Queues } from '../../../adapters/queue/queues.js';
import { durationWords } from '../../../domain/filter/iso-duration.js';
import { expectCampaign } from '../../campaigns/deployment-reader.js';
import { RehearsalService } from '../../campaigns/rehearsal.service.js';

const LOOK_EVERY_MS = 60_000;
/** A forecast is made again after so long; large campaigns move slowly and cost more. */
const AGAIN = `case when (select coalesce(sum(n), 0) from campaign_counters n where n.campaign_id = c.id) > 20000
  then interval '30 minutes' else interval '10 minutes' end`;
/** Shown as history. */
const MOST_POINTS = 200;
const MINUTE_MS = 60_000;
/** A move that is worth a sentence. */
const MOVED_MS = 10 * MINUTE_MS;

interface OutlookRow {
  readonly at: Date;
  readonly p10: Date | null;
  readonly p50: Date | null;
  readonly p90: Date | null;
  readonly out_p50: number | null;
  readonly out_p90: number | null;
  readonly members: number;
  readonly reachable: number;
}

const iso = (time: Date | null): string | null => time?.toISOString() ?? null;

@Injectable()
export class ForecastService implements OnModuleInit {
  constructor(
    private readonly source: DataSource,
    private readonly rehearsals: RehearsalService,
    @Inject(QUEUES) private readonly queues: Queues,
  ) {}

  onModuleInit(): void {
    this.queues.define({ name: 'campaign-outlook', everyMs: LOOK_EVERY_MS }, () => this.makeNext());
  }

  /** Of the running campaign whose forecast is the oldest, if one is due. */
  async makeNext(): Promise<void> {
    const [due] = await queryRows<{ id: string; org_id: string }>(
      this.source.manager,
      `select c.id, c.org_id from campaigns c
         left join lateral (select at from campaign_outlooks where campaign_id = c.id order by at desc limit 1) last on true
       where c.state = 'running' and c.started_at < clock_timestamp() - interval '1 minute'
         and (last.at is null or last.at < clock_timestamp() - ${AGAIN})
       order by last.at nulls first, c.started_at limit 1`,
    );
    if (due) await this.make(due.org_id, due.id);
  }

  async make(orgId: string, campaignId: string): Promise<void> {
    const outlook = await this.rehearsals.outlook(orgId, campaignId);
    if (!outlook) return;
    const { p10Ms, p50Ms, p90Ms, outOfReach, members, reachable } = outlook;
    await queryRows(
      this.source.manager,
      `insert into campaign_outlooks (campaign_id, at, p10, p50, p90, out_p50, out_p90, members, reachable)
       values ($1, clock_timestamp(), to_timestamp($2::float8 / 1000), to_timestamp($3::float8 / 1000), to_timestamp($4::float8 / 1000),
         $5, $6, $7, $8)`,
      [campaignId, p10Ms, p50Ms, p90Ms, outOfReach.p50, outOfReach.p90, members, reachable],
    );
  }

  /** @throws ProblemError `request.not-found` */
  async forecast(orgId: string, campaignId: string): Promise<CampaignForecast> {
    const tx = this.source.manager;
    await expectCampaign(tx, orgId, campaignId);
    const [campaign] = await queryRows<{ state: CampaignState; recent: boolean; young: boolean }>(
      tx,
      `select c.state, coalesce(c.started_at > clock_timestamp() - interval '2 minutes', false) as young,
         exists (select 1 from attempts a where a.campaign_id = c.id and a.granted_at > clock_timestamp() - interval '1 hour') as recent
       from campaigns c where c.id = $1`,
      [campaignId],
    );
    const rows = await queryRows<OutlookRow>(
      tx,
      `select at, p10, p50, p90, out_p50, out_p90, members::float8, reachable::float8 from campaign_outlooks
       where campaign_id = $1 order by at desc limit ${MOST_POINTS}`,
      [campaignId],
    );
    const history = rows.map((row) => ({ at: iso(row.at)!, p10: iso(row.p10), p50: iso(row.p50), p90: iso(row.p90) }));
    const absent = absence(campaign!, rows[0]);
    const newest = absent === null ? rows[0] : undefined;
    return {
      at: newest ? iso(newest.at) : null,
      p10: newest ? iso(newest.p10) : null,
      p50: newest ? iso(newest.p50) : null,
      p90: newest ? iso(newest.p90) : null,
      outOfReach: { p50: newest?.out_p50 ?? null, p90: newest?.out_p90 ?? null },
      sentence: absent ?? sentenceOf(newest!),
      moved: newest ? movedOf(newest, rows) : null,
      history: history.reverse(),
    };
  }
}

/** Why there is no forecast; null where there is one. */
function absence(
  campaign: { readonly state: CampaignState; readonly recent: boolean; readonly young: boolean },
  newest: OutlookRow | undefined,
): string | null {
  if (campaign.state !== 'running') return `No forecast: the campaign is ${campaign.state}.`;
  if (campaign.young && !newest) return 'No forecast yet: the first is made within two minutes of the start.';
  if (!campaign.recent) return 'No forecast: nothing started in the last hour.';
  return newest ? null : 'No forecast yet: others are made first.';
}

function sentenceOf(row: OutlookRow): string {
  const away = row.members - row.reachable;
  const rest =
    away === 0 ? '' : ` ${away} of ${row.members} are behind no gateway that reaches them and have no forecast.`;
  if (row.p50 === null) return `Half of the runs do not reach 95 % before the deadline.${rest}`;
  return `95 % of the ${row.reachable} reachable devices are done then in eight of ten runs.${rest}`;
}

/** Against the newest forecast that is at least an hour older, or else the first. */
function movedOf(newest: OutlookRow, rows: readonly OutlookRow[]): CampaignForecast['moved'] {
  const hour = newest.at.getTime() - 60 * MINUTE_MS;
  const before = rows.find((row) => row.at.getTime() <= hour) ?? rows.at(-1)!;
  if (before === newest || newest.p50 === null || before.p50 === null) return null;
  const byMs = newest.p50.getTime() - before.p50.getTime();
  if (Math.abs(byMs) < MOVED_MS) return null;
  const lost = newest.members - newest.reachable - (before.members - before.reachable);
  const why =
    lost > 0
      ? `${lost} devices lost the gateway that reached them`
      : lost < 0
        ? `${-lost} devices can be reached again`
        : newest.members > before.members
          ? `${newest.members - before.members} devices joined`
          : byMs > 0
            ? 'updates take longer, or fail more often, than was expected'
            : 'updates are quicker, or fail less often, than was expected';
  const by = durationWords(Math.round(Math.abs(byMs) / MINUTE_MS) * MINUTE_MS);
  return { byMs, since: iso(before.at)!, sentence: `${byMs > 0 ? 'Later' : 'Earlier'} by ${by}: ${why}.` };
}
