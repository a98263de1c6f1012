/** Campaigns and deployments as the API shows them. Counts come from counters, so reading costs the same at any size. */
import { Injectable } from '@nestjs/common';
import { DataSource } from 'typeorm';
import { z } from 'zod';
import {
  Policy,
  Selector,
  type BrakeBody,
  type Campaign,
  type CampaignPage,
  type CampaignQuery,
  type CampaignState,
  type CampaignSummary,
  type PauseAnswer,
  type StageBody,
  type StateCounts,
  type SumsBody,
} from '@drydock/contracts';
import { queryRows } from '../../adapters/database/rows.js';
import { planDigest } from '../../domain/campaign/plan-digest.js';
import { standingSentence } from '../../domain/campaign/standstill.js';
import { gateLines } from '../../domain/stage-gate/gate-lines.js';
import { partsOf, sharesOf } from '../../domain/sums/shares.js';
import { sumsOf, type Counts, type Sums } from '../../domain/sums/sums.js';
import { CursorTime, decodeCursor, toPage } from '../../http/cursor.js';
import { ProblemError } from '../../http/problem-error.js';
import { SharedReads } from '../../http/shared-reads.js';
import { brakeBodyOf, holdersShown } from '../dispatch/brake-body.js';
import { loadCampaign, nowOf } from '../dispatch/campaign-row.js';
import { loadSnapshot } from '../dispatch/campaign-snapshot.js';
import { countSuspects, loadStages } from '../dispatch/campaign-stages.js';
import { filterToSql, LIVE_CAMPAIGN } from '../../domain/filter/filter-sql.js';
import { readFilter, readFilteredList } from '../fleet/device-filter.js';
import { SqlFilter } from '../fleet/sql-filter.js';
import { givenApprovals, neededApprovals } from './approvals.js';
import { readExposure } from './campaign-moves.js';
import { expectCampaign } from './deployment-reader.js';
import { readPlaceNames, readQuarantines, readStrata } from './campaign-parts.js';

const iso = (time: Date | null): string | null => time?.toISOString() ?? null;
const isoText = (time: string | null): string | null => (time === null ? null : new Date(time).toISOString());
const isoOf = (ms: number | null): string | null => (ms === null ? null : new Date(ms).toISOString());

interface SummaryRow {
  id: string;
  name: string;
  note: string;
  artifact: Campaign['artifact'];
  selector: unknown;
  policy: unknown;
  state: CampaignState;
  state_by: string | null;
  state_reason: string | null;
  state_at: Date;
  revision: number;
  created_at: Date;
  created_key: string;
  started_at: Date | null;
  ended_at: Date | null;
  deadline_at: Date | null;
  start_at: Date | null;
  none_after: Date | null;
  preempted: number | null;
  rolls_back: string | null;
  amber: boolean;
  standing: string | null;
  standing_since: Date | null;
  counts: Counts | null;
  created_by_name: string | null;
  stage: Campaign['stage'];
  /** Times as JSON writes them. */
  ends: { p10: string | null; p50: string | null; p90: string | null } | null;
}

const SUMMARY = `select c.id, c.name, c.note, c.selector, c.policy, c.state, c.state_by, c.state_reason, c.state_at, c.revision,
    c.created_at, c.created_at::text as created_key, c.started_at, c.ended_at, c.deadline_at, c.start_at,
    c.none_after, c.preempted, c.rolls_back, c.amber, c.standing, c.standing_since,
    (select p.name from people p where p.id = c.created_by) as created_by_name,
    (select jsonb_build_object('index', s.idx, 'of', (select count(*) from campaign_stages o where o.campaign_id = c.id),
         'name', s.name, 'state', s.state)
       from campaign_stages s where s.campaign_id = c.id and s.state in ('open', 'soaking', 'held', 'failed')
       order by s.idx limit 1) as stage,
    case when c.state = 'running' then (select jsonb_build_object('p10', o.p10, 'p50', o.p50, 'p90', o.p90)
       from campaign_outlooks o where o.campaign_id = c.id order by o.at desc limit 1) end as ends,
    jsonb_build_object('id', a.id, 'sha256', a.sha256, 'fileName', a.file_name, 'model', a.model, 'version', a.version,
      'format', a.format) as artifact,
    (select jsonb_object_agg(t.state, t.n) from (select n.state, sum(n.n) as n from campaign_counters n
       where n.campaign_id = c.id group by n.state having sum(n.n) <> 0) t) as counts
  from campaigns c join artifacts a on a.id = c.artifact_id`;

/** Live grants; see `sharedExposure`. */
const LARGE_EXPOSURE = 2_000;

