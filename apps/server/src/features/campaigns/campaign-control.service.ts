/** Campaigns as people steer them: stops with a number, resume, approvals of gates, single devices. One transaction each. */
import { Inject, Injectable } from '@nestjs/common';
import { DataSource, type EntityManager } from 'typeorm';
import {
  DEPLOYMENT_LIFECYCLE,
  HOLDING_DEPLOYMENT_STATES,
  mayMove,
  type AbortCampaign,
  type Campaign,
  type CancelDeployment,
  type ChangePace,
  type Deployment,
  type PauseAnswer,
  type ResumeCampaign,
} from '@drydock/contracts';
import { queryRows } from '../../adapters/database/rows.js';
import { inTransaction } from '../../adapters/database/transaction.js';
import { WAITS_FOR_APPROVAL } from '../../domain/campaign/decide.js';
import { holdsGrant, moveTo } from '../../domain/deployment/deployment.js';
import { exposureByReach } from '../../domain/deployment/exposure.js';
import { sumOf } from '../../domain/sums/sums.js';
import { ProblemError } from '../../http/problem-error.js';
import type { Actor } from '../access/actor.js';
import { expectFreshSignIn } from '../access/sessions/fresh-sign-in.js';
import { AUDIT, type Audit } from '../audit/audit.port.js';
import { newBrakeEpoch } from '../dispatch/brake-epoch.js';
import { loadCampaign, type CampaignRow } from '../dispatch/campaign-row.js';
import { loadStages } from '../dispatch/campaign-stages.js';
import { DispatchEvents } from '../dispatch/dispatch-events.js';
import { bumpOrders } from '../dispatch/order-book.js';
import { addApproval } from './approvals.js';
import { lockedCampaign, moveCampaign, promiseExposure, recordDecision, withdrawUnstarted } from './campaign-moves.js';
import { changePace } from './change-pace.js';
import { CampaignReader } from './campaign-reader.js';
import { DeploymentReader } from './deployment-reader.js';
import { lockWhere, timeOf } from './deployment-rows.js';
import { writeDeployments, type DeploymentChange } from './deployment-writer.js';
import { dropPlan } from './member-planner.js';
import { recordActual } from './past-forecasts.js';
import { keepPlan } from './plan-versions.js';

@Injectable()
export class CampaignControlService {
  constructor(
    private readonly source: DataSource,
    private readonly reader: CampaignReader,
    private readonly members: DeploymentReader,
    private readonly events: DispatchEvents,
    @Inject(AUDIT) private readonly audit: Audit,
  ) {}

  /** P2: closes granting and answers with the numbers. */
  async stop(actor: Actor, id: string, to: 'paused' | 'halted', reason: string): Promise<PauseAnswer> {
    return this.closing(actor, id, to, reason, async () => undefined);
  }

  /** Planned devices are cancelled; grants are cancelled by name; what runs finishes, or leaves at a safe point. */
  async abort(actor: Actor, id: string, body: AbortCampaign): Promise<PauseAnswer> {
    const campaign = await this.find(actor.orgId, id);
    if (campaign.state === 'draft' || campaign.state === 'awaiting-approval') {
      return this.dropDraft(actor, id, body.reason);
    }
    return this.closing(actor, id, 'aborting', body.reason, async (tx, locked) => {
      const live = await lockWhere(
        tx,
        `dep.campaign_id = $1 and dep.state = any($2)`,
        [id, HOLDING_DEPLOYMENT_STATES],
        100_000,
      );
      const changes = live.flatMap(({ facts }): DeploymentChange[] => {
        // A device without an application is not left alone by an abort, unless the policy says so.
        if (facts.needsRescue && locked.policy.onAbort !== 'leave') return [];
        const touched = facts.touchedAtMs !== null;
        if (touched && body.running === 'finish') return [];
        const next = moveTo(facts, 'cancelling', locked.nowMs);
        return next ? [{ before: facts, next: { ...next, cancelMode: touched ? 'safe-point' : 'before-start' } }] : [];
      });
      await writeDeployments(tx, changes);
      await bumpOrders(
        tx,
        changes.flatMap(({ before }) => (before.gatewayId === null ? [] : [before.gatewayId])),
        true,
      );
    });
  }

