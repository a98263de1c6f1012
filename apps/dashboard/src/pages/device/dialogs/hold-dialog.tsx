import { ConfirmDialog } from '../../../pieces/confirm-dialog.js';
import { deviceName } from '../../fleet/device-look.js';
import { useDeviceChange, type DeviceDialogProps } from './patch-device.js';

/** A hold keeps the device out of every campaign until it is lifted. */
export function HoldDialog({ device, close }: DeviceDialogProps) {
  const { patch, before, conflict } = useDeviceChange(device);
  const name = deviceName(device);
  // Which of the two is asked for does not change because somebody else was first.
  if (before.holdNote !== null) {
    return (
      <ConfirmDialog
        title={`Lift the hold of ${name}?`}
        verb="Lift the hold"
        keep="Keep it on hold"
        close={close}
        conflict={conflict()}
        act={() => patch({ hold: null })}
      >
        <p>It was held: “{before.holdNote}”</p>
        <p>Campaigns that have it as a member may start with it as soon as their own rules allow.</p>
      </ConfirmDialog>
    );
  }
  return (
    <ConfirmDialog
      title={`Hold ${name}?`}
      verb="Hold it"
      keep="Leave it as it is"
      reason="required"
      close={close}
      conflict={conflict()}
      act={(note) => patch({ hold: { note } })}
    >
      <p>Nothing new starts with this device, in no campaign, until somebody lifts the hold.</p>
      <p>What is under way with it now goes on to its end.</p>
    </ConfirmDialog>
  );
}

export function InServiceDialog({ device, close }: DeviceDialogProps) {
  const { patch, conflict } = useDeviceChange(device);
  return (
    <ConfirmDialog
      title={`Does ${deviceName(device)} work again?`}
      verb="It works"
      keep="Not yet"
      close={close}
      conflict={conflict()}
      act={() => patch({ inService: true })}
    >
      <p>Somebody has seen that it works. From now on it no longer counts as out of service in its redundancy group.</p>
    </ConfirmDialog>
  );
}
