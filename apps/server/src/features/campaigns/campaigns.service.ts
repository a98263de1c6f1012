/** Campaigns as people move them: drafts, start, stops with a number, resume. One transaction each, audited. */
import { Inject, Injectable } from '@nestjs/common';
import { DataSource, type EntityManager } from 'typeorm';
import {
  DEPLOYMENT_LIFECYCLE,
  HOLDING_DEPLOYMENT_STATES,
  mayMove,
  CampaignDraft,
  type AbortCampaign,
  type Campaign,
  type CancelDeployment,
  type Deployment,
  type PauseAnswer,
} from '@drydock/contracts';
import { queryRows } from '../../adapters/database/rows.js';
import { inTransaction } from '../../adapters/database/transaction.js';
import { checkPolicy, checkStageSizes, type PolicyFault } from '../../domain/campaign/check-policy.js';
import { holdsGrant, moveTo } from '../../domain/deployment/deployment.js';
import { imagesOf } from '../../domain/deployment/proof.js';
import { ProblemError } from '../../http/problem-error.js';
import { expectRevision } from '../../http/revision.js';
import type { Actor } from '../access/actor.js';
import { AUDIT, type Audit } from '../audit/audit.port.js';
import { loadCampaign, loadStages, type CampaignRow } from '../dispatch/campaign-snapshot.js';
import { DispatchEvents } from '../dispatch/dispatch-events.js';
import { bumpOrders } from '../dispatch/order-book.js';
import { moveCampaign, readExposure, recordDecision, withdrawUnstarted } from './campaign-moves.js';
import { CampaignReader } from './campaign-reader.js';
import { lockWhere, timeOf } from './deployment-rows.js';
import { writeDeployments, type DeploymentChange } from './deployment-writer.js';
import { filterFaults, planMembers, unknownNames } from './member-planner.js';
import { versionProvesSql } from './version-proves.js';

interface ArtifactRow {
  id: string;
  model: string;
  version: string;
  running_version: string | null;
  description: unknown;
  version_proves: boolean;
}

@Injectable()
export class CampaignsService {
  constructor(
    private readonly source: DataSource,
    private readonly reader: CampaignReader,
    private readonly events: DispatchEvents,
    @Inject(AUDIT) private readonly audit: Audit,
  ) {}

  async create(actor: Actor, draft: CampaignDraft): Promise<Campaign> {
    const id = await inTransaction(this.source, async (tx) => {
      await this.checkDraft(tx, actor.orgId, draft);
      await this.expectFreeName(tx, actor.orgId, draft.name, null);
      const [row] = await queryRows<{ id: string }>(
        tx,
        `insert into campaigns (org_id, name, note, artifact_id, selector, policy, created_by, state_by)
         values ($1, $2, $3, $4, $5, $6, $7, $8) returning id`,
        [
          actor.orgId,
          draft.name,
          draft.note,
          draft.artifactId,
          JSON.stringify(draft.selector),
          JSON.stringify(draft.policy),
          actor.personId,
          actor.name,
        ],
      );
      await this.record(tx, actor, 'campaign.created', row!.id, { name: draft.name, artifactId: draft.artifactId });
      return row!.id;
    });
    return this.reader.one(actor.orgId, id);
  }

  async update(actor: Actor, id: string, draft: CampaignDraft, expected: number | undefined): Promise<Campaign> {
    await inTransaction(this.source, async (tx) => {
      const campaign = await this.locked(tx, actor.orgId, id);
      expectRevision(await this.revisionOf(tx, id), expected);
      if (campaign.state !== 'draft') {
        throw new ProblemError('campaign.state', { actual: campaign.state, wanted: 'edited' });
      }
      await this.checkDraft(tx, actor.orgId, draft);
      await this.expectFreeName(tx, actor.orgId, draft.name, id);
      await queryRows(
        tx,
        `update campaigns set name = $2, note = $3, artifact_id = $4, selector = $5, policy = $6, revision = revision + 1
         where id = $1`,
        [id, draft.name, draft.note, draft.artifactId, JSON.stringify(draft.selector), JSON.stringify(draft.policy)],
      );
      await this.record(tx, actor, 'campaign.updated', id, { name: draft.name, artifactId: draft.artifactId });
    });
    return this.reader.one(actor.orgId, id);
  }

