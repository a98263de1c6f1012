/** What judging reports needs beside the deployments themselves; asked for only where a deployment calls for it. */
import { type Blame, provableImages, type ArtifactProof } from '@drydock/contracts';
import type { Queryable } from '../../adapters/database/rows.js';
import type { LockedDeployment } from '../campaigns/deployment-rows.js';
import { versionProvesSql } from '../campaigns/version-proves.js';

/** By id: what proves that the artifact of a step runs. */
export async function readStepArtifacts(
  tx: Queryable,
  locked: readonly LockedDeployment[],
): Promise<Map<string, ArtifactProof>> {
  const ids = [...new Set(locked.flatMap(({ facts }) => (facts.step === null ? [] : [facts.step.artifactId])))];
  if (ids.length === 0) return new Map();
  const rows = (await tx.query(
    `select a.id, a.description, a.running_version, ${versionProvesSql('a')} as version_proves
     from artifacts a where a.id = any($1::uuid[])`,
    [ids],
  )) as { id: string; description: unknown; running_version: string | null; version_proves: boolean }[];
  return new Map(
    rows.map((row) => [
      row.id,
      {
        images: provableImages(row.description),
        runningVersion: row.running_version,
        versionProves: row.version_proves,
      },
    ]),
  );
}

/** Failed tries of what the deployment is given now, by blame: a step has tries of its own. */
export async function readFailedBefore(
  tx: Queryable,
  locked: readonly LockedDeployment[],
): Promise<Map<string, Partial<Record<Blame, number>>>> {
  const tried = locked.filter(({ facts }) => facts.attempt > 1);
  const found = new Map<string, Partial<Record<Blame, number>>>();
  if (tried.length === 0) return found;
  const rows = (await tx.query(
    `select a.deployment_id as id, a.blame, count(*)::int as n
     from deployments d join campaigns c on c.id = d.campaign_id join attempts a on a.deployment_id = d.id
     where d.id = any($1::uuid[]) and a.outcome = 'failed' and a.blame is not null
       and (a.reign, a.attempt) < (d.reign, d.attempt)
       and coalesce(a.artifact_id, c.artifact_id) = coalesce(d.step_artifact_id, c.artifact_id)
     group by 1, 2`,
    [tried.map(({ facts }) => facts.id)],
  )) as { id: string; blame: Blame; n: number }[];
  for (const { id, blame, n } of rows) found.set(id, { ...found.get(id), [blame]: n });
  return found;
}
