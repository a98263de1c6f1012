/** Who may do what? */
import { Button } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { useState } from 'react';
import { PageHead } from '../../app/page-head.js';
import { Allowed, Empty, Part } from '../../pieces/page-state.js';
import { SimpleTable } from '../../pieces/simple-table.js';
import { StateMark } from '../../pieces/state-mark.js';
import { Time } from '../../pieces/time.js';
import { useMayDo } from '../../session/use-session.js';
import { NewPersonDialog } from './person-dialogs.js';
import { peopleQuery } from './queries.js';
import { SettingsNav } from './settings-nav.js';

export default function PeoplePage() {
  const admin = useMayDo('admin');
  const people = useQuery({ ...peopleQuery, enabled: admin.may });
  const [creating, setCreating] = useState(false);
  return (
    <>
      <PageHead
        title="People"
        aside={
          <Allowed why={admin.why}>
            {(disabled) => (
              <Button variant="filled" disabled={disabled} onClick={() => setCreating(true)}>
                New person…
              </Button>
            )}
          </Allowed>
        }
      />
      <SettingsNav />
      {!admin.may ? (
        <Empty>
          <p>{admin.why}</p>
        </Empty>
      ) : (
        <Part query={people}>
          {({ items }) => (
            <SimpleTable
              label="People"
              head={['Person', 'E-mail', 'Roles', 'Since', 'State']}
              rows={items.map((person) => ({
                key: person.id,
                cells: [
                  <Link key="name" to="/settings/people/$id" params={{ id: person.id }}>
                    <strong>{person.name}</strong>
                  </Link>,
                  person.email ?? '–',
                  person.roles.join(', ') || 'none',
                  <Time key="since" at={person.createdAt} />,
                  <StateMark
                    key="state"
                    look={
                      person.disabledAt === null
                        ? { family: 'waiting', mark: '○', label: 'active' }
                        : { family: 'waiting', mark: '–', label: 'shut out' }
                    }
                  />,
                ],
              }))}
            />
          )}
        </Part>
      )}
      {creating && <NewPersonDialog close={() => setCreating(false)} />}
    </>
  );
}
