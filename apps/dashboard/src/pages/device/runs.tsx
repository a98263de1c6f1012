/** The first line is the answer: what runs, who says so, and what is coming. */
import type { DeviceNow } from '@drydock/contracts';
import type { DeviceDetail } from '../../data/shapes.js';
import { Link } from '@tanstack/react-router';
import { StateMark } from '../../pieces/state-mark.js';
import { Time } from '../../pieces/time.js';
import { useServerNow } from '../../live/use-live.js';
import { deviceLook } from '../fleet/device-look.js';
import classes from './device.module.css';
import { versionText } from './version-text.js';

export function Runs({ device, now }: { device: DeviceDetail; now: DeviceNow | undefined }) {
  const clock = useServerNow(10_000);
  const coming = now?.deployment;
  const proof = now?.life.find((step) => versionText(step.to) === versionText(device.running));
  return (
    <section aria-label="Answer" className="stack">
      <p className="row">
        <StateMark look={deviceLook(device, clock)} strong />
        <span>{device.model ?? 'model not known'}</span>
        <span className="muted">
          {device.siteName} · {device.gatewayName ?? 'no gateway'}
        </span>
      </p>
      <p className={classes.answer}>
        {device.mode === 'bootloader' ? (
          <>It is in its bootloader: no application runs.</>
        ) : device.running.length === 0 ? (
          <>What it runs is not known: it has not said so.</>
        ) : (
          <>
            Runs <strong>{versionText(device.running)}</strong>, as it says itself (<Time at={device.lastSeenAt} />
            ).
            {proof && (
              <>
                {' '}
                Read back after{' '}
                <Link to="/campaigns/$name" params={{ name: proof.campaign.name }} search={{}}>
                  {proof.campaign.name}
                </Link>{' '}
                at <Time at={proof.at} fixed />.
              </>
            )}
          </>
        )}{' '}
        {coming && (
          <>
            {coming.state === 'planned' ? 'Planned' : 'Getting'}: <strong>{coming.artifact.version}</strong>
            {coming.attempt > 0 && `, attempt ${coming.attempt}`}.
          </>
        )}
      </p>
    </section>
  );
}
