/** A one-time token that lets one gateway into one site. */
import { answerOf } from '@drydock/api-client';
import { NativeSelect, TextInput } from '@mantine/core';
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { changing } from '../../data/api.js';
import { sitesQuery } from '../../data/sites.js';
import { when } from '../../format/times.js';
import { useServerNow } from '../../live/use-live.js';
import { ConfirmDialog } from '../../pieces/confirm-dialog.js';
import { ShownOnce } from '../../pieces/shown-once.js';
import { agentCommand } from './agent-command.js';
import { ownZone, ZONES } from './zones.js';

const NEW_SITE = '';
const VALID_FOR = [
  { value: '3600', label: 'an hour' },
  { value: '86400', label: 'a day' },
  { value: '604800', label: 'a week' },
];

interface Made {
  readonly token: string;
  readonly expiresAt: string;
  readonly site: string;
}

export function EnrolDialog({ site: given, close }: { site?: string; close: () => void }) {
  const client = useQueryClient();
  const sites = (useQuery(sitesQuery).data ?? []).filter((each) => each.state === 'active');
  const [chosen, setChosen] = useState(given);
  const [name, setName] = useState('');
  const [zone, setZone] = useState(ownZone());
  const [seconds, setSeconds] = useState('86400');
  const [made, setMade] = useState<Made>();
  const [madeSite, setMadeSite] = useState<{ id: string; name: string }>();
  const site = madeSite?.id ?? chosen ?? sites[0]?.id ?? NEW_SITE;
  if (made) return <TokenShown made={made} close={close} />;
  const isNew = site === NEW_SITE;
  const act = async () => {
    let known = sites.find((each) => each.id === site) ?? madeSite;
    if (known === undefined) {
      known = await answerOf(changing.POST('/api/v1/sites', { body: { name: name.trim(), zone, claimMode: 'open' } }));
      // Should the token fail, the site is there already and is not made again.
      setMadeSite(known);
      void client.invalidateQueries({ queryKey: ['sites'] });
    }
    const { token, expiresAt } = await answerOf(
      changing.POST('/api/v1/enrolment-tokens', { body: { site: known.id, validForSeconds: Number(seconds) } }),
    );
    void client.invalidateQueries({ queryKey: ['enrolment-tokens'] });
    setMade({ token, expiresAt, site: known.name });
  };
  return (
    <ConfirmDialog
      title="Enrol a gateway"
      verb="Create the token"
      keep="Close"
      staysOpen
      ready={!isNew || name.trim() !== ''}
      close={close}
      act={act}
      fields={
        <>
          <NativeSelect
            label="Site"
            value={site}
            onChange={(event) => setChosen(event.currentTarget.value)}
            data={[
              ...sites.map((each) => ({ value: each.id, label: each.name })),
              ...(madeSite && !sites.some((each) => each.id === madeSite.id)
                ? [{ value: madeSite.id, label: madeSite.name }]
                : []),
              { value: NEW_SITE, label: 'A new site…' },
            ]}
          />
          {isNew && (
            <>
              <TextInput
                label="Name of the site"
                description="Lower-case letters, digits, dots and dashes"
                spellCheck={false}
                maxLength={63}
                value={name}
                onChange={(event) => setName(event.currentTarget.value)}
              />
              <NativeSelect
                label="Time zone"
                description="Maintenance windows of campaigns are read in it."
                value={zone}
                onChange={(event) => setZone(event.currentTarget.value)}
                data={ZONES}
              />
            </>
          )}
          <NativeSelect
            label="The token works for"
            value={seconds}
            onChange={(event) => setSeconds(event.currentTarget.value)}
            data={VALID_FOR}
          />
        </>
      }
    >
      <p>A token lets one gateway in, once. The gateway makes its own key; the token is worth nothing afterwards.</p>
    </ConfirmDialog>
  );
}

function TokenShown({ made, close }: { made: Made; close: () => void }) {
  const now = useServerNow(10_000);
  return (
    <ShownOnce
      title={`Token for one gateway of ${made.site}`}
      secret={made.token}
      command={{ label: 'Run this on the gateway:', text: agentCommand(made.token) }}
      close={close}
    >
      <p>
        It works once, until <strong>{when(made.expiresAt, now)}</strong>. Afterwards compare the key fingerprint that
        the page of the gateway shows with the one that the agent logs.
      </p>
    </ShownOnce>
  );
}
