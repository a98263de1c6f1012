/** Somebody else was first: who changed what and when, theirs beside mine, and mine once more, on top of theirs. */
import { answerOf } from '@drydock/api-client';
import { Button } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { useState, type ReactNode } from 'react';
import { errorSentence, reading } from '../data/api.js';
import { when } from '../format/times.js';
import { live } from '../live/live-link.js';
import { auditDetail, auditWho } from './audit-words.js';
import { Note } from './note.js';
import { SimpleTable } from './simple-table.js';

/** What a change is about, so that a conflict can be explained. */
export interface ConflictSubject {
  /** As the audit names it: `device`, `gateway`, `site` … */
  readonly kind: string;
  readonly id: string;
  /** Reads it anew, so that the next press is about what holds now. */
  readonly renew: () => Promise<unknown>;
  /** Theirs and mine, field by field; left out where one act is all there is to say. */
  readonly fields?: readonly ConflictField[];
  /** Who was first and what they did, where something knows it better than the audit. */
  readonly first?: () => Promise<string>;
  /** Theirs beside mine, where a list of fields does not say it. */
  readonly comparison?: ReactNode;
}

/** One field as it stands now, and as the person wrote it. */
export interface ConflictField {
  readonly label: string;
  readonly theirs: string;
  readonly mine: string;
}

interface Props {
  readonly subject: ConflictSubject;
  /** The button that sends mine again: "Save on top". */
  readonly onTop: string;
  /** Does so from here; left out where the dialog has a button of its own. */
  readonly apply?: () => Promise<unknown>;
}

export function Conflict({ subject, onTop, apply }: Props) {
  const [compares, setCompares] = useState(false);
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>();
  const first = useQuery({
    queryKey: ['conflict', subject.kind, subject.id],
    staleTime: 0,
    queryFn: subject.first ?? (() => lastOfAudit(subject)),
  }).data;
  const again = async () => {
    setBusy(true);
    setError(undefined);
    try {
      await apply?.();
    } catch (problem) {
      setError(problem);
    } finally {
      setBusy(false);
    }
  };
  const hasComparison = subject.comparison !== undefined || subject.fields !== undefined;
  return (
    <Note>
      <div className="stack">
        <div role="alert">
          <p>
            {first ?? 'Somebody was first.'} Yours was not applied. “{onTop}” applies what you wrote to what holds now.
          </p>
        </div>
        {(hasComparison || apply) && (
          <div className="row">
            {hasComparison && (
              <Button size="xs" type="button" aria-expanded={compares} onClick={() => setCompares(!compares)}>
                Compare
              </Button>
            )}
            {apply && (
              <Button size="xs" type="button" loading={busy} onClick={() => void again()}>
                {onTop}
              </Button>
            )}
          </div>
        )}
        {compares && (subject.comparison ?? <Fields fields={subject.fields ?? []} />)}
        {error !== undefined && <p role="alert">{errorSentence(error)}</p>}
      </div>
    </Note>
  );
}

function Fields({ fields }: { fields: readonly ConflictField[] }) {
  const other = fields.filter(({ theirs, mine }) => theirs !== mine);
  if (other.length === 0) return <p>Theirs says the same as yours.</p>;
  return (
    <SimpleTable
      label="Theirs and yours"
      head={['What', 'Theirs', 'Yours']}
      rows={other.map(({ label, theirs, mine }) => ({
        key: label,
        cells: [label, theirs === '' ? 'none' : theirs, mine === '' ? 'none' : mine],
      }))}
    />
  );
}

async function lastOfAudit({ kind, id }: ConflictSubject): Promise<string> {
  const { items } = await answerOf(
    reading.GET('/api/v1/audit', { params: { query: { targetKind: kind, targetId: id, limit: 1 } } }),
  );
  const [last] = items;
  if (!last) return 'Somebody was first.';
  const detail = auditDetail(last.params);
  return `${auditWho(last.actor)} was first, at ${when(last.at, Date.now() + live.state().clockOffsetMs)}: ${last.action}${detail === '' ? '' : `, ${detail}`}.`;
}