@Injectable()
export class CampaignReader {
  private readonly shared = new SharedReads();

  constructor(private readonly source: DataSource) {}

  /** @throws ProblemError `request.not-found` */
  async one(orgId: string, id: string): Promise<Campaign> {
    const tx = this.source.manager;
    const [row] = await queryRows<SummaryRow>(tx, `${SUMMARY} where c.org_id = $1 and c.id = $2`, [orgId, id]);
    if (!row) throw new ProblemError('request.not-found', { what: 'campaign', id });
    const policy = Policy.parse(row.policy);
    const nowMs = await nowOf(tx);
    const started = row.started_at !== null;
    const planned = started || row.state === 'awaiting-approval' || row.state === 'scheduled';
    const stages = planned ? await loadStages(tx, { id, policy, nowMs }) : [];
    const suspect = stages.reduce((sum, stage) => sum + stage.sums.suspect, 0);
    return {
      ...this.summary(row, policy, suspect),
      selector: Selector.parse(row.selector),
      policy,
      planDigest: planDigest({ artifactSha256: row.artifact.sha256, selector: row.selector, policy: row.policy }),
      stages: planned
        ? stages.map((stage) => ({
            index: stage.index,
            name: stage.name,
            ...ruleOf(policy.stages[stage.index]!),
            state: stage.state,
            approvedBy: stage.approvedBy,
            note: stage.note,
            size: stage.size,
            openedAt: isoOf(stage.openedAtMs),
            endedAt: isoOf(stage.endedAtMs),
            deadlineAt: isoOf(stage.deadlineAtMs),
            sums: toSumsBody(stage.sums),
            shares: sharesOf(stage.sums),
            parts: partsOf(stage.counts),
            gateLines:
              stage.index === stages.length - 1 ? [] : gateLines(policy.stages[stage.index]!.gate, stage, nowMs),
          }))
        : policy.stages.map(draftStage),
      exposure: started ? { state: row.state, ...(await this.sharedExposure(row, stages, nowMs)) } : null,
      noneAfter: iso(row.none_after),
      standing: standingOf(row),
      preempted: row.preempted,
      rollsBack: row.rolls_back,
      startAt: iso(row.start_at) ?? policy.startAt ?? null,
      approvals: {
        needed: neededApprovals(policy),
        given: row.state === 'draft' ? [] : await givenApprovals(tx, approvedRevision(row)),
      },
      strata: await readStrata(tx, id),
      quarantines: await readQuarantines(tx, id),
    };
  }

  /** @throws ProblemError `request.not-found` */
  async byName(orgId: string, name: string): Promise<Campaign> {
    const [row] = await queryRows<{ id: string }>(
      this.source.manager,
      'select id from campaigns where org_id = $1 and name = $2',
      [orgId, name],
    );
    if (!row) throw new ProblemError('request.not-found', { what: 'campaign', id: name });
    return this.one(orgId, row.id);
  }

  /** The brake's tests with their evidence. @throws ProblemError `request.not-found` */
  async brake(orgId: string, id: string): Promise<BrakeBody> {
    const tx = this.source.manager;
    const campaign = await loadCampaign(tx, id, 'none');
    if (!campaign || campaign.orgId !== orgId) throw new ProblemError('request.not-found', { what: 'campaign', id });
    const { large } = await expectCampaign(tx, orgId, id);
    return this.shared.read(`brake ${id} ${campaign.revision} ${campaign.brakeEpoch}`, large, async () => {
      const snapshot = await loadSnapshot(tx, campaign, true);
      const names = await readPlaceNames(tx, holdersShown(snapshot.brakeState));
      return brakeBodyOf(snapshot.brakeState, campaign.brakeEpoch, names);
    });
  }

  /** Thousands of live grants take a while to look through: then the page of a campaign may be a moment old. */
  private sharedExposure(
    row: SummaryRow,
    stages: Awaited<ReturnType<typeof loadStages>>,
    nowMs: number,
  ): ReturnType<typeof readExposure> {
    const live = stages.reduce((sum, { sums }) => sum + sums.granted + sums.running + sums.rescue, 0);
    return this.shared.read(`exposure ${row.id} ${row.revision} ${row.state}`, live > LARGE_EXPOSURE, () =>
      readExposure(this.source.manager, row.id, nowMs),
    );
  }

  /** P2's numbers as of now. */
  async exposure(orgId: string, id: string): Promise<PauseAnswer> {
    const tx = this.source.manager;
    const [row] = await queryRows<{ state: CampaignState }>(
      tx,
      'select state from campaigns where org_id = $1 and id = $2',
      [orgId, id],
    );
    if (!row) throw new ProblemError('request.not-found', { what: 'campaign', id });
    return { state: row.state, ...(await readExposure(tx, id, await nowOf(tx))) };
  }

