/** Two people changed one plan: who was first and what of, and their whole plan beside mine. */
import { answerOf } from '@drydock/api-client';
import type { Campaign, PlanVersion } from '@drydock/contracts';
import { useQuery } from '@tanstack/react-query';
import { changing, errorSentence, reading } from '../data/api.js';
import { counted } from '../format/numbers.js';
import { clock } from '../format/times.js';
import type { ConflictSubject } from '../pieces/conflict.js';
import { ChangeLines } from './change-lines.js';
import { diffPlace, diffValue } from './diff-words.js';

type Draft = Pick<Campaign, 'name' | 'note' | 'selector' | 'policy'> & { readonly artifactId: string };
/** Mine as a whole plan, on top of theirs. */
type Mine = (theirs: Campaign) => Draft;

export const readCampaign = (id: string): Promise<Campaign> =>
  answerOf(reading.GET('/api/v1/campaigns/{id}', { params: { path: { id } } }));

/** @param renew called when somebody else was first, before it is said. */
export function planConflict(id: string, mine: Mine, renew: () => Promise<unknown>): ConflictSubject {
  return {
    kind: 'campaign',
    id,
    renew,
    first: async () => {
      const [theirs, plans] = await Promise.all([
        readCampaign(id),
        answerOf(reading.GET('/api/v1/campaigns/{id}/plans', { params: { path: { id } } })),
      ]);
      return changeSentence(theirs, plans.items[0]);
    },
    comparison: <PlanComparison campaignId={id} mine={mine} />,
  };
}

function PlanComparison({ campaignId, mine }: { campaignId: string; mine: Mine }) {
  const difference = useQuery({
    queryKey: ['conflict', 'plan', campaignId],
    staleTime: 0,
    queryFn: async () => {
      const draft = mine(await readCampaign(campaignId));
      return answerOf(changing.POST('/api/v1/campaigns/diff', { body: { draft, against: campaignId } }));
    },
  });
  if (difference.error) return <p role="alert">{errorSentence(difference.error)}</p>;
  if (!difference.data) return null;
  return difference.data.lines.length === 0 ? (
    <p>Theirs says the same as yours.</p>
  ) : (
    <ChangeLines lines={difference.data.lines} label="Theirs and yours" from="Theirs" to="Yours" />
  );
}

/** "R. Lind changed pace · max per minute 60 → 40 at 14:25." or what else moved it. */
export function changeSentence(
  theirs: Pick<Campaign, 'state' | 'stateBy' | 'stateAt'>,
  newest: Pick<PlanVersion, 'by' | 'at' | 'lines'> | undefined,
): string {
  const isPlan = newest !== undefined && Date.parse(newest.at) >= Date.parse(theirs.stateAt);
  if (!isPlan || newest.by === null) {
    return `${theirs.stateBy ?? 'Somebody'} changed it to ${theirs.state} at ${clock(theirs.stateAt)}.`;
  }
  const [first, ...more] = newest.lines;
  const what =
    first === undefined
      ? 'the draft'
      : `${diffPlace(first.path)} ${diffValue(first.path, first.from)} → ${diffValue(first.path, first.to)}${more.length > 0 ? ` and ${counted(more.length, 'more field')}` : ''}`;
  return `${newest.by} changed ${what} at ${clock(newest.at)}.`;
}
