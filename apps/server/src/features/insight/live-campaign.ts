/** What a watcher of a campaign is told beside its counters: stages, shares, and what a pause would promise. */
import { Policy, type CampaignState, type LiveCampaign } from '@drydock/contracts';
import { queryRows, type Queryable } from '../../adapters/database/rows.js';
import { addParts, partsOf, sharesOf } from '../../domain/sums/shares.js';
import { sumOf } from '../../domain/sums/sums.js';
import { readExposure } from '../campaigns/campaign-moves.js';
import { nowOf } from '../dispatch/campaign-row.js';
import { loadStages } from '../dispatch/campaign-stages.js';

/** Read from counters and live deployments; the same numbers as `GET campaigns/{id}` at that moment. */
export async function readLiveCampaign(tx: Queryable, id: string, state: CampaignState): Promise<LiveCampaign> {
  const [row] = await queryRows<{ policy: unknown; revision: number; started: boolean }>(
    tx,
    'select policy, revision, started_at is not null as started from campaigns where id = $1',
    [id],
  );
  const nowMs = await nowOf(tx);
  const stages = await loadStages(tx, { id, policy: Policy.parse(row!.policy), nowMs });
  const parts = stages.map((stage) => partsOf(stage.counts));
  return {
    revision: row!.revision,
    serverTimeMs: nowMs,
    parts: addParts(parts),
    shares: sharesOf(sumOf(stages.map((stage) => stage.sums))),
    stages: stages.map((stage, index) => ({ index: stage.index, state: stage.state, parts: parts[index]! })),
    exposure: row!.started ? { state, ...(await readExposure(tx, id, nowMs)) } : null,
  };
}