  private async closing(
    actor: Actor,
    id: string,
    to: 'paused' | 'halted' | 'aborting',
    reason: string,
    alsoDo: (tx: EntityManager, campaign: CampaignRow) => Promise<void>,
  ): Promise<PauseAnswer> {
    const answer = await inTransaction(this.source, async (tx): Promise<PauseAnswer> => {
      const campaign = await lockedCampaign(tx, actor.orgId, id);
      await moveCampaign(tx, campaign, to, actor.name, reason);
      await alsoDo(tx, campaign);
      await withdrawUnstarted(tx, id);
      const exposure = await promiseExposure(tx, campaign);
      await this.record(tx, actor, `campaign.${to}`, id, { reason, ...exposure });
      await recordDecision(tx, campaign, `campaign.${to}`, { reason, by: actor.name, ...exposure });
      return { state: to, ...exposure };
    });
    this.events.ordersDue();
    this.events.campaignDue();
    return answer;
  }

  private async dropDraft(actor: Actor, id: string, reason: string): Promise<PauseAnswer> {
    return inTransaction(this.source, async (tx) => {
      const campaign = await lockedCampaign(tx, actor.orgId, id);
      await moveCampaign(tx, campaign, 'aborted', actor.name, reason);
      await dropPlan(tx, id);
      await this.record(tx, actor, 'campaign.aborted', id, { reason });
      const nowMs = campaign.nowMs;
      return { state: 'aborted', ...exposureByReach([], { connected: 0, absent: 0 }, nowMs) };
    });
  }

  /**
   * A person answers for going on. Failures known now no longer count against the gates of open stages, and after a halt
   * the brake begins a new epoch: empty counts, an error level and an exposure of its own.
   */
  async resume(actor: Actor, id: string, { reason, acceptUnproven }: ResumeCampaign): Promise<Campaign> {
    await inTransaction(this.source, async (tx) => {
      const campaign = await lockedCampaign(tx, actor.orgId, id);
      const stages = await loadStages(tx, campaign);
      const stuck = stages.filter((stage) => stage.state === 'held' || stage.state === 'failed');
      const waiting = stuck.filter((stage) => stage.note !== WAITS_FOR_APPROVAL);
      if (campaign.state === 'running' && waiting.length === 0 && stuck[0]) {
        throw new ProblemError('request.conflict', {
          detail: `stage ${stuck[0].name} waits for an approval; approve it (role approver) instead of resuming`,
        });
      }
      const unprovenLimit = unprovenLimitAfter(campaign, sumOf(stages.map((stage) => stage.sums)).unproven);
      // A campaign may run while a stage is held: then there is only the stage to resume.
      if (campaign.state !== 'running' || stuck.length === 0) {
        await moveCampaign(tx, campaign, 'running', actor.name, reason);
      }
      for (const stage of waiting) {
        const rules = campaign.policy.stages[stage.index]!;
        await queryRows(
          tx,
          `update campaign_stages set state = 'open', state_note = $3, forgiven = $4, soak_until = null, ended_at = null,
             deadline_at = ${timeOf('$5::float8')} where campaign_id = $1 and idx = $2`,
          [
            id,
            stage.index,
            `resumed by ${actor.name}`,
            stage.sums.failed + stage.sums.reverted + stage.sums.suspect,
            campaign.nowMs + rules.deadlineMs,
          ],
        );
      }
      await queryRows(
        tx,
        `update campaigns set none_after = null, dirty = true, wake_at = clock_timestamp(), rate_at = clock_timestamp(),
           deadline_at = case when deadline_at <= clock_timestamp() then ${timeOf('$2::float8')} else deadline_at end,
           policy = policy || case when $3 then '{"acceptUnproven": true}'::jsonb else '{}' end
             || case when $4::int is null then '{}'::jsonb
               else jsonb_build_object('limits', policy->'limits' || jsonb_build_object('unproven', $4::int)) end
         where id = $1`,
        [id, campaign.nowMs + campaign.policy.deadlineMs, acceptUnproven ?? false, unprovenLimit],
      );
      if (acceptUnproven || unprovenLimit !== null) await keepPlan(tx, id, actor, true);
      if (campaign.state === 'halted') await newBrakeEpoch(tx, campaign, sumOf(stages.map((stage) => stage.sums)));
      const params = {
        reason,
        stages: waiting.map((stage) => stage.name),
        ...(acceptUnproven && { acceptUnproven }),
        ...(unprovenLimit !== null && { unprovenLimit }),
      };
      await this.record(tx, actor, 'campaign.resumed', id, params);
      await recordDecision(tx, campaign, 'campaign.resumed', { ...params, by: actor.name });
    });
    this.events.campaignDue();
    return this.reader.one(actor.orgId, id);
  }

