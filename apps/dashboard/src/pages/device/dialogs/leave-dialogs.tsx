/** A device leaves the fleet, comes back, or another takes its place. */
import { answerOf } from '@drydock/api-client';
import type { DeviceReplacement } from '@drydock/contracts';
import { TextInput } from '@mantine/core';
import { useState } from 'react';
import { changing } from '../../../data/api.js';
import { ConfirmDialog } from '../../../pieces/confirm-dialog.js';
import { deviceName } from '../../fleet/device-look.js';
import { useDeviceChange, type DeviceDialogProps } from './patch-device.js';

const UUID = /^[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}$/;

export function DecommissionDialog({ device, close }: DeviceDialogProps) {
  const { params, renew, conflict } = useDeviceChange(device);
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
      conflict={conflict()}
      act={async (note) => {
        await answerOf(changing.POST('/api/v1/devices/{id}/decommission', { params, body: { note } }));
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
  const { params, renew, conflict } = useDeviceChange(device);
  return (
    <ConfirmDialog
      title={`Take ${deviceName(device)} back into service?`}
      verb="Take it back"
      keep="Leave it out"
      reason="required"
      close={close}
      conflict={conflict()}
      act={async (note) => {
        await answerOf(changing.POST('/api/v1/devices/{id}/recommission', { params, body: { note } }));
        await renew();
      }}
    >
      <p>It counts again, and new plans may take it. It was decommissioned: “{device.stateNote}”</p>
    </ConfirmDialog>
  );
}

export function ReplaceDialog({ device, close }: DeviceDialogProps) {
  const { params, renew, conflict } = useDeviceChange(device);
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
      conflict={conflict()}
      act={async (note) => {
        await answerOf(
          changing.POST('/api/v1/devices/{id}/replace', {
            params,
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