  /** Plans the members and lets the engine begin. */
  async start(actor: Actor, id: string, reason: string | undefined): Promise<Campaign> {
    await inTransaction(this.source, async (tx) => {
      const campaign = await this.locked(tx, actor.orgId, id);
      if (campaign.state !== 'draft') {
        throw new ProblemError('campaign.state', { actual: campaign.state, wanted: 'started' });
      }
      const [stored] = await queryRows<{ selector: unknown; name: string; note: string }>(
        tx,
        'select selector, name, note from campaigns where id = $1',
        [id],
      );
      const draft = CampaignDraft.parse({
        name: stored!.name,
        note: stored!.note,
        artifactId: campaign.artifactId,
        selector: stored!.selector,
        policy: campaign.policy,
      });
      const artifact = await this.checkDraft(tx, actor.orgId, draft);
      for (const [index, stage] of campaign.policy.stages.entries()) {
        await queryRows(
          tx,
          'insert into campaign_stages (campaign_id, idx, name, percent, gate) values ($1, $2, $3, $4, $5)',
          [id, index, stage.name, stage.percent, JSON.stringify(stage.gate)],
        );
      }
      const members = await planMembers(tx, {
        campaignId: id,
        orgId: actor.orgId,
        artifactId: artifact.id,
        model: artifact.model,
        version: artifact.running_version ?? artifact.version,
        selector: draft.selector,
        policy: campaign.policy,
        nowMs: campaign.nowMs,
      });
      if (members.sizes.every((size) => size === 0)) {
        const detail = members.skipped > 0 ? `${members.skipped} matching device(s) need no update` : 'nothing matches';
        throw new ProblemError('campaign.empty', { skipped: members.skipped }, [
          { path: 'selector', message: `No device is to be updated: ${detail}. Widen the selector.` },
        ]);
      }
      refuse(checkStageSizes(campaign.policy, members.sizes));
      await moveCampaign(tx, campaign, 'running', actor.name, reason ?? null);
      await queryRows(
        tx,
        `update campaigns set started_at = clock_timestamp(), deadline_at = ${timeOf('$2::float8')} where id = $1`,
        [id, campaign.nowMs + campaign.policy.deadlineMs],
      );
      const params = { reason: reason ?? null, sizes: members.sizes, skipped: members.skipped };
      await this.record(tx, actor, 'campaign.started', id, params);
      await recordDecision(tx, campaign, 'campaign.started', { ...params, by: actor.name });
    });
    this.events.campaignDue();
    return this.reader.one(actor.orgId, id);
  }

  /** P2: closes granting and answers with the numbers. */
  async stop(actor: Actor, id: string, to: 'paused' | 'halted', reason: string): Promise<PauseAnswer> {
    return this.closing(actor, id, to, reason, async () => undefined);
  }

