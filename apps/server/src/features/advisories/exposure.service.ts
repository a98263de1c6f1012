/** "Who is still exposed?": counts, devices, history. */
import { Injectable } from '@nestjs/common';
import type {
  Exposure,
  ExposedDevice,
  ExposureDeviceQuery,
  ExposureHistoryQuery,
  ExposureSample,
} from '@drydock/contracts';
import { DataSource } from 'typeorm';
import { z } from 'zod';
import { queryRows } from '../../adapters/database/rows.js';
import { databaseNowMs } from '../../adapters/database/transaction.js';
import { judgeOf } from '../../domain/advisory/affected.js';
import { decodeCursor, toPage } from '../../http/cursor.js';
import type { Actor } from '../access/actor.js';
import { readAdvisory, type AdvisoryRow } from './advisory-rows.js';
import { countExposure, runningVersions, SILENT, type VersionCount } from './exposure-counts.js';

const MAX_LINES = 200;

type Tally = { devices: number; silent: number };

interface DeviceRow {
  id: string;
  name: string | null;
  model: string;
  running_version: string | null;
  site_id: string;
  gateway_id: string | null;
  silent: boolean;
  last_seen_at: Date;
}

/** A count that was slow is shared for so many times what it took: a million devices take about a second. */
const SHARED_FOR = 10;
const SLOW_MS = 100;
const MAX_SHARED = 100;

interface Counted {
  readonly counts: readonly VersionCount[];
  readonly atMs: number;
}

@Injectable()
export class ExposureService {
  /** By advisory and its revision; while a count runs, everybody who asks waits for it. */
  private readonly shared = new Map<string, Promise<Counted>>();

  constructor(private readonly source: DataSource) {}

  async exposure(actor: Actor, advisoryId: string): Promise<Exposure> {
    const { manager } = this.source;
    const advisory = await readAdvisory(manager, actor.orgId, advisoryId);
    const { counts, atMs } = await this.counted(advisory);
    const sum = (wanted: VersionCount['status'], model?: string): Tally =>
      tally(counts.filter((count) => count.status === wanted && (model === undefined || count.model === model)));
    const { lines, more } = await this.sites(counts);
    return {
      advisory: { id: advisory.id, cve: advisory.cve, title: advisory.title, severity: advisory.severity },
      atMs,
      affected: sum('affected'),
      unaffected: sum('unaffected'),
      unknown: sum('unknown'),
      total: tally(counts).devices,
      models: advisory.models.map(({ model }) => ({
        model,
        affected: sum('affected', model),
        unaffected: sum('unaffected', model),
        unknown: sum('unknown', model),
      })),
      versions: versionLines(counts),
      sites: lines,
      moreSites: more,
    };
  }

  /** In the order of model, version, id; a page costs the same wherever it lies. */
  async devices(actor: Actor, query: ExposureDeviceQuery): Promise<{ items: ExposedDevice[]; next?: string }> {
    const advisory = await readAdvisory(this.source.manager, actor.orgId, query.advisory);
    const cursor = query.after ? decodeCursor(query.after, z.tuple([z.string(), z.string(), z.uuid()])) : undefined;
    const all = await this.pairs(actor.orgId, advisory, query);
    const pairs = cursor ? all.filter((pair) => comparePairs(pair, cursor) >= 0) : all;
    const resumes = cursor !== undefined && pairs[0] !== undefined && comparePairs(pairs[0], cursor) === 0;
    const found = (condition: string) => `(select d.id, d.name, d.model, d.running_version, d.site_id, d.gateway_id,
        ${SILENT} as silent, d.last_seen_at
      from devices d left join gateways gw on gw.id = d.gateway_id
      where d.org_id = $1 and d.state = 'active' and d.model = p.model and ${condition}
        and (p.n > 1 or $4::uuid is null or d.id > $4::uuid) and ($5::uuid is null or d.site_id = $5::uuid)
        and ($6::boolean is null or ${SILENT} = $6::boolean)
      order by d.id limit $7)`;
    const rows = await queryRows<DeviceRow>(
      this.source.manager,
      `select x.* from unnest($2::text[], $3::text[]) with ordinality as p(model, version, n)
       cross join lateral (
         ${found('p.version is not null and d.running_version = p.version')}
         union all ${found('p.version is null and d.running_version is null')}) x
       order by p.n, x.id limit $7`,
      [
        actor.orgId,
        pairs.map(({ model }) => model),
        pairs.map(({ version }) => version),
        resumes ? cursor![2] : null,
        query.site ?? null,
        query.silent ?? null,
        query.limit + 1,
      ],
    );
    return toPage(
      rows,
      query.limit,
      (row) => [row.model, versionKey(row.running_version), row.id],
      (row) => ({
        device: row.id,
        name: row.name,
        model: row.model,
        version: row.running_version,
        site: row.site_id,
        gateway: row.gateway_id,
        silent: row.silent,
        lastSeenAt: row.last_seen_at.toISOString(),
      }),
    );
  }