  /**
   * A campaign of membership `dynamic` takes no more members.
   * @throws ProblemError `request.conflict` where it is frozen (it completes by itself) or a member is not finished.
   */
  async complete(actor: Actor, id: string, reason: string): Promise<Campaign> {
    await inTransaction(this.source, async (tx) => {
      const campaign = await lockedCampaign(tx, actor.orgId, id);
      if (campaign.policy.membership !== 'dynamic') {
        throw new ProblemError('request.conflict', {
          detail: 'its membership is frozen: it completes by itself once every member is finished',
        });
      }
      const { unfinished, running } = sumOf((await loadStages(tx, campaign, 'counts-only')).map((stage) => stage.sums));
      if (campaign.state === 'running' && unfinished > 0) {
        throw new ProblemError('request.conflict', {
          detail: `${unfinished} members are not finished, ${running} of them are being updated; wait for them, or abort`,
        });
      }
      await moveCampaign(tx, campaign, 'completed', actor.name, reason);
      await recordActual(tx, campaign.id);
      await this.record(tx, actor, 'campaign.completed', id, { reason });
      await recordDecision(tx, campaign, 'campaign.completed', { reason, by: actor.name });
    });
    return this.reader.one(actor.orgId, id);
  }

  /**
   * Pace and limits, within what was approved.
   * @throws ProblemError `request.stale` when somebody changed the campaign meanwhile; see `changePace`.
   */
  async changePace(actor: Actor, id: string, body: ChangePace, expected: number | undefined): Promise<Campaign> {
    await inTransaction(this.source, async (tx) => {
      const campaign = await lockedCampaign(tx, actor.orgId, id);
      const lines = await changePace(tx, actor, campaign, body, expected);
      if (lines.length === 0) return;
      const changed = lines.map(({ path, from, to }) => ({ path: path.replace(/^policy\./, ''), from, to }));
      await this.record(tx, actor, 'campaign.pace-changed', id, { reason: body.reason, changed });
      await recordDecision(tx, campaign, 'campaign.pace-changed', { reason: body.reason, by: actor.name, changed });
    });
    this.events.campaignDue();
    return this.reader.one(actor.orgId, id);
  }

  /** The gate of a stage that wants a person. @throws ProblemError where it wants none or has one; `sign-in.again`. */
  async approveStage(actor: Actor, id: string, index: number, reason: string | undefined): Promise<Campaign> {
    await inTransaction(this.source, async (tx) => {
      await expectFreshSignIn(tx, actor);
      const campaign = await lockedCampaign(tx, actor.orgId, id);
      const rules = campaign.policy.stages[index];
      if (!rules) throw new ProblemError('request.not-found', { what: 'stage', id: String(index) });
      if (!rules.gate.approval) {
        throw new ProblemError('request.conflict', { detail: `the gate of ${rules.name} wants no approval` });
      }
      const moved = await queryRows(
        tx,
        `update campaign_stages set approved_by = $3, approved_at = clock_timestamp(),
           state_note = case when state = 'held' and state_note = $4 then $5 else state_note end,
           state = case when state = 'held' and state_note = $4 then 'open' else state end
         where campaign_id = $1 and idx = $2 and approved_by is null and state not in ('passed', 'failed') returning idx`,
        [id, index, actor.name, WAITS_FOR_APPROVAL, `approved by ${actor.name}`],
      );
      if (moved.length === 0) {
        throw new ProblemError('request.conflict', { detail: `stage ${rules.name} is approved or over already` });
      }
      await addApproval(tx, campaign, actor, reason ?? null, index);
      await this.noted(tx, actor, campaign, 'stage.approved', { stage: rules.name, reason: reason ?? null });
    });
    this.events.campaignDue();
    return this.reader.one(actor.orgId, id);
  }

  /** A person ends a quarantine: what failed there before no longer counts against it. */
  async liftQuarantine(actor: Actor, id: string, quarantineId: string, reason: string): Promise<Campaign> {
    await inTransaction(this.source, async (tx) => {
      const campaign = await lockedCampaign(tx, actor.orgId, id);
      const [lifted] = await queryRows<{ kind: string; ref_id: string }>(
        tx,
        `update campaign_quarantines set lifted_at = clock_timestamp(), lifted_by = $3, from_ordinal = $4, probe_at = null
         where campaign_id = $1 and id = $2 and lifted_at is null returning kind, ref_id`,
        [id, quarantineId, actor.name, campaign.nextOrdinal - 1],
      );
      if (!lifted) throw new ProblemError('request.not-found', { what: 'quarantine', id: quarantineId });
      await this.noted(tx, actor, campaign, `${lifted.kind}.quarantine-lifted`, {
        [lifted.kind]: lifted.ref_id,
        reason,
      });
    });
    this.events.campaignDue();
    return this.reader.one(actor.orgId, id);
  }

