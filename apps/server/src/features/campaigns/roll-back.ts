/** The draft of a campaign that takes back what another did: what ran before, on the devices that it updated. */
import {
  CampaignDraft,
  Policy,
  type CampaignState,
  type RollBack,
  type RunningImageFact,
  provableImages,
} from '@drydock/contracts';
import { queryRows, type Queryable } from '../../adapters/database/rows.js';
import { formerArtifact, type FormerCandidate } from '../../domain/campaign/former-artifact.js';
import { ProblemError } from '../../http/problem-error.js';
import type { CampaignRow } from '../dispatch/campaign-row.js';
import { UPDATED } from './member-order.js';
import { versionProvesSql } from './version-proves.js';

/** While it grants, it would update again what is taken back. */
const OVER_OR_STOPPED: readonly CampaignState[] = ['paused', 'halted', 'aborting', 'aborted', 'completed'];
const LONGEST_NAME = 63;

/** @throws ProblemError `campaign.state` while it runs; `request.conflict` with the choices where they are not one. */
export async function draftRollBack(tx: Queryable, campaign: CampaignRow, body: RollBack): Promise<CampaignDraft> {
  if (!OVER_OR_STOPPED.includes(campaign.state)) {
    throw new ProblemError('campaign.state', { actual: campaign.state, wanted: 'rolled back' });
  }
  const artifactId = body.artifactId ?? (await onlyFormer(tx, campaign));
  if (artifactId === campaign.artifactId) {
    throw new ProblemError('request.conflict', { detail: 'it is the artifact of the campaign itself' }, [
      { path: 'artifactId', message: 'Name what the devices shall run again.' },
    ]);
  }
  const { limits, pace, brake, windows, approvals, timeouts, retry, acceptUnproven, confirm, minBatteryPercent } =
    campaign.policy;
  return CampaignDraft.parse({
    name: await freeName(tx, campaign),
    note: body.reason,
    artifactId,
    selector: { updatedBy: campaign.id },
    policy: Policy.parse({
      ...{ limits, pace, brake, windows, approvals, timeouts, retry, acceptUnproven, confirm, minBatteryPercent },
      allowDowngrade: true,
    }),
  });
}

async function onlyFormer(tx: Queryable, campaign: CampaignRow): Promise<string> {
  const stored = (
    await queryRows<{
      id: string;
      version: string;
      running_version: string | null;
      description: unknown;
      version_proves: boolean;
    }>(
      tx,
      `select art.id, art.version, art.running_version, art.description, ${versionProvesSql('art')} as version_proves
       from artifacts art where art.org_id = $1 and art.model = $2 and art.id <> $3`,
      [campaign.orgId, campaign.artifactModel, campaign.artifactId],
    )
  ).map((row): FormerCandidate => ({
    id: row.id,
    version: row.version,
    runningVersion: row.running_version,
    versionProves: row.version_proves,
    images: provableImages(row.description),
  }));
  // What ran before is said in few ways, however many devices there are.
  const befores = await queryRows<{ before: RunningImageFact[] | null; n: number }>(
    tx,
    `select u.before_running as before, count(*)::int as n from deployments u
     where u.campaign_id = $1 and ${UPDATED} group by 1`,
    [campaign.id],
  );
  if (befores.length === 0) {
    throw new ProblemError('request.conflict', { detail: 'the campaign has updated no device' });
  }
  const found = new Map<string, { version: string; n: number }>();
  const unknown = new Map<string, number>();
  for (const { before, n } of befores) {
    const former = formerArtifact(before ?? [], stored);
    if (former) found.set(former.id, { version: former.version, n: (found.get(former.id)?.n ?? 0) + n });
    else {
      const version = before?.find((image) => image.image === 0)?.version ?? 'an unknown version';
      unknown.set(version, (unknown.get(version) ?? 0) + n);
    }
  }
  const [only] = found.keys();
  if (only !== undefined && found.size === 1 && unknown.size === 0) return only;
  const choices = [
    ...[...found].map(([id, { version, n }]) => `${id}: ${n} device(s) ran ${version}.`),
    ...[...unknown].map(([version, n]) => `${n} device(s) ran ${version}, of which no artifact is stored.`),
  ];
  throw new ProblemError(
    'request.conflict',
    {
      detail: found.size > 1 ? 'the devices ran several versions before' : 'what some devices ran before is not stored',
    },
    choices.slice(0, 50).map((message) => ({ path: 'artifactId', message })),
  );
}

/** Derived from the campaign's own, and free. */
async function freeName(tx: Queryable, campaign: CampaignRow): Promise<string> {
  for (let number = 1; ; number++) {
    const suffix = number === 1 ? '-rollback' : `-rollback-${number}`;
    const name = campaign.name.slice(0, LONGEST_NAME - suffix.length) + suffix;
    const taken = await queryRows(tx, 'select 1 from campaigns where org_id = $1 and name = $2', [
      campaign.orgId,
      name,
    ]);
    if (taken.length === 0) return name;
  }
}
