/** A device leaves the fleet, comes back, or another takes its place. */
import { answerOf } from '@drydock/api-client';
import type { DeviceReplacement } from '@drydock/contracts';
import { TextInput } from '@mantine/core';
import { useState } from 'react';
import { changing } from '../../../data/api.js';
import { ConfirmDialog } from '../../../pieces/confirm-dialog.js';
import { deviceName } from '../../fleet/device-look.js';
import { changeOf, useRenewed, type DeviceDialogProps } from './patch-device.js';

const UUID = /^[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}$/;

export function DecommissionDialog({ device, close }: DeviceDialogProps) {
  const renew = useRenewed(device);
  const name = deviceName(device);
  return (
    <ConfirmDialog
      title={`Decommission ${name}?`}
      verb="Decommission"
      keep="Keep it in service"
      reason="required"
      typed={name}
      danger
      close={close}
      act={async (note) => {
        await answerOf(
          changing.POST('/api/v1/devices/{id}/decommission', { params: changeOf(device), body: { note } }),
        );
        await renew();
      }}
    >
      <p>
        It is never a candidate again and leaves every count and every exposure. What campaigns have planned for it ends
        as skipped. Its history stays.
      </p>
      <p>It can be taken back into service; what was planned for it does not come back with it.</p>
    </ConfirmDialog>
  );
}

export function RecommissionDialog({ device, close }: DeviceDialogProps) {
  const renew = useRenewed(device);
  return (
    <ConfirmDialog
      title={`Take ${deviceName(device)} back into service?`}
      verb="Take it back"
      keep="Leave it out"
      reason="required"
      close={close}
      act={async (note) => {
        await answerOf(
          changing.POST('/api/v1/devices/{id}/recommission', { params: changeOf(device), body: { note } }),
        );
        await renew();
      }}
    >
      <p>It counts again, and new plans may take it. It was decommissioned: “{device.stateNote}”</p>
    </ConfirmDialog>
  );
}

export function ReplaceDialog({ device, close }: DeviceDialogProps) {
  const renew = useRenewed(device);
  const name = deviceName(device);
  const [by, setBy] = useState('');
  const isId = UUID.test(by.trim());
  return (
    <ConfirmDialog
      title={`Replace ${name}?`}
      verb="Replace"
      keep="Keep it in service"
      reason="required"
      typed={name}
      danger
      ready={isId}
      close={close}
      act={async (note) => {
        await answerOf(
          changing.POST('/api/v1/devices/{id}/replace', {
            params: changeOf(device),
            body: { by: by.trim() as DeviceReplacement['by'], note },
          }),
        );
        await renew();
      }}
      fields={
        <TextInput
          label="Id of the device that takes its place"
          description="Of the same site and model; its page shows the id."
          spellCheck={false}
          autoComplete="off"
          value={by}
          error={by !== '' && !isId && 'That is no id of a device.'}
          onChange={(event) => setBy(event.currentTarget.value)}
        />
      }
    >
      <p>
        The other one gets its name and tags. This one is decommissioned, and what was planned for it ends as skipped.
      </p>
    </ConfirmDialog>
  );
}
