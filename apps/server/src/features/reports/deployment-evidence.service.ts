/** Later sightings of what a device runs: results are corrected, and the counters with them (design, section 3). */
import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { queryRows } from '../../adapters/database/rows.js';
import { isEnd } from '../../domain/deployment/deployment.js';
import { correctByEvidence } from '../../domain/deployment/running-evidence.js';
import { lockDeployments } from '../campaigns/deployment-rows.js';
import { writeDeployments } from '../campaigns/deployment-writer.js';
import { versionProvesSql } from '../campaigns/version-proves.js';
import { nowOf } from '../dispatch/campaign-row.js';
import type { DeploymentEvidence, RunningImageSighting } from '../fleet/deployment-evidence.port.js';
import { type RunningImageFact, provableImages } from '@drydock/contracts';
import { CampaignDirt } from './campaign-dirt.js';

@Injectable()
export class DeploymentEvidenceService implements DeploymentEvidence {
  constructor(private readonly dirt: CampaignDirt) {}

  async runningImageSeen(tx: EntityManager, sighting: RunningImageSighting): Promise<void> {
    // Only the newest attempt on the device can be judged by what runs now.
    const [newest] = await queryRows<{
      id: string;
      description: unknown;
      running_version: string | null;
      version_proves: boolean;
    }>(
      tx,
      `select dep.id, art.description, art.running_version, ${versionProvesSql('art')} as version_proves
       from deployments dep join campaigns camp on camp.id = dep.campaign_id
         join artifacts art on art.id = coalesce(dep.step_artifact_id, camp.artifact_id)
       where dep.device_id = $1 and dep.granted_at is not null order by dep.granted_at desc, dep.id limit 1`,
      [sighting.deviceId],
    );
    if (!newest) return;
    const [locked] = await lockDeployments(tx, [newest.id]);
    if (!locked || !isEnd(locked.facts.state)) return;
    const next = correctByEvidence(
      locked.facts,
      sighting.running as readonly RunningImageFact[],
      {
        images: provableImages(newest.description),
        runningVersion: newest.running_version,
        versionProves: newest.version_proves,
      },
      await nowOf(tx),
    );
    if (!next) return;
    const ended = {
      outcome: next.state,
      code: next.outcomeCode,
      params: null,
      blame: next.state === 'reverted' ? 'firmware' : null,
      sentBytes: null,
      durationMs: null,
    };
    await writeDeployments(tx, [{ before: locked.facts, next, attempt: { ended } }]);
    this.dirt.mark([next.campaignId]);
  }
}
