/** An abort that restores: devices without an application get what its policy names instead of the campaign's artifact. */
import { queryRows, type Queryable } from '../../adapters/database/rows.js';
import type { CampaignRow } from './campaign-row.js';

export async function restoreRescues(
  tx: Queryable,
  campaign: CampaignRow,
  artifactId: string,
  say: (kind: string, params: Record<string, unknown>) => Promise<void>,
): Promise<void> {
  // Tries of the other artifact are none of this one, and nothing is gained by waiting out their back-off.
  const moved = await queryRows(
    tx,
    `update deployments set step_artifact_id = $2, step_kind = 'restore', tries = 0, not_before = null
     where campaign_id = $1 and state = 'rescue' and step_kind is distinct from 'restore' returning id`,
    [campaign.id, artifactId],
  );
  if (moved.length > 0) await say('rescues.restore', { count: moved.length, artifactId });
}
