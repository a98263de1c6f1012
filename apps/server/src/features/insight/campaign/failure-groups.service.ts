/** What failed, by code, and where it gathers: the devices of a campaign that failed or reverted, against those tried. */
import { Injectable } from '@nestjs/common';
import { DataSource } from 'typeorm';
import {
  errorSentence,
  isErrorCode,
  type FAILURE_DIMENSIONS,
  type FailureGroupQuery,
  type FailureGroups,
} from '@drydock/contracts';
import { queryRows } from '../../../adapters/database/rows.js';
import { factsOfCode } from '../../../domain/deployment/retry.js';
import { gatheringOf } from '../../../domain/rates/gathering.js';
import { shareOf } from '../../../domain/sums/shares.js';
import { SharedReads } from '../../../http/shared-reads.js';
import { expectCampaign } from '../../campaigns/deployment-reader.js';

type Dimension = (typeof FAILURE_DIMENSIONS)[number];
type Place = Exclude<Dimension, 'code'>;
type Item = FailureGroups['items'][number];

/** Failed devices that are looked at; the brake stops long before a healthy campaign has so many. */
const MOST_FAILED = 20_000;
/** Devices tried whose models and protocols are counted; above it those two dimensions are not compared. */
const MOST_COUNTED = 50_000;
const MOST_COUNTED_UNASKED = 2_000;
const MOST_ITEMS = 100;
const EXAMPLES = 3;
/** Where a code is looked for when nobody says where, in this order among equals. */
const PLACES: readonly Place[] = ['gateway', 'site', 'version', 'model', 'protocol'];

interface Failed {
  readonly device: string;
  readonly name: string | null;
  readonly code: string;
  readonly keys: Readonly<Record<Place, string>>;
}

interface Tried {
  readonly all: number;
  /** By dimension and key; a dimension that is missing was not counted. */
  readonly by: ReadonlyMap<Place, ReadonlyMap<string, { readonly n: number; readonly name: string }>>;
}

@Injectable()
export class FailureGroupsService {
  private readonly shared = new SharedReads();

  constructor(private readonly source: DataSource) {}

  /** @throws ProblemError `request.not-found` */
  async groups(orgId: string, campaignId: string, query: FailureGroupQuery): Promise<FailureGroups> {
    const { revision, large } = await expectCampaign(this.source.manager, orgId, campaignId);
    return this.shared.read(`${campaignId} ${revision} ${query.by} ${query.code ?? ''}`, large, () =>
      this.group(campaignId, query),
    );
  }

  private async group(campaignId: string, query: FailureGroupQuery): Promise<FailureGroups> {
    const failed = await this.failed(campaignId);
    const counters = await this.counters(campaignId);
    const tried = await this.tried(campaignId, counters.tried, failed, query.by);
    const wanted = failed.filter(({ code }) => query.code === undefined || code === query.code);
    const items: Item[] = [];
    for (const [code, devices] of groupBy(wanted, (one) => one.code)) {
      if (query.by === 'code') items.push(itemOf(code, devices, worstOf(devices, tried)));
      else {
        for (const [key, there] of groupBy(devices, (one) => one.keys[query.by as Place])) {
          items.push(itemOf(code, there, gathering(query.by, key, there.length, devices.length, tried)));
        }
      }
    }
    const excess = (item: Item): number => (query.by === 'code' ? item.n : (item.group?.excess ?? 0));
    return {
      by: query.by,
      tried: counters.tried,
      failed: counters.failed,
      complete: failed.length <= MOST_FAILED,
      items: items
        .sort((a, b) => excess(b) - excess(a) || b.n - a.n || (a.code < b.code ? -1 : 1))
        .slice(0, MOST_ITEMS),
    };
  }

  private async counters(campaignId: string): Promise<{ tried: number; failed: number }> {
    const [row] = await queryRows<{ tried: number; failed: number }>(
      this.source.manager,
      `select (c.next_ordinal - 1)::float8 as tried,
         (select coalesce(sum(n), 0)::float8 from campaign_counters n where n.campaign_id = c.id and n.state in ('failed', 'reverted'))
           as failed
       from campaigns c where c.id = $1`,
      [campaignId],
    );
    return row!;
  }

