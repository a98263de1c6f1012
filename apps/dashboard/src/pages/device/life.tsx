/** The versions that it was proven to run, oldest first, as a line. */
import type { DeviceNow } from '@drydock/contracts';
import type { DeviceDetail } from '../../data/shapes.js';
import { Link } from '@tanstack/react-router';
import { Time } from '../../pieces/time.js';
import classes from './device.module.css';
import { versionText } from './version-text.js';

export function Life({ device, life }: { device: DeviceDetail; life: DeviceNow['life'] }) {
  const steps = [...life].reverse();
  const first = steps[0];
  const running = versionText(device.running);
  const last = steps.at(-1);
  return (
    <ol className={classes.life}>
      <li>
        <Version text={first ? versionText(first.from) : running} isNow={!first} />
      </li>
      {steps.map((step) => (
        <li key={`${step.campaign.id} ${step.at}`}>
          <Link
            className={classes.step}
            to="/campaigns/$name"
            params={{ name: step.campaign.name }}
            search={{ why: device.id }}
            title={step.campaign.name}
          >
            <span>
              <span aria-hidden>✓ </span>
              <Time at={step.at} fixed />
              <span className="sr-only"> by {step.campaign.name}</span>
            </span>
          </Link>
          <Version text={versionText(step.to)} isNow={step === last && versionText(step.to) === running} />
        </li>
      ))}
      {last && versionText(last.to) !== running && (
        <li>
          <span className={classes.step}>changed elsewhere</span>
          <Version text={running} isNow />
        </li>
      )}
      <li className="sr-only">first heard {device.firstSeenAt}</li>
    </ol>
  );
}

function Version({ text, isNow }: { text: string; isNow: boolean }) {
  return (
    <span className={`mono ${classes.version}`} data-now={isNow || undefined}>
      {text}
      {isNow && <span className="sr-only"> runs now</span>}
    </span>
  );
}
