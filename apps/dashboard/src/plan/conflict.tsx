/** Somebody else was first: who, what and when; theirs beside mine; and mine once more, on top of theirs. */
import { answerOf } from '@drydock/api-client';
import type { Campaign, PlanVersion } from '@drydock/contracts';
import { Button } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { changing, reading, errorSentence } from '../data/api.js';
import { counted } from '../format/numbers.js';
import { clock } from '../format/times.js';
import { Note } from '../pieces/note.js';
import { ChangeLines } from './change-lines.js';
import { diffPlace, diffValue } from './diff-words.js';
import { plansQuery } from './plan-queries.js';

type Draft = Pick<Campaign, 'name' | 'note' | 'selector' | 'policy'> & { readonly artifactId: string };

interface Props {
  readonly campaignId: string;
  /** Mine as a whole plan, on top of theirs. */
  readonly mine: (theirs: Campaign) => Draft;
  /** Sends mine again, with the revision of theirs. */
  readonly applyOnTop: (theirs: Campaign) => Promise<unknown>;
}

export function Conflict({ campaignId, mine, applyOnTop }: Props) {
  const [compares, setCompares] = useState(false);
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>();
  const path = { params: { path: { id: campaignId } } };
  const theirs = useQuery({
    queryKey: ['campaign', campaignId, 'conflict'],
    staleTime: 0,
    queryFn: () => answerOf(reading.GET('/api/v1/campaigns/{id}', path)),
  }).data;
  const plans = useQuery({ ...plansQuery(campaignId), staleTime: 0 }).data;
  const difference = useQuery({
    queryKey: ['campaign', campaignId, 'conflict', 'diff', theirs?.revision],
    staleTime: 0,
    enabled: compares && theirs !== undefined,
    queryFn: () =>
      answerOf(changing.POST('/api/v1/campaigns/diff', { body: { draft: mine(theirs!), against: campaignId } })),
  });
  const again = async () => {
    if (!theirs) return;
    setBusy(true);
    setError(undefined);
    try {
      await applyOnTop(theirs);
    } catch (problem) {
      setError(problem);
    } finally {
      setBusy(false);
    }
  };
  return (
    <Note>
      <div role="alert">
        <p>
          {theirs && plans ? changeSentence(theirs, plans.items[0]) : 'Somebody changed it meanwhile.'} Yours was not
          applied.
        </p>
      </div>
      <div className="row">
        <Button size="xs" aria-expanded={compares} disabled={!theirs} onClick={() => setCompares(!compares)}>
          Compare
        </Button>
        <Button size="xs" disabled={!theirs} loading={busy} onClick={() => void again()}>
          Apply mine on top
        </Button>
      </div>
      {compares && difference.data && (
        <>
          {difference.data.lines.length === 0 ? (
            <p>Theirs says the same as yours.</p>
          ) : (
            <ChangeLines lines={difference.data.lines} label="Theirs and yours" from="Theirs" to="Yours" />
          )}
        </>
      )}
      {(error ?? difference.error) !== undefined && (error ?? difference.error) !== null && (
        <p role="alert">{errorSentence(error ?? difference.error)}</p>
      )}
    </Note>
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
