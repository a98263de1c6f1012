import { answerOf } from '@drydock/api-client';
import { NativeSelect } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { changing } from '../../../data/api.js';
import { sitesQuery } from '../../../data/sites.js';
import { ConfirmDialog } from '../../../pieces/confirm-dialog.js';
import { deviceName } from '../../fleet/device-look.js';
import { useDeviceChange, type DeviceDialogProps } from './patch-device.js';

/** Lets campaigns take the device, and says which site it belongs to where several claim it. */
export function ApproveDialog({ device, close }: DeviceDialogProps) {
  const { params, renew, conflict } = useDeviceChange(device);
  const sites = useQuery(sitesQuery).data ?? [];
  const claiming = device.claims.filter((claim) => claim.state === 'pending').map((claim) => claim.site);
  const choices = [...new Set([device.site, ...claiming])];
  const [site, setSite] = useState<string>(device.site);
  const nameOf = (id: string) =>
    sites.find((each) => each.id === id)?.name ?? (id === device.site ? device.siteName : id);
  return (
    <ConfirmDialog
      title={`Approve ${deviceName(device)}?`}
      verb="Approve it"
      keep="Not now"
      close={close}
      conflict={conflict()}
      act={async () => {
        await answerOf(
          changing.POST('/api/v1/devices/{id}/approve', {
            params,
            body: { site: site as DeviceDialogProps['device']['site'] },
          }),
        );
        await renew();
      }}
      fields={
        choices.length > 1 && (
          <NativeSelect
            label="It belongs to the site"
            description="Gateways of the other sites are refused."
            value={site}
            onChange={(event) => setSite(event.currentTarget.value)}
            data={choices.map((id) => ({ value: id, label: nameOf(id) }))}
          />
        )
      }
    >
      <p>
        Its gateway says that this is {device.identity.kind} <code>{device.identity.value}</code>
        {device.model !== null && <>, a {device.model}</>}. Compare that with the label on the device: whoever stands
        beside the gateway could call himself so.
      </p>
      <p>From then on campaigns that match it may update it.</p>
    </ConfirmDialog>
  );
}