  /** Planned devices are cancelled; grants are cancelled by name; what runs finishes, or leaves at a safe point. */
  async abort(actor: Actor, id: string, body: AbortCampaign): Promise<PauseAnswer> {
    const campaign = await this.find(actor.orgId, id);
    if (campaign.state === 'draft') return this.dropDraft(actor, id, body.reason);
    return this.closing(actor, id, 'aborting', body.reason, async (tx, locked) => {
      const live = await lockWhere(
        tx,
        `dep.campaign_id = $1 and dep.state = any($2)`,
        [id, HOLDING_DEPLOYMENT_STATES],
        100_000,
      );
      const changes = live.flatMap(({ facts }): DeploymentChange[] => {
        // A device without an application is not left alone by an abort, unless the policy says so.
        if (facts.needsRescue && locked.policy.onAbort === 'finish') return [];
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
      const campaign = await this.locked(tx, actor.orgId, id);
      await moveCampaign(tx, campaign, to, actor.name, reason);
      await alsoDo(tx, campaign);
      await withdrawUnstarted(tx, id);
      const exposure = await readExposure(tx, id, campaign.nowMs);
      await queryRows(tx, `update campaigns set none_after = ${timeOf('$2::float8')} where id = $1`, [
        id,
        exposure.noneAfter,
      ]);
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
      const campaign = await this.locked(tx, actor.orgId, id);
      await moveCampaign(tx, campaign, 'aborted', actor.name, reason);
      await this.record(tx, actor, 'campaign.aborted', id, { reason });
      const nowMs = campaign.nowMs;
      return { state: 'aborted', mayStillStart: 0, noneAfter: nowMs, running: 0, rescue: 0, doneBy: nowMs };
    });
  }

  /** A person answers for going on. Failures known now no longer count against the gates of open stages. */
  async resume(actor: Actor, id: string, reason: string): Promise<Campaign> {
    await inTransaction(this.source, async (tx) => {
      const campaign = await this.locked(tx, actor.orgId, id);
      const stages = await loadStages(tx, campaign);
      const stuck = stages.filter((stage) => stage.state === 'held' || stage.state === 'failed');
      // A campaign may run while a stage is held: then there is only the stage to resume.
      if (campaign.state !== 'running' || stuck.length === 0) {
        await moveCampaign(tx, campaign, 'running', actor.name, reason);
      }
      for (const stage of stuck) {
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
        `update campaigns set none_after = null, dirty = true, wake_at = clock_timestamp(),
           deadline_at = case when deadline_at <= clock_timestamp() then ${timeOf('$2::float8')} else deadline_at end
         where id = $1`,
        [id, campaign.nowMs + campaign.policy.deadlineMs],
      );
      const params = { reason, stages: stuck.map((stage) => stage.name) };
      await this.record(tx, actor, 'campaign.resumed', id, params);
      await recordDecision(tx, campaign, 'campaign.resumed', { ...params, by: actor.name });
    });
    this.events.campaignDue();
    return this.reader.one(actor.orgId, id);
  }

  /** One device: before it started, or at the next point where the device still works. */
  async cancelDeployment(actor: Actor, id: string, deviceId: string, body: CancelDeployment): Promise<Deployment> {
    const deploymentId = await inTransaction(this.source, async (tx) => {
      const campaign = await this.locked(tx, actor.orgId, id);
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
    return this.reader.deployment(actor.orgId, deploymentId);
  }

  private async find(orgId: string, id: string): Promise<CampaignRow> {
    const campaign = await loadCampaign(this.source.manager, id, 'none');
    if (!campaign || campaign.orgId !== orgId) throw new ProblemError('request.not-found', { what: 'campaign', id });
    return campaign;
  }

  private async locked(tx: EntityManager, orgId: string, id: string): Promise<CampaignRow> {
    const campaign = await loadCampaign(tx, id, 'wait');
    if (!campaign || campaign.orgId !== orgId) throw new ProblemError('request.not-found', { what: 'campaign', id });
    return campaign;
  }

  private async revisionOf(tx: EntityManager, id: string): Promise<number> {
    const [row] = await queryRows<{ revision: number }>(tx, 'select revision from campaigns where id = $1', [id]);
    return row!.revision;
  }

  private async checkDraft(tx: EntityManager, orgId: string, draft: CampaignDraft): Promise<ArtifactRow> {
    const [artifact] = await queryRows<ArtifactRow>(
      tx,
      `select art.id, art.model, art.version, art.running_version, art.description,
         ${versionProvesSql('art')} as version_proves
       from artifacts art where art.id = $1 and art.org_id = $2`,
      [draft.artifactId, orgId],
    );
    if (!artifact) {
      throw new ProblemError('request.not-found', { what: 'artifact', id: draft.artifactId }, [
        { path: 'artifactId', message: 'There is no such artifact. Upload it first.' },
      ]);
    }
    refuse([
      ...checkPolicy(draft.policy, draft.selector, {
        model: artifact.model,
        images: imagesOf(artifact.description),
        runningVersion: artifact.running_version,
        versionProves: artifact.version_proves,
      }),
      ...filterFaults(draft.selector),
      ...(await unknownNames(tx, orgId, draft.selector)),
    ]);
    return artifact;
  }

  private async expectFreeName(tx: EntityManager, orgId: string, name: string, self: string | null): Promise<void> {
    const taken = await queryRows(
      tx,
      'select 1 from campaigns where org_id = $1 and name = $2 and id is distinct from $3::uuid',
      [orgId, name, self],
    );
    if (taken.length > 0) {
      throw new ProblemError('request.conflict', { detail: `there is a campaign called ${name} already` }, [
        { path: 'name', message: 'Choose another name.' },
      ]);
    }
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

function refuse(faults: readonly PolicyFault[]): void {
  if (faults.length === 0) return;
  throw new ProblemError('campaign.policy', { detail: faults[0]!.message }, [...faults]);
}
