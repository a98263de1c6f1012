/** Stepping stones of a campaign: found among the stored artifacts of the model, and kept with the campaign. */
import { provableImages, canBeProven } from '@drydock/contracts';
import { queryRows, type Queryable } from '../../adapters/database/rows.js';
import { steppingStones, type SteppingStep, type Stone } from '../../domain/campaign/stepping-stones.js';
import { versionProvesSql } from './version-proves.js';

/** By running version. */
export type CampaignSteps = ReadonlyMap<string, SteppingStep>;

interface StoneRow {
  readonly id: string;
  readonly version: string;
  readonly running_version: string | null;
  readonly requires: { readonly runningVersions?: readonly string[] };
  readonly description: unknown;
  readonly version_proves: boolean;
}

/** What of the model is stored; stones that no device could be proven to run lead nowhere. */
export async function findSteps(
  tx: Queryable,
  request: {
    readonly orgId: string;
    readonly artifactId: string;
    readonly model: string;
    readonly allowDowngrade: boolean;
  },
): Promise<CampaignSteps> {
  const [target] = await queryRows<StoneRow>(tx, `${STONE} where art.id = $1`, [request.artifactId]);
  if (!target || requiredVersions(target).length === 0) return new Map();
  const stored = await queryRows<StoneRow>(tx, `${STONE} where art.org_id = $1 and art.model = $2`, [
    request.orgId,
    request.model,
  ]);
  const provable = stored.filter((row) =>
    canBeProven({
      images: provableImages(row.description),
      runningVersion: row.running_version,
      versionProves: row.version_proves,
    }),
  );
  const versions = await queryRows<{ version: string }>(
    tx,
    `select distinct running_version as version from devices
     where org_id = $1 and model = $2 and running_version is not null`,
    [request.orgId, request.model],
  );
  return steppingStones(
    stoneOf(target),
    provable.map(stoneOf),
    versions.map((row) => row.version),
    request.allowDowngrade,
  );
}

const STONE = `select art.id, art.version, art.running_version, art.requires, art.description,
  ${versionProvesSql('art')} as version_proves from artifacts art`;

const requiredVersions = (row: StoneRow): readonly string[] => row.requires.runningVersions ?? [];
const stoneOf = (row: StoneRow): Stone => ({
  id: row.id,
  version: row.running_version ?? row.version,
  requires: requiredVersions(row),
});

/** Kept for the time of the campaign: where a device that has taken a step goes next. */
export async function storeSteps(tx: Queryable, campaignId: string, steps: CampaignSteps): Promise<void> {
  if (steps.size === 0) return;
  const rows = [...steps].map(([version, step]) => ({ version, artifact: step.artifactId, through: step.through }));
  await queryRows(
    tx,
    `insert into campaign_steps (campaign_id, version, artifact_id, through)
     select $1::uuid, x.version, x.artifact, array(select jsonb_array_elements_text(x.through))
     from jsonb_to_recordset($2::jsonb) as x(version text, artifact uuid, through jsonb)
     on conflict (campaign_id, version) do update set artifact_id = excluded.artifact_id, through = excluded.through`,
    [campaignId, JSON.stringify(rows)],
  );
}

/** As the plan's SQL takes it: running version to the id of the artifact that comes first. */
export const stepsJson = (steps: CampaignSteps): string =>
  JSON.stringify(Object.fromEntries([...steps].map(([version, step]) => [version, step.artifactId])));
