/**
 * Advances one campaign: reads counts, lets the domain decide, applies it, all in one transaction under the
 * campaign's lock. Safe to run twice and on any number of servers.
 */
import { Inject, Injectable } from '@nestjs/common';
import { DataSource, type EntityManager } from 'typeorm';
import { HOLDING_DEPLOYMENT_STATES } from '@drydock/contracts';
import { BLOB_STORE, type BlobStore } from '../../adapters/blob-store/blob-store.port.js';
import { queryRows } from '../../adapters/database/rows.js';
import { inTransaction } from '../../adapters/database/transaction.js';
import { decide, IDLE_WAKE_MS, WAITS_FOR_APPROVAL, type Decision } from '../../domain/campaign/decide.js';
import { CLOCK_MARGIN_MS } from '../../domain/clock-margin.js';
import { moveTo } from '../../domain/deployment/deployment.js';
import { loseSilent } from '../../domain/deployment/silence.js';
import { spend } from '../../domain/pace/index.js';
import { AUDIT, type Audit } from '../audit/audit.port.js';
import {
  beginCampaign,
  moveCampaign,
  promiseExposure,
  recordDecision,
  withdrawUnstarted,
} from '../campaigns/campaign-moves.js';
import { lockWhere, timeOf } from '../campaigns/deployment-rows.js';
import { recordActual } from '../campaigns/past-forecasts.js';
import { addToCounters, writeDeployments } from '../campaigns/deployment-writer.js';
import { markSilent } from './brake-marks.js';
import { loadCampaign, type CampaignRow } from './campaign-row.js';
import { loadSnapshot } from './campaign-snapshot.js';
import { keepStanding } from './campaign-standing.js';
import { callBackOverdue } from './call-back.js';
import { applyFinding, openStrata, probeQuarantines } from './brake-moves.js';
import { restoreRescues } from './restore-rescues.js';
import { loadRuleFacts, type RuleFacts } from './rule-facts.js';
import { DispatchEvents } from './dispatch-events.js';
import { giveGrants, renewGrants } from './grant-writer.js';
import { preemptSince } from './preempt.js';

export type TickResult = 'done' | 'more' | 'busy';

const BLOB_CHECK_MS = 10_000;
const MAX_BLOBS_REMEMBERED = 1_000;

/** A stage that waits for an approval has soaked; one that is held for another reason has not. */
const soakedAt = (decision: { readonly note: string }, nowMs: number): number | null =>
  decision.note === WAITS_FOR_APPROVAL ? nowMs : null;

const earliest = (a: number | null, b: number | null): number | null =>
  a === null ? b : b === null ? a : Math.min(a, b);

@Injectable()
export class CampaignEngine {
  private readonly blobs = new Map<string, { present: boolean; untilMs: number }>();

  constructor(
    private readonly source: DataSource,
    private readonly events: DispatchEvents,
    @Inject(BLOB_STORE) private readonly blobStore: BlobStore,
    @Inject(AUDIT) private readonly audit: Audit,
  ) {}

