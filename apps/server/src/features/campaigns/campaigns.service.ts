/** Campaigns until they run: drafts, preview, start, approvals. One transaction each, audited. */
import { randomUUID } from 'node:crypto';
import { Inject, Injectable } from '@nestjs/common';
import { DataSource, type EntityManager } from 'typeorm';
import {
  CampaignDraft,
  provableImages,
  type Approve,
  type Campaign,
  type CampaignPreview,
  type Decline,
  type RollBack,
} from '@drydock/contracts';
import { queryRows } from '../../adapters/database/rows.js';
import { inTransaction } from '../../adapters/database/transaction.js';
import { alphaOf, staircase } from '../../domain/brake/index.js';
import { checkPolicy, checkStageSizes } from '../../domain/campaign/check-policy.js';
import { vendorToolFaults } from '../../domain/campaign/vendor-tool.js';
import { ProblemError } from '../../http/problem-error.js';
import type { Actor } from '../access/actor.js';
import { expectFreshSignIn } from '../access/sessions/fresh-sign-in.js';
import { AUDIT, type Audit } from '../audit/audit.port.js';
import { nowOf, type CampaignRow } from '../dispatch/campaign-row.js';
import { DispatchEvents } from '../dispatch/dispatch-events.js';
import { addApproval, isOwnPlan, missingApprovals, neededApprovals, storedDigest, readApprovers } from './approvals.js';
import { beginCampaign, lockedCampaign, moveCampaign, recordDecision } from './campaign-moves.js';
import { CampaignReader } from './campaign-reader.js';
import { nameFaults, refuse, requireRawPortRole } from './draft-rules.js';
import { expectSeen } from './expect-seen.js';
import { findSteps } from './campaign-steps.js';
import { timeOf } from './deployment-rows.js';
import type { PlanRequest } from './member-order.js';
import { keepPlan, markPlanApproved, markPlanUsed } from './plan-versions.js';
import { draftRollBack } from './roll-back.js';
import { restoreFaults, urgentFaults, windowFaults } from './policy-references.js';
import {
  dropPlan,
  filterFaults,
  planMembers,
  previewMembers,
  unknownNames,
  type PlannedMembers,
} from './member-planner.js';
import { versionProvesSql } from './version-proves.js';

