/** What was decided, by people and by rules, newest first, with the numbers of that moment. */
import { answerOf } from '@drydock/api-client';
import type { Campaign, Decision } from '@drydock/contracts';
import { useState } from 'react';
import { reading } from '../../data/api.js';
import { useKeysetRows } from '../../data/keyset.js';
import { clock, dayLine } from '../../format/times.js';
import { useServerNow } from '../../live/use-live.js';
import { Part } from '../../pieces/page-state.js';
import classes from './campaign.module.css';
import { nextDecision } from './next-decision.js';
import { decisionLines, lineSentence, type DecisionLine } from './decision-words.js';

const FIRST = 8;
const BY = [
  [undefined, 'all'],
  ['person', 'people'],
  ['rule', 'rules'],
] as const;

export function Decisions({ campaign }: { campaign: Campaign }) {
  const [by, setBy] = useState<'person' | 'rule'>();
  const [all, setAll] = useState(() => location.hash.startsWith('#d-'));
  const rows = useKeysetRows<Decision>(['campaign-part', campaign.id, 'decisions', by], (after) =>
    answerOf(
      reading.GET('/api/v1/campaigns/{id}/decisions', {
        params: {
          path: { id: campaign.id },
          query: { order: 'newest', limit: 50, ...(by !== undefined && { by }), ...(after !== undefined && { after }) },
        },
      }),
    ),
  );
  const next = nextDecision(campaign, rows.rows?.[0]?.at, useServerNow(10_000));
  return (
    <section className="panel stack" aria-labelledby="decisions">
      <header>
        <h2 id="decisions">Decisions</h2>
        <span className="row small" role="group" aria-label="Decided by" style={{ marginLeft: 'auto' }}>
          {BY.map(([value, label]) => (
            <button
              key={label}
              type="button"
              className="plain-button"
              aria-pressed={by === value}
              onClick={() => setBy(value)}
            >
              {label}
            </button>
          ))}
        </span>
        <a href={`/api/v1/campaigns/${campaign.id}/decisions/export${by === undefined ? '' : `?by=${by}`}`} download>
          CSV
        </a>
      </header>
      {next !== undefined && <p className="small muted">{next}</p>}
      <Part query={rows} rows={5}>
        {(items) =>
          items.length === 0 ? (
            <p className="muted">Nothing has been decided{by === 'person' ? ' by a person' : ''}.</p>
          ) : (
            <>
              <ol className={classes.decisions} data-all={all || undefined}>
                {decisionLines(items)
                  .slice(0, all ? undefined : FIRST)
                  .map((line, index, lines) => (
                    <Line key={line.decision.id} line={line} before={lines[index - 1]?.decision} />
                  ))}
              </ol>
              {!all && items.length > FIRST && (
                <button type="button" className="plain-button" onClick={() => setAll(true)}>
                  All decisions
                </button>
              )}
              {all && rows.hasMore && (
                <button type="button" className="plain-button" disabled={rows.isLoadingMore} onClick={rows.loadMore}>
                  Older
                </button>
              )}
            </>
          )
        }
      </Part>
    </section>
  );
}

function Line({ line, before }: { line: DecisionLine; before: Decision | undefined }) {
  const { decision } = line;
  const now = useServerNow(60_000);
  const day = dayLine(decision.at);
  const isNewDay = day !== dayLine(before?.at ?? now);
  return (
    <>
      {isNewDay && <li className={classes.day}>{day}</li>}
      <li id={`d-${decision.id}`} className={classes.decision}>
        <a href={`#d-${decision.id}`} className="mono small muted">
          <span className="sr-only">decision {decision.id}, </span>
          {clock(decision.at)}
        </a>
        <span className={classes.by} data-person={decision.by !== null || undefined}>
          {decision.by ?? 'rule'}
        </span>
        <span>{lineSentence(line, now)}</span>
      </li>
    </>
  );
}