  /**
   * @returns `busy` when another server (or a person's action) holds the campaign; it is looked at again soon. `more` when
   * one look was not enough for all that may start now: it wants the next one at once.
   */
  async tick(campaignId: string): Promise<TickResult> {
    const blobPresent = await this.blobPresentFor(campaignId);
    const changed = { orders: false, decisions: [] as { kind: string; params: Record<string, unknown> }[] };
    const result = await inTransaction(this.source, async (tx): Promise<TickResult> => {
      changed.orders = false;
      changed.decisions = [];
      const campaign = await loadCampaign(tx, campaignId, 'skip');
      if (!campaign) return 'busy';
      // Cleared before anything is read: what is reported from here on marks it again.
      await queryRows(tx, 'update campaigns set dirty = false where id = $1', [campaignId]);
      const say = async (kind: string, params: Record<string, unknown> = {}): Promise<void> => {
        await recordDecision(tx, campaign, kind, params);
        changed.decisions.push({ kind, params });
      };
      await this.expire(tx, campaign, say);
      if (await callBackOverdue(tx, campaign, say)) changed.orders = true;
      await markSilent(tx, campaign);
      await openStrata(tx, campaign.id);
      if (await probeQuarantines(tx, campaign, say)) changed.orders = true;
      const snapshot = await loadSnapshot(tx, campaign, blobPresent);
      const facts = await loadRuleFacts(tx, campaign);
      let wakeAtMs: number | null = null;
      let started = 0;
      let room = 0;
      for (const decision of decide(snapshot, campaign.nowMs)) {
        if (decision.kind === 'wake') wakeAtMs = decision.atMs;
        else if (decision.kind === 'grant') {
          if (decision.mode === 'update') room = decision.room;
          started += await this.grant(tx, campaign, decision, facts, say);
        } else if (await this.apply(tx, campaign, decision, facts, say)) changed.orders = true;
      }
      if (started > 0) changed.orders = true;
      if (await this.preempt(tx, campaign, say)) changed.orders = true;
      await keepStanding(tx, campaign, spend(snapshot.pace, started), snapshot);
      const hasMore = started > 0 && started < room;
      await this.setWake(tx, campaign, earliest(wakeAtMs, facts.zones?.validUntilMs ?? null), hasMore);
      return hasMore ? 'more' : 'done';
    });
    if (changed.orders) this.events.ordersDue();
    for (const decision of changed.decisions) this.events.decided({ campaignId, ...decision });
    return result;
  }

  /** P8: silence ends in `lost`, at `finishBy` plus the clock margin, whatever state the campaign is in. */
  private async expire(
    tx: EntityManager,
    campaign: CampaignRow,
    say: (kind: string, params: Record<string, unknown>) => Promise<void>,
  ): Promise<void> {
    const silent = await lockWhere(
      tx,
      `dep.campaign_id = $1 and dep.state = any($2) and dep.finish_by <= ${timeOf(`($3::float8 - ${CLOCK_MARGIN_MS})`)}`,
      [campaign.id, HOLDING_DEPLOYMENT_STATES, campaign.nowMs],
    );
    const changes = silent.flatMap(({ facts }) => {
      const next = loseSilent(facts, campaign.nowMs);
      if (!next) return [];
      const ended = {
        outcome: 'lost',
        code: 'deployment.lost',
        params: null,
        blame: 'gateway',
        sentBytes: null,
        durationMs: null,
      };
      return [{ before: facts, next, attempt: { ended }, endKnown: true }];
    });
    await writeDeployments(tx, changes);
    if (changes.length > 0) await say('deployments.lost', { count: changes.length });
  }

