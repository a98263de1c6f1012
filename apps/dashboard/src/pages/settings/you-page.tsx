/** How the dashboard looks to you, and how you come in. */
import { Button, Checkbox, NativeSelect, useMantineColorScheme } from '@mantine/core';
import { useState, useSyncExternalStore } from 'react';
import { singleKeys } from '../../app/keys.js';
import { PageHead } from '../../app/page-head.js';
import { ownZone } from '../../format/own-zone.js';
import { Facts } from '../../pieces/facts.js';
import { Time } from '../../pieces/time.js';
import { useSession } from '../../session/use-session.js';
import { ZONES } from '../fleet/zones.js';
import { PasswordDialog } from './password-dialog.js';
import { Sessions } from './sessions.js';
import { SettingsNav } from './settings-nav.js';

const SCHEMES = [
  { value: 'auto', label: 'as the system says' },
  { value: 'light', label: 'light' },
  { value: 'dark', label: 'dark' },
] as const;

export default function YouPage() {
  const current = useSession();
  const { colorScheme, setColorScheme } = useMantineColorScheme();
  const zone = useSyncExternalStore(ownZone.subscribe, ownZone.current);
  const [keys, setKeys] = useState(singleKeys.on());
  const [open, setOpen] = useState(false);
  if (!current) return null;
  const { person } = current;
  return (
    <>
      <PageHead title="You" />
      <SettingsNav />
      <section className="panel" aria-labelledby="who">
        <header>
          <h2 id="who">{person.name}</h2>
          <Button onClick={() => setOpen(true)}>{current.hasPassword ? 'Change password…' : 'Set a password…'}</Button>
        </header>
        <Facts
          facts={[
            ['Roles', person.roles.join(', ') || 'none'],
            ['E-mail', person.email ?? 'none: without one a password cannot be used'],
            ['Organisation', current.org.slug],
            [
              'Signed in until',
              <>
                <Time at={current.endsAt} fixed />, or <Time at={current.idleEndsAt} fixed /> if nothing is done
              </>,
            ],
          ]}
        />
      </section>
      <section className="panel" aria-labelledby="look">
        <header>
          <h2 id="look">In this browser</h2>
        </header>
        <div className="stack" style={{ gap: 12, maxWidth: 420 }}>
          <NativeSelect
            label="Colours"
            value={colorScheme}
            data={SCHEMES.map((each) => ({ ...each }))}
            onChange={(event) => {
              const chosen = SCHEMES.find((each) => each.value === event.currentTarget.value);
              if (chosen) setColorScheme(chosen.value);
            }}
          />
          <NativeSelect
            label="Times are shown in"
            description="Maintenance windows are always said in the time of their site. The key t changes to UTC and back."
            value={zone ?? ''}
            data={[
              { value: '', label: 'the time zone of this browser' },
              ...ZONES.map((each) => ({ value: each, label: each })),
            ]}
            onChange={(event) =>
              ownZone.choose(event.currentTarget.value === '' ? undefined : event.currentTarget.value)
            }
          />
          <Checkbox
            label="Single keys work, such as / and j (the key ? lists them)"
            checked={keys}
            onChange={(event) => {
              singleKeys.set(event.currentTarget.checked);
              setKeys(event.currentTarget.checked);
            }}
          />
        </div>
      </section>
      <Sessions person={person.id} title="Where you are signed in" />
      {open && <PasswordDialog hasPassword={current.hasPassword} close={() => setOpen(false)} />}
    </>
  );
}