interface ArtifactRow {
  id: string;
  model: string;
  version: string;
  running_version: string | null;
  description: unknown;
  version_proves: boolean;
  format: string;
  requires: { readonly runningVersions?: readonly string[] };
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
    const id = await inTransaction(this.source, (tx) => this.insertDraft(tx, actor, draft));
    return this.reader.one(actor.orgId, id);
  }

  /** A new draft that takes the devices of a campaign back to what they ran before. */
  async rollBack(actor: Actor, id: string, body: RollBack): Promise<Campaign> {
    const draftId = await inTransaction(this.source, async (tx) => {
      const campaign = await lockedCampaign(tx, actor.orgId, id);
      const draft = await draftRollBack(tx, campaign, body);
      const made = await this.insertDraft(tx, actor, draft, id);
      await recordDecision(tx, campaign, 'campaign.roll-back-drafted', {
        by: actor.name,
        reason: body.reason,
        campaign: made,
      });
      return made;
    });
    return this.reader.one(actor.orgId, draftId);
  }

  /** Writes the draft; the caller's transaction may take it back. @returns its id. */
  async insertDraft(
    tx: EntityManager,
    actor: Actor,
    draft: CampaignDraft,
    rollsBack: string | null = null,
  ): Promise<string> {
    requireRawPortRole(actor, draft.policy);
    await this.checkDraft(tx, actor.orgId, draft);
    await this.expectFreeName(tx, actor.orgId, draft.name, null);
    const [row] = await queryRows<{ id: string }>(
      tx,
      `insert into campaigns (org_id, name, note, artifact_id, selector, policy, created_by, state_by, rolls_back)
       values ($1, $2, $3, $4, $5, $6, $7, $8, $9) returning id`,
      [
        actor.orgId,
        draft.name,
        draft.note,
        draft.artifactId,
        JSON.stringify(draft.selector),
        JSON.stringify(draft.policy),
        actor.personId,
        actor.name,
        rollsBack,
      ],
    );
    const params = { name: draft.name, artifactId: draft.artifactId, ...(rollsBack !== null && { rollsBack }) };
    await keepPlan(tx, row!.id, actor);
    await this.record(tx, actor, 'campaign.created', row!.id, params);
    return row!.id;
  }

  async update(actor: Actor, id: string, draft: CampaignDraft, expected: number | undefined): Promise<Campaign> {
    await inTransaction(this.source, async (tx) => {
      const campaign = await lockedCampaign(tx, actor.orgId, id);
      requireRawPortRole(actor, campaign.policy);
      requireRawPortRole(actor, draft.policy);
      await expectSeen(tx, campaign, draft, expected);
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
      await keepPlan(tx, id, actor);
      await this.record(tx, actor, 'campaign.updated', id, { name: draft.name, artifactId: draft.artifactId });
    });
    return this.reader.one(actor.orgId, id);
  }

  /** Who would be a member now; nothing is written. */
  async preview(actor: Actor, draft: CampaignDraft): Promise<CampaignPreview> {
    return inTransaction(this.source, async (tx) => {
      const artifact = await this.checkDraft(tx, actor.orgId, draft);
      const members = await previewMembers(
        tx,
        await this.planRequest(tx, actor.orgId, randomUUID(), draft, artifact),
        await readApprovers(tx, actor, draft.policy),
      );
      const { limit, alpha } = draft.policy.brake;
      return { ...members, staircase: staircase(limit, alphaOf('campaign', alpha), 20) };
    });
  }

  /** Plans the members; the campaign runs, or waits for its time or for approvals. */
  async start(actor: Actor, id: string, reason: string | undefined): Promise<Campaign> {
    await inTransaction(this.source, async (tx) => {
      const campaign = await lockedCampaign(tx, actor.orgId, id);
      if (campaign.state !== 'draft') {
        throw new ProblemError('campaign.state', { actual: campaign.state, wanted: 'started' });
      }
      requireRawPortRole(actor, campaign.policy);
      const members = await this.plan(tx, actor, campaign);
      await markPlanUsed(tx, id);
      const params = { reason: reason ?? null, sizes: members.sizes, skipped: members.skipped };
      await recordDecision(tx, campaign, 'campaign.start-pressed', { ...params, by: actor.name });
      // An urgent campaign needs approvals: what it takes back is told with the last of them.
      await this.record(tx, actor, 'campaign.started', id, params);
      if (neededApprovals(campaign.policy) > 0) {
        await moveCampaign(tx, campaign, 'awaiting-approval', actor.name, reason ?? null);
      } else {
        await this.go(tx, campaign, actor.name, reason ?? null);
      }
    });
    this.events.campaignDue();
    return this.reader.one(actor.orgId, id);
  }

  /**
   * One approval; with the last that is needed the campaign goes on.
   * @throws ProblemError for a second by the same person, for one's own plan, where it is not the plan that was seen, and
   *   `sign-in.again` for a browser whose sign-in is not fresh.
   */
  async approve(actor: Actor, id: string, { reason, planDigest }: Approve): Promise<Campaign> {
    await inTransaction(this.source, async (tx) => {
      await expectFreshSignIn(tx, actor);
      const campaign = await this.awaiting(tx, actor, id, planDigest, 'approved');
      if (await isOwnPlan(tx, id, actor.personId)) {
        throw new ProblemError('request.conflict', { detail: `it is ${actor.name}'s own plan; another person must` });
      }
      if (!(await addApproval(tx, campaign, actor, reason ?? null))) {
        throw new ProblemError('request.conflict', {
          detail: `${actor.name} has approved it already; another person must`,
        });
      }
      const missing = await missingApprovals(tx, campaign);
      await recordDecision(tx, campaign, 'campaign.approved', { by: actor.name, missing });
      const begun = missing === 0 ? await this.go(tx, campaign, actor.name, reason ?? null) : {};
      if (missing > 0) await queryRows(tx, 'update campaigns set state_at = clock_timestamp() where id = $1', [id]);
      await this.record(tx, actor, 'campaign.approved', id, { reason: reason ?? null, missing, ...begun });
    });
    this.events.ordersDue();
    this.events.campaignDue();
    return this.reader.one(actor.orgId, id);
  }

  /** Back to a draft, by somebody whose approval was asked for. */
  async decline(actor: Actor, id: string, { reason, planDigest }: Decline): Promise<Campaign> {
    await inTransaction(this.source, async (tx) => {
      const campaign = await this.awaiting(tx, actor, id, planDigest, 'declined');
      await moveCampaign(tx, campaign, 'draft', actor.name, reason);
      await dropPlan(tx, id);
      await this.record(tx, actor, 'campaign.declined', id, { reason });
      await recordDecision(tx, campaign, 'campaign.declined', { reason, by: actor.name });
    });
    return this.reader.one(actor.orgId, id);
  }

  private async awaiting(
    tx: EntityManager,
    actor: Actor,
    id: string,
    seen: string | undefined,
    wanted: string,
  ): Promise<CampaignRow> {
    const campaign = await lockedCampaign(tx, actor.orgId, id);
    if (campaign.state !== 'awaiting-approval') {
      throw new ProblemError('campaign.state', { actual: campaign.state, wanted });
    }
    const digest = seen === undefined ? undefined : await storedDigest(tx, id);
    if (digest !== seen) {
      throw new ProblemError('request.conflict', {
        detail: `the plan was changed meanwhile and is ${digest!.slice(0, 12)} now; look at it again`,
      });
    }
    return campaign;
  }

  /** Back to a draft, before anything was granted: the plan is dropped, approvals do not carry over. */
  async withdraw(actor: Actor, id: string, reason: string): Promise<Campaign> {
    await inTransaction(this.source, async (tx) => {
      const campaign = await lockedCampaign(tx, actor.orgId, id);
      await moveCampaign(tx, campaign, 'draft', actor.name, reason);
      await dropPlan(tx, id);
      await this.record(tx, actor, 'campaign.withdrawn', id, { reason });
      await recordDecision(tx, campaign, 'campaign.withdrawn', { reason, by: actor.name });
    });
    return this.reader.one(actor.orgId, id);
  }

  /** Nobody is missing: now, or at its time. @returns what it did to others, for the audit. */
  private async go(
    tx: EntityManager,
    campaign: CampaignRow,
    by: string,
    reason: string | null,
  ): Promise<{ preempted?: number }> {
    await markPlanApproved(tx, campaign.id);
    const { startAt } = campaign.policy;
    const startAtMs = startAt === undefined ? null : Date.parse(startAt);
    if (startAtMs === null || startAtMs <= campaign.nowMs) {
      const preempted = await beginCampaign(tx, campaign, by, reason);
      const effect = preempted === null ? {} : { preempted };
      await recordDecision(tx, campaign, 'campaign.started', { by, reason, ...effect });
      return effect;
    }
    await moveCampaign(tx, campaign, 'scheduled', by, reason);
    await queryRows(tx, `update campaigns set start_at = ${timeOf('$2::float8')} where id = $1`, [
      campaign.id,
      startAtMs,
    ]);
    await recordDecision(tx, campaign, 'campaign.scheduled', { by, startAtMs });
    return {};
  }

  /** What a draft would plan, checked as it is when it starts. @throws ProblemError `campaign.policy` */
  async storedPlan(tx: EntityManager, orgId: string, campaign: CampaignRow): Promise<PlanRequest> {
    const [stored] = await queryRows<{ selector: unknown; name: string; note: string }>(
      tx,
      'select selector, name, note from campaigns where id = $1',
      [campaign.id],
    );
    const draft = CampaignDraft.parse({
      name: stored!.name,
      note: stored!.note,
      artifactId: campaign.artifactId,
      selector: stored!.selector,
      policy: campaign.policy,
    });
    const artifact = await this.checkDraft(tx, orgId, draft);
    return this.planRequest(tx, orgId, campaign.id, draft, artifact);
  }

  private async plan(tx: EntityManager, actor: Actor, campaign: CampaignRow): Promise<PlannedMembers> {
    const request = await this.storedPlan(tx, actor.orgId, campaign);
    for (const [index, stage] of campaign.policy.stages.entries()) {
      await queryRows(
        tx,
        'insert into campaign_stages (campaign_id, idx, name, percent, gate) values ($1, $2, $3, $4, $5)',
        [campaign.id, index, stage.name, stage.percent ?? null, JSON.stringify(stage.gate)],
      );
    }
    const members = await planMembers(tx, request);
    const dynamic = campaign.policy.membership === 'dynamic';
    if (!dynamic && members.sizes.every((size) => size === 0)) {
      const detail = members.skipped > 0 ? `${members.skipped} matching device(s) need no update` : 'nothing matches';
      throw new ProblemError('campaign.empty', { skipped: members.skipped }, [
        { path: 'selector', message: `No device is to be updated: ${detail}. Widen the selector.` },
      ]);
    }
    if (!dynamic) refuse(checkStageSizes(campaign.policy, members.sizes));
    return members;
  }

  private async planRequest(
    tx: EntityManager,
    orgId: string,
    campaignId: string,
    draft: CampaignDraft,
    artifact: ArtifactRow,
  ): Promise<PlanRequest> {
    return {
      campaignId,
      orgId,
      artifactId: artifact.id,
      model: artifact.model,
      version: artifact.running_version ?? artifact.version,
      selector: draft.selector,
      policy: draft.policy,
      requires: artifact.requires.runningVersions ?? [],
      steps: await findSteps(tx, {
        orgId,
        artifactId: artifact.id,
        model: artifact.model,
        allowDowngrade: draft.policy.allowDowngrade,
      }),
      nowMs: await nowOf(tx),
    };
  }

  private async checkDraft(tx: EntityManager, orgId: string, draft: CampaignDraft): Promise<ArtifactRow> {
    const [artifact] = await queryRows<ArtifactRow>(
      tx,
      `select art.id, art.model, art.version, art.running_version, art.description, art.format, art.requires,
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
      ...nameFaults(draft.name),
      ...checkPolicy(draft.policy, draft.selector, {
        model: artifact.model,
        images: provableImages(artifact.description),
        runningVersion: artifact.running_version,
        versionProves: artifact.version_proves,
      }),
      ...vendorToolFaults(draft.policy, draft.selector, artifact.format),
      ...filterFaults(draft.selector, draft.policy),
      ...(await unknownNames(tx, orgId, draft.selector)),
      ...(await restoreFaults(tx, orgId, draft, artifact)),
      ...(await windowFaults(tx, orgId, draft)),
      ...(await urgentFaults(tx, orgId, draft, artifact.model)),
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
