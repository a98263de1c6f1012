import { answerOf } from '@drydock/api-client';
import type { Person } from '@drydock/contracts';
import { Checkbox, TextInput } from '@mantine/core';
import { useQueryClient } from '@tanstack/react-query';
import { useNavigate } from '@tanstack/react-router';
import { useState } from 'react';
import { changing } from '../../data/api.js';
import { when } from '../../format/times.js';
import { useServerNow } from '../../live/use-live.js';
import { ConfirmDialog } from '../../pieces/confirm-dialog.js';
import { ShownOnce } from '../../pieces/shown-once.js';
import { withFreshSignIn } from '../../session/fresh-sign-in.js';

type Role = Person['roles'][number];
const ROLES: readonly (readonly [Role, string])[] = [
  ['viewer', 'sees everything but secrets'],
  ['operator', 'uploads, plans, starts, pauses; steers devices and gateways'],
  ['approver', 'approves what others planned'],
  ['admin', 'everything, people and webhooks too'],
];

function RoleFields({ roles, setRoles }: { roles: readonly Role[]; setRoles: (roles: Role[]) => void }) {
  return (
    <fieldset style={{ border: 0, margin: 0, padding: 0, display: 'grid', gap: 6 }}>
      <legend style={{ fontWeight: 600, padding: 0 }}>Roles</legend>
      {ROLES.map(([role, can]) => (
        <Checkbox
          key={role}
          label={`${role}: ${can}`}
          checked={roles.includes(role)}
          onChange={(event) =>
            setRoles(event.currentTarget.checked ? [...roles, role] : roles.filter((each) => each !== role))
          }
        />
      ))}
    </fieldset>
  );
}

export function NewPersonDialog({ close }: { close: () => void }) {
  const client = useQueryClient();
  const navigate = useNavigate();
  const [name, setName] = useState('');
  const [email, setEmail] = useState('');
  const [roles, setRoles] = useState<Role[]>(['viewer']);
  return (
    <ConfirmDialog
      title="New person"
      verb="Create"
      keep="Close"
      ready={name.trim() !== ''}
      close={close}
      act={async () => {
        const { id } = await answerOf(
          changing.POST('/api/v1/people', {
            body: { name: name.trim(), roles, ...(email.trim() !== '' && { email: email.trim() }) },
          }),
        );
        void client.invalidateQueries({ queryKey: ['people'] });
        await navigate({ to: '/settings/people/$id', params: { id } });
      }}
      fields={
        <>
          <TextInput
            label="Name"
            maxLength={100}
            value={name}
            onChange={(event) => setName(event.currentTarget.value)}
          />
          <TextInput
            label="E-mail"
            description="Needed to sign in with a password."
            type="email"
            value={email}
            onChange={(event) => setEmail(event.currentTarget.value)}
          />
          <RoleFields roles={roles} setRoles={setRoles} />
        </>
      }
    >
      <p>Afterwards make a link with which they set their password, or a token.</p>
    </ConfirmDialog>
  );
}

export interface PersonDialogProps {
  readonly person: Person;
  readonly close: () => void;
}

const changeOf = (person: Person) => ({
  path: { id: person.id },
  header: { 'If-Match': `"${person.revision}"` },
});

export function ChangePersonDialog({ person, close }: PersonDialogProps) {
  const client = useQueryClient();
  const [name, setName] = useState(person.name);
  const [email, setEmail] = useState(person.email ?? '');
  const [roles, setRoles] = useState<Role[]>(person.roles);
  return (
    <ConfirmDialog
      title={`Change ${person.name}`}
      verb="Save"
      keep="Leave it"
      ready={name.trim() !== ''}
      close={close}
      act={async () => {
        await answerOf(
          changing.PATCH('/api/v1/people/{id}', {
            params: changeOf(person),
            body: { name: name.trim(), roles, email: email.trim() === '' ? null : email.trim() },
          }),
        );
        await client.invalidateQueries({ queryKey: ['people'] });
      }}
      fields={
        <>
          <TextInput
            label="Name"
            maxLength={100}
            value={name}
            onChange={(event) => setName(event.currentTarget.value)}
          />
          <TextInput
            label="E-mail"
            type="email"
            value={email}
            onChange={(event) => setEmail(event.currentTarget.value)}
          />
          <RoleFields roles={roles} setRoles={setRoles} />
        </>
      }
    >
      <p>A role that is taken away is gone with the next request that they make.</p>
    </ConfirmDialog>
  );
}

export function DisablePersonDialog({ person, close }: PersonDialogProps) {
  const client = useQueryClient();
  const isOut = person.disabledAt !== null;
  return (
    <ConfirmDialog
      title={isOut ? `Let ${person.name} in again?` : `Shut ${person.name} out?`}
      verb={isOut ? 'Let them in' : 'Shut out'}
      keep="Leave it"
      {...(!isOut && { typed: person.name, danger: true })}
      close={close}
      act={async () => {
        await answerOf(changing.PATCH('/api/v1/people/{id}', { params: changeOf(person), body: { disabled: !isOut } }));
        await client.invalidateQueries({ queryKey: ['people'] });
      }}
    >
      <p>
        {isOut
          ? 'Their tokens and password work again.'
          : 'Their sessions end, and their tokens and password are refused. Campaigns that they started go on. What they did stays in the audit.'}
      </p>
    </ConfirmDialog>
  );
}

export function PasswordLinkDialog({ person, close }: PersonDialogProps) {
  const now = useServerNow(10_000);
  const [made, setMade] = useState<{ url: string; expiresAt: string }>();
  if (made) {
    return (
      <ShownOnce title={`Password link for ${person.name}`} secret={made.url} close={close}>
        <p>
          Whoever opens it sets the password of {person.name}. It works once, until{' '}
          <strong>{when(made.expiresAt, now)}</strong>: hand it over by a way that only they read.
        </p>
      </ShownOnce>
    );
  }
  return (
    <ConfirmDialog
      title={`Password link for ${person.name}?`}
      verb="Make the link"
      keep="Close"
      staysOpen
      ready={person.email !== null}
      close={close}
      act={async () =>
        setMade(
          await withFreshSignIn(() =>
            answerOf(changing.POST('/api/v1/people/{id}/password-link', { params: { path: { id: person.id } } })),
          ),
        )
      }
    >
      <p>
        {person.email === null
          ? 'They have no e-mail address, and a password is used together with it: add the address first.'
          : 'The link sets a new password, once, within a day. The password that they have goes on working until then.'}
      </p>
    </ConfirmDialog>
  );
}
