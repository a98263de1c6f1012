import { answerOf } from '@drydock/api-client';
import { NativeSelect, TextInput } from '@mantine/core';
import { useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { changing, reading } from '../../data/api.js';
import type { Site } from '../../data/shapes.js';
import { ConfirmDialog } from '../../pieces/confirm-dialog.js';
import { conflictFields, ownChanges } from '../../pieces/own-changes.js';
import { useSeen } from '../../pieces/use-seen.js';
import { ownZone, ZONES } from '../fleet/zones.js';

const MODES = [
  { value: 'open', label: 'any device that a gateway hears' },
  { value: 'list', label: 'only devices of its list' },
  { value: 'approval', label: 'every device waits for a person' },
] as const;

/** A new site, or another setting of one that exists. */
export function SiteDialog({ site: opened, close }: { site?: Site; close: () => void }) {
  const {
    seen: site,
    before,
    renew,
  } = useSeen(opened, () => answerOf(reading.GET('/api/v1/sites/{id}', { params: { path: { id: opened!.id } } })));
  const client = useQueryClient();
  const [name, setName] = useState('');
  const [zone, setZone] = useState(before?.zone ?? ownZone());
  const [mode, setMode] = useState<string>(before?.claimMode ?? 'open');
  const [hold, setHold] = useState(before?.holdNote ?? '');
  const claimMode = MODES.find((each) => each.value === mode)?.value ?? 'open';
  const holdNote = hold.trim() === '' ? null : hold.trim();
  const mine = before === undefined ? {} : ownChanges(before, { zone, claimMode, holdNote });
  const act = async () => {
    if (site === undefined) {
      await answerOf(changing.POST('/api/v1/sites', { body: { name: name.trim(), zone, claimMode } }));
    } else {
      const { holdNote: note, ...rest } = mine;
      await answerOf(
        changing.PATCH('/api/v1/sites/{id}', {
          params: { path: { id: site.id }, header: { 'If-Match': `"${site.revision}"` } },
          body: { ...rest, ...(note !== undefined && { hold: note === null ? null : { note } }) },
        }),
      );
    }
    await client.invalidateQueries({ queryKey: ['sites'] });
  };
  return (
    <ConfirmDialog
      title={site === undefined ? 'New site' : `Change ${site.name}`}
      verb={site === undefined ? 'Create' : 'Save'}
      keep="Leave it"
      ready={site !== undefined || name.trim() !== ''}
      close={close}
      {...(site && {
        conflict: {
          kind: 'site',
          id: site.id,
          renew,
          fields: conflictFields(mine, site, { zone: 'Time zone', claimMode: 'It takes in', holdNote: 'Hold' }),
        },
      })}
      act={act}
      fields={
        <>
          {site === undefined && (
            <TextInput
              label="Name"
              description="Lower-case letters, digits, dots and dashes; it stays as it is."
              spellCheck={false}
              maxLength={63}
              value={name}
              onChange={(event) => setName(event.currentTarget.value)}
            />
          )}
          <NativeSelect
            label="Time zone"
            value={zone}
            data={ZONES.includes(zone) ? [...ZONES] : [zone, ...ZONES]}
            onChange={(event) => setZone(event.currentTarget.value)}
          />
          <NativeSelect
            label="It takes in"
            value={mode}
            data={MODES.map((each) => ({ ...each }))}
            onChange={(event) => setMode(event.currentTarget.value)}
          />
          {site !== undefined && (
            <TextInput
              label="Hold, with its reason"
              description="While something stands here, nothing new starts at this site."
              maxLength={500}
              value={hold}
              onChange={(event) => setHold(event.currentTarget.value)}
            />
          )}
        </>
      }
    >
      <p>Maintenance windows of campaigns are read in the time zone of the site.</p>
    </ConfirmDialog>
  );
}