  async page(orgId: string, query: CampaignQuery): Promise<CampaignPage> {
    const after = query.after === undefined ? undefined : decodeCursor(query.after, z.tuple([CursorTime, z.uuid()]));
    const where = new SqlFilter()
      .and('c.org_id = ?', orgId)
      .and('c.state = any(?::text[])', query.state)
      .and('(c.created_at, c.id) < (?::timestamptz, ?::uuid)', after?.[0], after?.[1])
      .and(`(${LIVE_CAMPAIGN}) = ?::boolean`, query.live === undefined ? undefined : query.live === 'true')
      .and('position(? in c.name) > 0', query.text)
      .and('c.name = ?', query.name)
      .and('c.artifact_id = ?', query.artifact)
      .and('a.model = ?', query.model);
    const filter = query.filter === undefined ? undefined : readFilter(query.filter, 'query.filter', 'campaign');
    // No field of campaigns is an age, so that no moment is asked for.
    if (filter) where.andSql(filterToSql(filter, where, 0));
    const limit = where.param(query.limit + 1);
    const rows = await readFilteredList(this.source, filter !== undefined, (tx) =>
      queryRows<SummaryRow>(
        tx,
        `${SUMMARY} where ${where.where} order by c.created_at desc, c.id desc limit ${limit}`,
        where.params,
      ),
    );
    const nowMs = rows.length === 0 ? 0 : await nowOf(this.source.manager);
    const suspects = new Map<string, number>();
    for (const row of rows) {
      if (row.started_at === null || row.ended_at !== null) continue;
      const counts = await countSuspects(this.source.manager, { id: row.id, policy: Policy.parse(row.policy), nowMs });
      suspects.set(
        row.id,
        [...counts.values()].reduce((sum, n) => sum + n, 0),
      );
    }
    return toPage(
      rows,
      query.limit,
      (row) => [row.created_key, row.id],
      (row) => this.summary(row, Policy.parse(row.policy), suspects.get(row.id) ?? 0),
    );
  }

  private summary(row: SummaryRow, policy: Policy, suspect: number): CampaignSummary {
    const counts = row.counts ?? {};
    const sums = sumsOf(counts, { suspect }, { acceptUnproven: policy.acceptUnproven });
    return {
      id: row.id,
      name: row.name,
      note: row.note,
      artifact: row.artifact,
      state: row.state,
      stateBy: row.state_by,
      stateReason: row.state_reason,
      stateAt: row.state_at.toISOString(),
      revision: row.revision,
      createdAt: row.created_at.toISOString(),
      startedAt: iso(row.started_at),
      endedAt: iso(row.ended_at),
      deadlineAt: iso(row.deadline_at),
      amber: row.amber,
      counts: counts as StateCounts,
      sums: toSumsBody(sums),
      shares: sharesOf(sums),
      parts: partsOf(counts),
      stage: row.stage,
      ends: row.ends && { p10: isoText(row.ends.p10), p50: isoText(row.ends.p50), p90: isoText(row.ends.p90) },
      createdBy: row.created_by_name,
    };
  }
}

function standingOf({ state, standing, standing_since: since }: SummaryRow): Campaign['standing'] {
  if (state !== 'running' || standing === null || since === null) return null;
  return { code: standing, since: since.toISOString(), sentence: standingSentence(standing) };
}

function ruleOf(stage: Policy['stages'][number]): Pick<StageBody, 'percent' | 'count' | 'filter' | 'gate'> {
  return { percent: stage.percent ?? null, count: stage.count ?? null, filter: stage.filter ?? null, gate: stage.gate };
}

/** While approvals are awaited those of this revision count; later those that it went on with are shown. */
function approvedRevision(row: SummaryRow): { readonly id: string; readonly revision?: number } {
  return row.state === 'awaiting-approval' ? { id: row.id, revision: row.revision } : { id: row.id };
}

function draftStage(stage: Policy['stages'][number], index: number): StageBody {
  const sums = sumsOf({}, { suspect: 0 }, { acceptUnproven: false });
  return {
    index,
    name: stage.name,
    ...ruleOf(stage),
    state: 'pending',
    approvedBy: null,
    note: null,
    size: null,
    openedAt: null,
    endedAt: null,
    deadlineAt: null,
    sums: toSumsBody(sums),
    shares: sharesOf(sums),
    parts: partsOf({}),
    gateLines: [],
  };
}

/** The sums of the domain without what only gates need. */
export function toSumsBody(sums: Sums): SumsBody {
  const { unfinished: _, ...body } = sums;
  return body;
}