  private async failed(campaignId: string): Promise<Failed[]> {
    const rows = await queryRows<{
      device: string;
      name: string | null;
      code: string;
      gateway: string;
      site: string;
      version: string;
      model: string;
      protocol: string;
    }>(
      this.source.manager,
      `select dep.device_id as device, dev.name,
         case when dep.state = 'reverted' then 'reverted' else coalesce(dep.outcome_code, 'unknown') end as code,
         coalesce(dep.gateway_id::text, '') as gateway, coalesce(dep.site_id, dev.site_id)::text as site,
         dep.stratum_idx::text as version, coalesce(dev.model, '') as model, coalesce(dev.protocol, '') as protocol
       from campaign_stages s cross join unnest(array['failed', 'reverted']) as wanted(state)
         cross join lateral (select * from deployments d
           where d.campaign_id = s.campaign_id and d.stage_idx = s.idx and d.state = wanted.state
           limit ${MOST_FAILED + 1}) dep
         -- looked up one by one: a join might read all devices for a few failures
         cross join lateral (select d.name, d.site_id, d.model, d.protocol from devices d where d.id = dep.device_id limit 1) dev
       where s.campaign_id = $1 limit ${MOST_FAILED + 1}`,
      [campaignId],
    );
    return rows.map(({ device, name, code, ...keys }) => ({ device, name, code, keys }));
  }

  /** How many were tried where something failed, from what the engine counts as it grants. */
  private async tried(campaignId: string, all: number, failed: readonly Failed[], by: Dimension): Promise<Tried> {
    const keysOf = (place: Place): string[] => [...new Set(failed.map((one) => one.keys[place]))].filter(Boolean);
    const rows = await queryRows<{ dimension: Place; key: string; name: string; n: number }>(
      this.source.manager,
      `select h.kind as dimension, h.ref_id::text as key, coalesce(g.name, s.name, '') as name, h.tried::float8 as n
       from campaign_holders h left join gateways g on h.kind = 'gateway' and g.id = h.ref_id
         left join sites s on h.kind = 'site' and s.id = h.ref_id
       where h.campaign_id = $1 and h.kind in ('gateway', 'site') and h.ref_id = any($2::uuid[])
       union all
       select 'version', idx::text, case when version = '' then 'not known' else version end, tried::float8
       from campaign_strata where campaign_id = $1 and idx = any($3::int[])`,
      [campaignId, [...keysOf('gateway'), ...keysOf('site')], keysOf('version')],
    );
    if (failed.length > 0) {
      for (const column of ['model', 'protocol'] as const) {
        // Of one model and one protocol are nearly all campaigns: only who asks pays for more.
        if (all > (by === column ? MOST_COUNTED : MOST_COUNTED_UNASKED)) continue;
        const counted = await queryRows<{ key: string; n: number }>(
          this.source.manager,
          `select coalesce(dev.${column}, '') as key, count(*)::float8 as n from deployments dep
             join devices dev on dev.id = dep.device_id
           where dep.campaign_id = $1 and dep.stratum_ordinal is not null group by 1`,
          [campaignId],
        );
        rows.push(...counted.map((row) => ({ dimension: column, name: row.key, ...row })));
      }
    }
    const places = new Map(
      [...groupBy(rows, (row) => row.dimension)].map(
        ([dimension, own]) => [dimension, new Map(own.map((row) => [row.key, { n: row.n, name: row.name }]))] as const,
      ),
    );
    return { all, by: places };
  }
}

/** @param all failures of the same code in the whole campaign. */
function gathering(dimension: Place, key: string, n: number, all: number, tried: Tried): Item['group'] {
  const place = tried.by.get(dimension)?.get(key);
  if (!place) return null;
  // Counters of trials may lag behind a device that changed its gateway between two tries.
  const there = shareOf(n, Math.max(n, place.n));
  const elsewhere = shareOf(all - n, Math.max(all - n, tried.all - there.of));
  return { dimension, key, name: place.name, there, elsewhere, ...gatheringOf(there, elsewhere) };
}

/** The one place where a code stands out; null where it is spread evenly. */
function worstOf(devices: readonly Failed[], tried: Tried): Item['group'] {
  let worst: Item['group'] = null;
  for (const dimension of PLACES) {
    for (const [key, there] of groupBy(devices, (one) => one.keys[dimension])) {
      const found = gathering(dimension, key, there.length, devices.length, tried);
      if (found?.credible && (worst === null || found.excess > worst.excess)) worst = found;
    }
  }
  return worst;
}

function itemOf(code: string, devices: readonly Failed[], group: Item['group']): Item {
  return {
    code,
    blame: code === 'reverted' ? 'firmware' : factsOfCode(code).blame,
    sentence:
      code === 'reverted'
        ? 'The device was proven and later reported another image.'
        : isErrorCode(code)
          ? errorSentence(code)
          : code,
    n: devices.length,
    group,
    devices: devices.slice(0, EXAMPLES).map(({ device, name }) => ({ id: device, name })),
  };
}

function groupBy<T, K>(items: readonly T[], key: (item: T) => K): Map<K, T[]> {
  const groups = new Map<K, T[]>();
  for (const item of items) {
    const group = groups.get(key(item));
    if (group) group.push(item);
    else groups.set(key(item), [item]);
  }
  return groups;
}