  /** @returns whether orders are due now. */
  private async apply(
    tx: EntityManager,
    campaign: CampaignRow,
    decision: Exclude<Decision, { kind: 'wake' | 'grant' }>,
    facts: RuleFacts,
    say: (kind: string, params?: Record<string, unknown>) => Promise<void>,
  ): Promise<boolean> {
    const stageName = (index: number): string => campaign.policy.stages[index]?.name ?? String(index);
    switch (decision.kind) {
      case 'open-stage':
        await queryRows(
          tx,
          `update campaign_stages s set state = 'open', opened_at = ${timeOf('$3::float8')},
             deadline_at = ${timeOf('$4::float8')},
             size = (select coalesce(sum(n), 0) from campaign_counters c where c.campaign_id = $1 and c.stage_idx = $2)
           where s.campaign_id = $1 and s.idx = $2`,
          [campaign.id, decision.stage, campaign.nowMs, decision.deadlineAtMs],
        );
        await say('stage.opened', { stage: stageName(decision.stage) });
        return false;
      case 'soak-stage':
        await this.setStage(tx, campaign, decision.stage, 'soaking', null, decision.untilMs);
        await say('stage.soaking', {
          stage: stageName(decision.stage),
          untilMs: decision.untilMs,
          share: decision.share,
        });
        return false;
      case 'reopen-stage':
        await this.setStage(tx, campaign, decision.stage, 'open', null);
        await say('stage.reopened', { stage: stageName(decision.stage) });
        return false;
      case 'pass-stage':
        await this.setStage(tx, campaign, decision.stage, 'passed', decision.note);
        await say('stage.passed', { stage: stageName(decision.stage), note: decision.note });
        return false;
      case 'hold-stage':
        await this.setStage(tx, campaign, decision.stage, 'held', decision.note, soakedAt(decision, campaign.nowMs));
        await say('stage.held', { stage: stageName(decision.stage), note: decision.note });
        return false;
      case 'fail-stage':
        await this.setStage(tx, campaign, decision.stage, 'failed', decision.note);
        await say('stage.failed', { stage: stageName(decision.stage), note: decision.note });
        return false;
      case 'pause':
        return this.stop(tx, campaign, 'paused', decision.reason, say);
      case 'halt':
        return this.stop(tx, campaign, 'halted', decision.rule, say, decision.evidence);
      case 'complete':
        await moveCampaign(tx, campaign, 'completed', 'engine', null);
        await recordActual(tx, campaign.id);
        await this.auditMove(tx, campaign, 'campaign.completed', {});
        await say('campaign.completed');
        return false;
      case 'aborted':
        await moveCampaign(tx, campaign, 'aborted', 'engine', campaign.stateReason);
        await this.auditMove(tx, campaign, 'campaign.aborted', {});
        await say('campaign.aborted');
        return false;
      case 'cancel-planned':
        await this.cancelPlanned(tx, campaign);
        return false;
      case 'give-up-rescues':
        await this.giveUpRescues(tx, campaign);
        return false;
      case 'begin':
        {
          const preempted = await beginCampaign(tx, campaign, 'engine', campaign.stateReason);
          await say('campaign.started', { by: 'schedule', ...(preempted !== null && { preempted }) });
        }
        return true;
      case 'stop-stratum':
      case 'quarantine':
        await applyFinding(tx, campaign, decision, say);
        return true;
      case 'restore-rescues':
        await restoreRescues(tx, campaign, decision.artifactId, say);
        return false;
      case 'renew':
        return (await renewGrants(tx, campaign, facts)).length > 0;
    }
  }

  private async stop(
    tx: EntityManager,
    campaign: CampaignRow,
    to: 'paused' | 'halted',
    reason: string,
    say: (kind: string, params: Record<string, unknown>) => Promise<void>,
    evidence?: Readonly<Record<string, unknown>>,
  ): Promise<boolean> {
    await moveCampaign(tx, campaign, to, 'engine', reason);
    await withdrawUnstarted(tx, campaign.id);
    const params = { reason, ...(await promiseExposure(tx, campaign)), ...(evidence && { evidence }) };
    await this.auditMove(tx, campaign, `campaign.${to}`, params);
    await say(`campaign.${to}`, params);
    return true;
  }

  /** Grants of others where devices of an urgent campaign wait since it began; the number grows with the campaign's. */
  private async preempt(
    tx: EntityManager,
    campaign: CampaignRow,
    say: (kind: string, params: Record<string, unknown>) => Promise<void>,
  ): Promise<boolean> {
    const preempted = campaign.policy.urgent ? await preemptSince(tx, campaign.id) : 0;
    if (preempted === 0) return false;
    const params = { preempted };
    await this.auditMove(tx, campaign, 'grants.preempted', params);
    await say('grants.preempted', params);
    return true;
  }

  /** @returns how many were started; a rescue or a renewal takes nothing from the pace. */
  private async grant(
    tx: EntityManager,
    campaign: CampaignRow,
    decision: Extract<Decision, { kind: 'grant' }>,
    facts: RuleFacts,
    say: (kind: string, params: Record<string, unknown>) => Promise<void>,
  ): Promise<number> {
    const given = await giveGrants(tx, campaign, decision, facts);
    if (given.size === 0) return 0;
    const count = [...given.values()].reduce((sum, n) => sum + n, 0);
    await say('grants.given', { count, gateways: given.size, mode: decision.mode });
    if (decision.mode === 'rescue') this.events.ordersDue();
    return decision.mode === 'rescue' ? 0 : count;
  }

  private async auditMove(
    tx: EntityManager,
    campaign: CampaignRow,
    action: string,
    params: Record<string, unknown>,
  ): Promise<void> {
    await this.audit.record(tx, {
      orgId: campaign.orgId,
      actor: { kind: 'rule', name: 'engine' },
      action,
      target: { kind: 'campaign', id: campaign.id },
      params,
    });
  }

