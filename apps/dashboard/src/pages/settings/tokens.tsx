/** A person's API tokens: the text is shown once, the rest is kept. */
import { answerOf } from '@drydock/api-client';
import type { ApiToken } from '@drydock/contracts';
import { Button, NativeSelect, TextInput } from '@mantine/core';
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { changing } from '../../data/api.js';
import { when } from '../../format/times.js';
import { useServerNow } from '../../live/use-live.js';
import { ConfirmDialog } from '../../pieces/confirm-dialog.js';
import { Part } from '../../pieces/page-state.js';
import { ShownOnce } from '../../pieces/shown-once.js';
import { SimpleTable } from '../../pieces/simple-table.js';
import { StateMark, type Look } from '../../pieces/state-mark.js';
import { Time } from '../../pieces/time.js';
import { withFreshSignIn } from '../../session/fresh-sign-in.js';
import { tokensQuery } from './queries.js';

const DAYS = [
  { value: '7', label: 'a week' },
  { value: '30', label: '30 days' },
  { value: '90', label: '90 days' },
  { value: '365', label: 'a year' },
];

export function Tokens({ person, title }: { person: string; title: string }) {
  const client = useQueryClient();
  const now = useServerNow(10_000);
  const tokens = useQuery(tokensQuery(person));
  const [open, setOpen] = useState<'new' | ApiToken>();
  return (
    <section className="panel" aria-labelledby="tokens">
      <header>
        <h2 id="tokens">{title}</h2>
        <Button onClick={() => setOpen('new')}>New token…</Button>
      </header>
      <Part query={tokens}>
        {({ items }) =>
          items.length === 0 ? (
            <p className="muted">None. Programs and the command line sign in with a token.</p>
          ) : (
            <SimpleTable
              label="Tokens"
              head={['Token', 'Last used', 'Ends', 'State', 'Action']}
              rows={items.map((token) => {
                const look = tokenLook(token, now);
                return {
                  key: token.id,
                  cells: [
                    <>
                      {token.name} <code className="muted">{token.hint}…</code>
                    </>,
                    token.lastUsedAt === null ? 'never' : <Time at={token.lastUsedAt} />,
                    token.expiresAt === null ? 'never' : <Time at={token.expiresAt} fixed />,
                    <StateMark key="state" look={look} />,
                    look.label === 'good' ? (
                      <button key="revoke" type="button" className="plain-button" onClick={() => setOpen(token)}>
                        Revoke…
                      </button>
                    ) : (
                      ''
                    ),
                  ],
                };
              })}
            />
          )
        }
      </Part>
      {open === 'new' && <NewTokenDialog person={person} close={() => setOpen(undefined)} />}
      {open !== undefined && open !== 'new' && (
        <ConfirmDialog
          title={`Revoke ${open.name}?`}
          verb="Revoke"
          keep="Keep it"
          typed={open.name}
          danger
          close={() => setOpen(undefined)}
          act={async () => {
            await answerOf(changing.DELETE('/api/v1/tokens/{id}', { params: { path: { id: open.id } } }));
            await client.invalidateQueries({ queryKey: ['people', 'tokens', person] });
          }}
        >
          <p>
            Every program that signs in with it is refused from now on, and sessions that were opened with it end.{' '}
            {open.lastUsedAt === null ? 'It has never been used.' : `It was last used ${when(open.lastUsedAt, now)}.`}
          </p>
        </ConfirmDialog>
      )}
    </section>
  );
}

function tokenLook(token: ApiToken, nowMs: number): Look {
  if (token.revokedAt !== null) return { family: 'waiting', mark: '–', label: 'revoked' };
  if (token.expiresAt !== null && Date.parse(token.expiresAt) <= nowMs) {
    return { family: 'waiting', mark: '–', label: 'over' };
  }
  return { family: 'proven', mark: '✓', label: 'good' };
}

function NewTokenDialog({ person, close }: { person: string; close: () => void }) {
  const client = useQueryClient();
  const now = useServerNow(10_000);
  const [name, setName] = useState('');
  const [days, setDays] = useState('90');
  const [made, setMade] = useState<{ token: string; expiresAt: string | null }>();
  if (made) {
    return (
      <ShownOnce title={`Token ${name}`} secret={made.token} close={close}>
        <p>
          It signs in as the person that it belongs to, with all of their roles
          {made.expiresAt === null ? '.' : `, until ${when(made.expiresAt, now)}.`}
        </p>
      </ShownOnce>
    );
  }
  return (
    <ConfirmDialog
      title="New token"
      verb="Create"
      keep="Close"
      staysOpen
      ready={name.trim() !== ''}
      close={close}
      act={async () => {
        const answer = await withFreshSignIn(() =>
          answerOf(
            changing.POST('/api/v1/people/{id}/tokens', {
              params: { path: { id: person } },
              body: { name: name.trim(), expiresInDays: Number(days) },
            }),
          ),
        );
        void client.invalidateQueries({ queryKey: ['people', 'tokens', person] });
        setMade(answer);
      }}
      fields={
        <>
          <TextInput
            label="Name"
            description="What uses it, and where"
            maxLength={100}
            value={name}
            onChange={(event) => setName(event.currentTarget.value)}
          />
          <NativeSelect
            label="It works for"
            value={days}
            data={DAYS}
            onChange={(event) => setDays(event.currentTarget.value)}
          />
        </>
      }
    >
      <p>Each program gets a token of its own, so that one can be revoked alone.</p>
    </ConfirmDialog>
  );
}