  /** Oldest first. */
  async history(actor: Actor, query: ExposureHistoryQuery): Promise<{ items: ExposureSample[]; next?: string }> {
    const advisory = await readAdvisory(this.source.manager, actor.orgId, query.advisory);
    const [at, model] = query.after ? decodeCursor(query.after, z.tuple([z.iso.datetime(), z.string()])) : [null, null];
    const rows = await queryRows<{
      at: Date;
      model: string;
      affected: string;
      affected_silent: string;
      unknown: string;
      total: string;
    }>(
      this.source.manager,
      `select * from exposure_samples where advisory_id = $1 and ($2::text is null or model = $2)
         and ($3::timestamptz is null or at >= $3) and ($4::timestamptz is null or at < $4)
         and ($5::timestamptz is null or (at, model) > ($5, $6::text)) order by at, model limit $7`,
      [advisory.id, query.model ?? null, query.from ?? null, query.to ?? null, at, model, query.limit + 1],
    );
    return toPage(
      rows,
      query.limit,
      (row) => [row.at.toISOString(), row.model],
      (row) => ({
        at: row.at.toISOString(),
        model: row.model,
        affected: Number(row.affected),
        affectedSilent: Number(row.affected_silent),
        unknown: Number(row.unknown),
        total: Number(row.total),
      }),
    );
  }

  /** Model and version of what is asked for, in order; a null version stands for devices that say none. */
  private async pairs(orgId: string, advisory: AdvisoryRow, query: ExposureDeviceQuery): Promise<Pair[]> {
    const entries = advisory.models.filter(({ model }) => query.model === undefined || model === query.model);
    const judges = new Map(entries.map((entry) => [entry.model, judgeOf(entry)]));
    const running = await runningVersions(
      this.source.manager,
      orgId,
      entries.map(({ model }) => model),
    );
    const pairs: Pair[] = running.filter(({ model, version }) => judges.get(model)!(version) === query.status);
    if (query.status === 'unknown') pairs.push(...entries.map(({ model }) => ({ model, version: null })));
    return pairs.sort((a, b) => comparePairs(a, [b.model, versionKey(b.version)]));
  }

  private counted(advisory: AdvisoryRow): Promise<Counted> {
    const key = `${advisory.id} ${advisory.revision}`;
    const known = this.shared.get(key);
    if (known) return known;
    const forget = () => this.shared.delete(key);
    const started = performance.now();
    const counting = (async () => {
      const atMs = await databaseNowMs(this.source.manager);
      return { counts: await countExposure(this.source.manager, advisory.org_id, advisory.models), atMs };
    })();
    counting.then(() => {
      const tookMs = performance.now() - started;
      if (tookMs < SLOW_MS) forget();
      else setTimeout(forget, tookMs * SHARED_FOR).unref();
    }, forget);
    if (this.shared.size >= MAX_SHARED) this.shared.delete(this.shared.keys().next().value!);
    this.shared.set(key, counting);
    return counting;
  }

  private async sites(counts: readonly VersionCount[]): Promise<{ lines: Exposure['sites']; more: boolean }> {
    const bySite = new Map<string, { affected: number; unknown: number; silent: number }>();
    for (const { site, status, devices, silent } of counts) {
      if (status === 'unaffected') continue;
      const entry = bySite.get(site) ?? { affected: 0, unknown: 0, silent: 0 };
      entry[status] += devices;
      entry.silent += silent;
      bySite.set(site, entry);
    }
    const worst = [...bySite].sort(
      ([a, x], [b, y]) => y.affected - x.affected || y.unknown - x.unknown || (a < b ? -1 : 1),
    );
    const shown = worst.slice(0, MAX_LINES);
    const names = await queryRows<{ id: string; name: string }>(
      this.source.manager,
      'select id, name from sites where id = any($1::uuid[])',
      [shown.map(([id]) => id)],
    );
    const nameOf = new Map(names.map(({ id, name }) => [id, name]));
    return {
      lines: shown.map(([site, entry]) => ({ site, name: nameOf.get(site) ?? '', ...entry })),
      more: worst.length > shown.length,
    };
  }
}

interface Pair {
  readonly model: string;
  readonly version: string | null;
}

/** None comes first; no version begins with this. */
const versionKey = (version: string | null): string => (version === null ? '' : `=${version}`);

function comparePairs(a: Pair, [model, key]: readonly [string, string, ...unknown[]]): number {
  const own = versionKey(a.version);
  if (a.model !== model) return a.model < model ? -1 : 1;
  return own === key ? 0 : own < key ? -1 : 1;
}

function tally(counts: readonly VersionCount[]): Tally {
  return counts.reduce(
    (sum, { devices, silent }) => ({ devices: sum.devices + devices, silent: sum.silent + silent }),
    {
      devices: 0,
      silent: 0,
    },
  );
}

function versionLines(counts: readonly VersionCount[]): Exposure['versions'] {
  const lines = new Map<string, Exposure['versions'][number]>();
  for (const { model, version, status, devices, silent } of counts) {
    const key = `${model} ${versionKey(version)}`;
    const line = lines.get(key) ?? { model, version, status, devices: 0, silent: 0 };
    line.devices += devices;
    line.silent += silent;
    lines.set(key, line);
  }
  return [...lines.values()].sort((a, b) => b.devices - a.devices).slice(0, MAX_LINES);
}
