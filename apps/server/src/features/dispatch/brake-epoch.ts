/** Epochs of the brake: a person who resumes opens a new one; what the old one had reached is kept. */
import { queryRows, type Queryable } from '../../adapters/database/rows.js';
import { floored, peaksOf, type TestFacts } from '../../domain/brake/index.js';
import type { Sums } from '../../domain/sums/sums.js';
import { readBrakes, type BrakeCampaign, type BrakeState, type PastEpoch } from './brake-reader.js';

export async function newBrakeEpoch(tx: Queryable, campaign: BrakeCampaign, sums: Sums): Promise<void> {
  const past = closeEpoch(campaign, await readBrakes(tx, campaign, sums, campaign.policy.limits.inFlight));
  await queryRows(
    tx,
    `update campaigns set brake_epoch = brake_epoch + 1, brake_past = brake_past || $2::jsonb, brake_proven = $3
     where id = $1`,
    [campaign.id, JSON.stringify([past]), sums.proven],
  );
}

/** Closes the epoch: what each test had reached is kept, and only much worse news of its devices rings again. */
function closeEpoch(campaign: BrakeCampaign, state: BrakeState): PastEpoch {
  const reached = (facts: TestFacts): number | undefined => {
    const ledger = facts.test.epochs.at(-1)?.ledger;
    return ledger ? floored(peaksOf(ledger), facts.gatewaysTried)?.logE : undefined;
  };
  const logE: Record<string, number> = {};
  const note = (key: string, facts: TestFacts): void => {
    const value = reached(facts);
    if (value !== undefined) logE[key] = value;
  };
  note('campaign', state.facts.campaign);
  note('overdue', state.facts.overdue);
  note('transport', state.facts.transport);
  for (const stratum of state.facts.strata) note(`version:${stratum.key}`, stratum);
  return {
    after: campaign.nextOrdinal - 1,
    limit: campaign.brakeLimit,
    logE,
    strata: Object.fromEntries(state.strata.map((stratum) => [String(stratum.idx), stratum.tried])),
  };
}