  private async setStage(
    tx: EntityManager,
    campaign: CampaignRow,
    stage: number,
    state: string,
    note: string | null,
    soakUntilMs: number | null = null,
  ): Promise<void> {
    await queryRows(
      tx,
      `update campaign_stages set state = $3, state_note = $4, soak_until = ${timeOf('$5::float8')},
         ended_at = case when $3 in ('passed', 'failed') then clock_timestamp() else null end
       where campaign_id = $1 and idx = $2`,
      [campaign.id, stage, state, note, soakUntilMs],
    );
  }

  /** One statement, whatever their number: planned deployments hold no claim on anything. */
  private async cancelPlanned(tx: EntityManager, campaign: CampaignRow): Promise<void> {
    const moved = await queryRows<{ stage_idx: number; n: number }>(
      tx,
      `with ended as (
         update deployments set state = 'cancelled', outcome_reason = 'campaign-ended', ended_at = clock_timestamp(),
           state_at = clock_timestamp(), not_before = null
         where campaign_id = $1 and state = 'planned' returning stage_idx)
       select stage_idx, count(*)::int as n from ended group by stage_idx`,
      [campaign.id],
    );
    await addToCounters(
      tx,
      moved.flatMap((row) => [
        { campaign: campaign.id, stage: row.stage_idx, state: 'planned', n: -row.n },
        { campaign: campaign.id, stage: row.stage_idx, state: 'cancelled', n: row.n },
      ]),
    );
  }

  private async giveUpRescues(tx: EntityManager, campaign: CampaignRow): Promise<void> {
    const left = await lockWhere(tx, `dep.campaign_id = $1 and dep.state = 'rescue'`, [campaign.id]);
    await writeDeployments(
      tx,
      left.flatMap(({ facts }) => {
        const next = moveTo(facts, 'failed', campaign.nowMs);
        return next
          ? [{ before: facts, next: { ...next, outcomeCode: facts.outcomeCode ?? 'target.in-bootloader' } }]
          : [];
      }),
    );
  }

  /** @param hasMore the search gave grants and had room for more: where it is not at its end, it goes on at once. */
  private async setWake(
    tx: EntityManager,
    campaign: CampaignRow,
    wakeAtMs: number | null,
    hasMore: boolean,
  ): Promise<void> {
    // Its own moves have set a wake already; a campaign that is over needs none.
    await queryRows(
      tx,
      `update campaigns set wake_at = case when state in ('aborted', 'completed', 'draft') then null
           when dirty or ($3 and scan_stage >= 0) then clock_timestamp() else ${timeOf('$2::float8')} end where id = $1`,
      [campaign.id, wakeAtMs ?? campaign.nowMs + IDLE_WAKE_MS, hasMore],
    );
  }

  /**
   * Whether the bytes of all that the campaign may grant are there. Looked at outside the transaction: a slow store must
   * not hold the campaign's lock.
   */
  async blobPresentFor(campaignId: string): Promise<boolean> {
    const rows = await queryRows<{ sha256: string }>(
      this.source.manager,
      `select a.sha256 from campaigns c join artifacts a on a.id = c.artifact_id
         or a.id in (select s.artifact_id from campaign_steps s where s.campaign_id = c.id)
         or (c.state = 'aborting' and a.id::text = c.policy->'onAbort'->>'restore')
       where c.id = $1`,
      [campaignId],
    );
    for (const { sha256 } of rows) if (!(await this.blobPresent(sha256))) return false;
    return rows.length > 0;
  }

  /** Whether the artifact's bytes are in the store; a store that cannot be asked counts as "not there" (P11). */
  async blobPresent(sha256: string): Promise<boolean> {
    const known = this.blobs.get(sha256);
    if (known && known.untilMs > performance.now()) return known.present;
    const present = await this.blobStore.has(sha256).catch(() => false);
    this.blobs.delete(sha256);
    // A missing blob is looked for more often: somebody is putting it back.
    this.blobs.set(sha256, { present, untilMs: performance.now() + (present ? BLOB_CHECK_MS : 1_000) });
    if (this.blobs.size > MAX_BLOBS_REMEMBERED) this.blobs.delete(this.blobs.keys().next().value!);
    return present;
  }
}
