import { Textarea, TextInput } from '@mantine/core';
import { useState } from 'react';
import { ConfirmDialog } from '../../../pieces/confirm-dialog.js';
import { conflictFields, ownChanges } from '../../../pieces/own-changes.js';
import { readTags, tagsText } from '../../fleet/tags-text.js';
import { deviceName } from '../../fleet/device-look.js';
import { useDeviceChange, type DeviceDialogProps } from './patch-device.js';

export function ChangeDialog({ device, close }: DeviceDialogProps) {
  const { patch, before, seen, conflict } = useDeviceChange(device);
  const [name, setName] = useState(device.name ?? '');
  const [model, setModel] = useState(device.model ?? '');
  const [tags, setTags] = useState(tagsText(device.tags));
  const read = readTags(tags);
  const mine = ownChanges(before, {
    name: name.trim() === '' ? null : name.trim(),
    model: model.trim() === '' ? null : model.trim(),
    tags: tags === tagsText(before.tags) ? before.tags : read.tags,
  });
  return (
    <ConfirmDialog
      title={`Change ${deviceName(before)}`}
      verb="Save"
      keep="Leave it as it is"
      ready={read.wrong === undefined}
      close={close}
      conflict={conflict(conflictFields(mine, seen, { name: 'Name', model: 'Model', tags: 'Tags' }))}
      act={() => patch(mine)}
      fields={
        <>
          <TextInput
            label="Name"
            maxLength={128}
            value={name}
            onChange={(event) => setName(event.currentTarget.value)}
          />
          <TextInput
            label="Model"
            description="Artifacts for this model are taken, no others. What the device says itself wins."
            spellCheck={false}
            maxLength={64}
            value={model}
            onChange={(event) => setModel(event.currentTarget.value)}
          />
          <Textarea
            label="Tags"
            description="One a line: key or key:value"
            autosize
            minRows={2}
            maxRows={10}
            spellCheck={false}
            value={tags}
            error={read.wrong}
            onChange={(event) => setTags(event.currentTarget.value)}
          />
        </>
      }
    >
      <p>Filters and campaigns find the device by these.</p>
    </ConfirmDialog>
  );
}
