/** What a look leaves behind for the next one and for those who read: pace, the brake's colour, and why nothing moves. */
import { queryRows, type Queryable } from '../../adapters/database/rows.js';
import type { CampaignSnapshot } from '../../domain/campaign/decide.js';
import { standingOf } from '../../domain/campaign/standstill.js';
import type { PaceState } from '../../domain/pace/index.js';
import { timeOf } from '../campaigns/deployment-rows.js';

export async function keepStanding(
  tx: Queryable,
  campaign: { readonly id: string; readonly nowMs: number },
  pace: PaceState,
  snapshot: CampaignSnapshot,
): Promise<void> {
  const { brakes } = snapshot;
  await queryRows(
    tx,
    `update campaigns set rate_tokens = $2, open_ms = $3, rate_at = ${timeOf('$4::float8')}, amber = $5,
       brake_unknown = $6, standing = $7, standing_since = case when $7::text is null then null
         when standing = $7 then standing_since else ${timeOf('$4::float8')} end
     where id = $1`,
    [
      campaign.id,
      pace.tokens,
      pace.openMinutes * 60_000,
      campaign.nowMs,
      brakes?.amber ?? false,
      brakes === undefined,
      standingOf(snapshot)?.code ?? null,
    ],
  );
}