  /** A person lets a stopped stratum go on, in a new epoch of the brake: the old evidence is kept and shown. */
  async releaseStratum(actor: Actor, id: string, index: number, reason: string): Promise<Campaign> {
    await inTransaction(this.source, async (tx) => {
      const campaign = await lockedCampaign(tx, actor.orgId, id);
      const [released] = await queryRows<{ version: string }>(
        tx,
        `update campaign_strata set stopped_at = null, stopped_note = null
         where campaign_id = $1 and idx = $2 and stopped_at is not null returning version`,
        [id, index],
      );
      if (!released) throw new ProblemError('request.not-found', { what: 'stopped stratum', id: String(index) });
      await newBrakeEpoch(tx, campaign, sumOf((await loadStages(tx, campaign)).map((stage) => stage.sums)));
      await this.noted(tx, actor, campaign, 'stratum.released', { version: released.version, reason });
    });
    this.events.campaignDue();
    return this.reader.one(actor.orgId, id);
  }

  /** Audited, decided, and looked at by the engine soon. */
  private async noted(
    tx: EntityManager,
    actor: Actor,
    campaign: CampaignRow,
    kind: string,
    params: Record<string, unknown>,
  ): Promise<void> {
    await queryRows(tx, 'update campaigns set dirty = true where id = $1', [campaign.id]);
    await this.record(tx, actor, kind, campaign.id, params);
    await recordDecision(tx, campaign, kind, { ...params, by: actor.name });
  }

  /** One device: before it started, or at the next point where the device still works. */
  async cancelDeployment(actor: Actor, id: string, deviceId: string, body: CancelDeployment): Promise<Deployment> {
    const deploymentId = await inTransaction(this.source, async (tx) => {
      const campaign = await lockedCampaign(tx, actor.orgId, id);
      const [locked] = await lockWhere(tx, 'dep.campaign_id = $1 and dep.device_id = $2', [id, deviceId]);
      if (!locked) throw new ProblemError('request.not-found', { what: 'member', id: deviceId });
      const { facts } = locked;
      const to = holdsGrant(facts.state) ? 'cancelling' : 'cancelled';
      const wanted = body.mode === 'safe-point' || facts.touchedAtMs === null;
      if (!wanted || !mayMove(DEPLOYMENT_LIFECYCLE, facts.state, to)) {
        const detail = `the device is ${facts.state}${wanted ? '' : ', and only "safe-point" stops what runs'}`;
        throw new ProblemError('request.conflict', { detail });
      }
      const next = moveTo(facts, to, campaign.nowMs)!;
      await writeDeployments(tx, [
        {
          before: facts,
          next: { ...next, cancelMode: body.mode, ...(to === 'cancelled' && { outcomeReason: body.reason }) },
        },
      ]);
      if (to === 'cancelling' && facts.gatewayId !== null) await bumpOrders(tx, [facts.gatewayId], true);
      await queryRows(tx, 'update campaigns set dirty = true where id = $1', [id]);
      await this.record(tx, actor, 'deployment.cancelled', id, { deviceId, ...body });
      return facts.id;
    });
    this.events.ordersDue();
    return this.members.deployment(actor.orgId, deploymentId);
  }

  private async find(orgId: string, id: string): Promise<CampaignRow> {
    const campaign = await loadCampaign(this.source.manager, id, 'none');
    if (!campaign || campaign.orgId !== orgId) throw new ProblemError('request.not-found', { what: 'campaign', id });
    return campaign;
  }

  private async record(
    tx: EntityManager,
    actor: Actor,
    action: string,
    id: string,
    params: Record<string, unknown>,
  ): Promise<void> {
    await this.audit.record(tx, { orgId: actor.orgId, actor, action, target: { kind: 'campaign', id }, params });
  }
}

/** Who resumes a campaign that stopped at its number of unproven results lets as many again stand. Null: as it was. */
function unprovenLimitAfter({ state, policy }: CampaignRow, unproven: number): number | null {
  const limit = policy.limits.unproven;
  return limit === undefined || state === 'running' || unproven < limit ? null : unproven + limit;
}
