/** Where somebody is signed in; each can be ended. */
import { answerOf } from '@drydock/api-client';
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { changing } from '../../data/api.js';
import { ConfirmDialog } from '../../pieces/confirm-dialog.js';
import { Part } from '../../pieces/page-state.js';
import { SimpleTable } from '../../pieces/simple-table.js';
import { Time } from '../../pieces/time.js';
import { browserName } from './browser-name.js';
import { sessionsQuery } from './queries.js';

const WAYS: Readonly<Record<string, string>> = { password: 'password', token: 'API token', oidc: 'single sign-on' };

export function Sessions({ person, title }: { person: string; title: string }) {
  const client = useQueryClient();
  const sessions = useQuery(sessionsQuery(person));
  const [ending, setEnding] = useState<string>();
  return (
    <section className="panel" aria-labelledby="sessions">
      <header>
        <h2 id="sessions">{title}</h2>
      </header>
      <Part query={sessions}>
        {({ items }) =>
          items.length === 0 ? (
            <p className="muted">Nowhere.</p>
          ) : (
            <SimpleTable
              label="Sessions"
              head={['Browser', 'Since', 'Last used', 'Ends', 'By', 'Action']}
              rows={items.map((row) => ({
                key: row.id,
                cells: [
                  <span key="browser" title={row.userAgent}>
                    {browserName(row.userAgent)} <span className="muted">from {row.address}</span>
                    {row.own && <strong> this one</strong>}
                  </span>,
                  <Time key="since" at={row.createdAt} />,
                  <Time key="seen" at={row.seenAt} />,
                  <Time key="ends" at={row.endsAt} fixed />,
                  WAYS[row.method] ?? row.method,
                  row.own ? (
                    <span key="own" className="muted">
                      sign out in the menu above
                    </span>
                  ) : (
                    <button key="end" type="button" className="plain-button" onClick={() => setEnding(row.id)}>
                      End…
                    </button>
                  ),
                ],
              }))}
            />
          )
        }
      </Part>
      {ending !== undefined && (
        <ConfirmDialog
          title="End this session?"
          verb="End it"
          keep="Leave it"
          danger
          close={() => setEnding(undefined)}
          act={async () => {
            await answerOf(changing.DELETE('/api/v1/sessions/{id}', { params: { path: { id: ending } } }));
            await client.invalidateQueries({ queryKey: ['people', 'sessions', person] });
          }}
        >
          <p>That browser has to sign in again. What was typed there and not sent is kept on its screen.</p>
        </ConfirmDialog>
      )}
    </section>
  );
}
