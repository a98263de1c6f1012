/** The plan of a campaign as it was kept: its versions, what each changed, and what differs from it now. */
import { Injectable } from '@nestjs/common';
import { DataSource } from 'typeorm';
import {
  Policy,
  PolicyDiff,
  Selector,
  type Campaign,
  type PlanChanges,
  type PlanVersion,
  type PlanVersions,
  type StoredPlan,
} from '@drydock/contracts';
import { queryRows } from '../../../adapters/database/rows.js';
import { diffPlans, type Json, type PlanLine } from '../../../domain/campaign/plan-diff.js';
import { planDigest } from '../../../domain/campaign/plan-digest.js';
import { ProblemError } from '../../../http/problem-error.js';
import { expectCampaign } from '../../campaigns/deployment-reader.js';

/** Versions that are listed. */
const MOST_LISTED = 30;
/** A list of this many words is shown as its length. */
const MOST_WORDS = 20;

interface VersionRow {
  readonly version: number;
  readonly at: Date;
  readonly by_name: string | null;
  readonly used_at: Date | null;
  readonly approved_at: Date | null;
  readonly name: string;
  readonly note: string;
  readonly artifact: Campaign['artifact'];
  readonly selector: unknown;
  readonly policy: unknown;
}

const VERSION = `select p.version, p.at, p.by_name, p.used_at, p.approved_at, p.name, p.note, p.selector, p.policy,
    jsonb_build_object('id', a.id, 'sha256', a.sha256, 'fileName', a.file_name, 'model', a.model, 'version', a.version,
      'format', a.format) as artifact
  from campaign_plans p join artifacts a on a.id = p.artifact_id where p.campaign_id = $1`;

@Injectable()
export class PlanHistoryService {
  constructor(private readonly source: DataSource) {}

  /** Newest first. @throws ProblemError `request.not-found` */
  async versions(orgId: string, campaignId: string): Promise<PlanVersions> {
    await expectCampaign(this.source.manager, orgId, campaignId);
    const rows = await queryRows<VersionRow>(
      this.source.manager,
      `${VERSION} order by p.version desc limit ${MOST_LISTED + 1}`,
      [campaignId],
    );
    const plans = rows.map((row) => ({ row, plan: plainPlan(row) }));
    const newest = plans[0];
    const items = plans
      .slice(0, MOST_LISTED)
      .map(({ row, plan }, index) => toVersion(row, plan, plans[index + 1]?.plan, newest!.plan, index === 0));
    return { items, more: rows.length > MOST_LISTED };
  }

  /** @throws ProblemError `request.not-found` */
  async version(orgId: string, campaignId: string, version: number): Promise<StoredPlan> {
    const { items } = await this.versions(orgId, campaignId);
    const row = await this.row(campaignId, version);
    const listed = items.find((item) => item.version === version);
    const own = plainPlan(row);
    const { name, note, artifact } = row;
    return {
      ...(listed ?? toVersion(row, own, undefined, plainPlan(await this.row(campaignId, items[0]!.version)), false)),
      name,
      note,
      artifact,
      selector: Selector.parse(row.selector),
      policy: Policy.parse(row.policy),
    };
  }

  /** What differs now from a version. @throws ProblemError `request.not-found` */
  async changes(orgId: string, campaignId: string, version: number): Promise<PlanChanges> {
    await expectCampaign(this.source.manager, orgId, campaignId);
    const then = await this.row(campaignId, version);
    const [now] = await queryRows<VersionRow>(this.source.manager, `${VERSION} order by p.version desc limit 1`, [
      campaignId,
    ]);
    return { from: version, to: now!.version, lines: linesOf(plainPlan(then), plainPlan(now!)) };
  }

  private async row(campaignId: string, version: number): Promise<VersionRow> {
    const [row] = await queryRows<VersionRow>(this.source.manager, `${VERSION} and p.version = $2`, [
      campaignId,
      version,
    ]);
    if (!row) throw new ProblemError('request.not-found', { what: 'version of the plan', id: String(version) });
    return row;
  }
}

function toVersion(row: VersionRow, plan: Json, before: Json | undefined, now: Json, current: boolean): PlanVersion {
  return {
    version: row.version,
    at: row.at.toISOString(),
    by: row.by_name,
    usedAt: row.used_at?.toISOString() ?? null,
    approvedAt: row.approved_at?.toISOString() ?? null,
    planDigest: planDigest({ artifactSha256: row.artifact.sha256, selector: row.selector, policy: row.policy }),
    current,
    lines: before === undefined ? [] : linesOf(before, plan),
    fieldsSince: current ? 0 : diffPlans(plan, now).length,
  };
}

/** With every default filled in, so that a plan that says nothing equals one that says the default. */
function plainPlan(row: VersionRow): Json {
  return JSON.parse(
    JSON.stringify({
      name: row.name,
      note: row.note,
      artifact: row.artifact.sha256,
      selector: Selector.parse(row.selector),
      policy: Policy.parse(row.policy),
    }),
  ) as Json;
}

function linesOf(from: Json, to: Json): PolicyDiff['lines'] {
  return diffPlans(from, to).map((line: PlanLine) => ({ ...line, from: short(line.from), to: short(line.to) }));
}

/** Thousands of ids say nothing to a reader. */
function short(value: Json): Json {
  return Array.isArray(value) && value.length > MOST_WORDS ? `${value.length} entries` : value;
}
