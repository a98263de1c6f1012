/** What keeps a device from being updated, and who can change that. */
import type { DeviceDetail } from '../../data/shapes.js';
import { Link } from '@tanstack/react-router';
import { counted } from '../../format/numbers.js';
import { Note } from '../../pieces/note.js';

export function InTheWay({ device }: { device: DeviceDetail }) {
  const pending = device.claims.filter((claim) => claim.state === 'pending');
  return (
    <>
      {device.state === 'decommissioned' && (
        <Note>
          Decommissioned: never a candidate, in no count. “{device.stateNote}”
          {device.replacedBy !== null && (
            <>
              {' '}
              <Link to="/fleet/devices/$id" params={{ id: device.replacedBy }}>
                The device that took its place
              </Link>
            </>
          )}
        </Note>
      )}
      {device.needsRescue && (
        <Note bad>
          It needs rescue: an update left it without an application that answers. Its gateway tries again by itself as
          soon as it hears it.
        </Note>
      )}
      {device.outOfService && !device.needsRescue && (
        <Note>
          Out of service: after an update its application was not seen again. It counts against its redundancy group.
        </Note>
      )}
      {!device.approved && (
        <Note>
          Nobody has approved it, so no campaign takes it. Compare its identity with the label on the device, then
          approve it.
        </Note>
      )}
      {pending.length > 0 && (
        <Note>
          {counted(pending.length, 'gateway')} of {pending.length === 1 ? 'a site' : 'sites'} that it does not belong to
          hear it and claim it. Approving says which site it belongs to.
        </Note>
      )}
      {device.holdNote !== null && <Note>On hold, nothing starts: “{device.holdNote}”</Note>}
    </>
  );
}
