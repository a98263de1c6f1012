/** One person: roles, ways in, what they did. */
import type { Person } from '@drydock/contracts';
import { Button, Menu } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { getRouteApi, Link } from '@tanstack/react-router';
import { useState } from 'react';
import { PageHead } from '../../app/page-head.js';
import { Facts } from '../../pieces/facts.js';
import { Note } from '../../pieces/note.js';
import { Empty, Part } from '../../pieces/page-state.js';
import { Time } from '../../pieces/time.js';
import { useMayDo } from '../../session/use-session.js';
import { ChangePersonDialog, DisablePersonDialog, PasswordLinkDialog } from './person-dialogs.js';
import { personQuery } from './queries.js';
import { Sessions } from './sessions.js';
import { Tokens } from './tokens.js';

const route = getRouteApi('/settings/people/$id');
const CRUMBS = [{ to: '/settings/people', label: 'People' }];
const DIALOGS = { change: ChangePersonDialog, out: DisablePersonDialog, link: PasswordLinkDialog } as const;

export default function PersonPage() {
  const { id } = route.useParams();
  const admin = useMayDo('admin');
  const person = useQuery({ ...personQuery(id), enabled: admin.may });
  return (
    <>
      <PageHead
        title={person.data?.name ?? 'Person'}
        crumbs={CRUMBS}
        aside={person.data && <Actions person={person.data} />}
      />
      {!admin.may ? (
        <Empty>
          <p>{admin.why}</p>
        </Empty>
      ) : (
        <Part query={person}>{(found) => <Found person={found} />}</Part>
      )}
    </>
  );
}

function Found({ person }: { person: Person }) {
  return (
    <>
      {person.disabledAt !== null && (
        <Note>
          Shut out since <Time at={person.disabledAt} fixed />.
        </Note>
      )}
      <section className="panel" aria-labelledby="about">
        <header>
          <h2 id="about">May</h2>
          <Link to="/audit" search={{ q: `actor==${person.id}` }}>
            What they did
          </Link>
        </header>
        <Facts
          facts={[
            ['Roles', person.roles.join(', ') || 'none'],
            ['E-mail', person.email ?? 'none'],
            ['Since', <Time key="since" at={person.createdAt} fixed />],
          ]}
        />
      </section>
      <Sessions person={person.id} title="Signed in" />
      <Tokens person={person.id} title="API tokens" />
    </>
  );
}

function Actions({ person }: { person: Person }) {
  const [open, setOpen] = useState<keyof typeof DIALOGS>();
  const Dialog = open === undefined ? undefined : DIALOGS[open];
  return (
    <span className="row">
      <Button onClick={() => setOpen('link')}>Password link…</Button>
      <Menu position="bottom-end" width={220} transitionProps={{ duration: 0 }}>
        <Menu.Target>
          <Button aria-label="More actions">⋯</Button>
        </Menu.Target>
        <Menu.Dropdown>
          <Menu.Item onClick={() => setOpen('change')}>Name, e-mail, roles…</Menu.Item>
          <Menu.Item onClick={() => setOpen('out')}>
            {person.disabledAt === null ? 'Shut out…' : 'Let in again…'}
          </Menu.Item>
        </Menu.Dropdown>
      </Menu>
      {Dialog && <Dialog person={person} close={() => setOpen(undefined)} />}
    </span>
  );
}
