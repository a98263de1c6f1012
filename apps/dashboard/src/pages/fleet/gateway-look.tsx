/** A gateway has two lights: whether it is connected now, and when it last reported. Its state is a third thing. */
import type { Gateway } from '../../data/shapes.js';
import { StateMark, type Look } from '../../pieces/state-mark.js';
import { Time } from '../../pieces/time.js';

export function gatewayLook(gateway: Pick<Gateway, 'state' | 'holdNote'>): Look {
  if (gateway.state === 'quarantined') return { family: 'person', mark: '⚑', label: 'quarantined' };
  if (gateway.state === 'decommissioned') return { family: 'waiting', mark: '–', label: 'decommissioned' };
  if (gateway.holdNote !== null) return { family: 'person', mark: '‖', label: 'on hold' };
  return { family: 'waiting', mark: '○', label: 'active' };
}

export function ConnectedLight({ online }: { online: boolean }) {
  return (
    <StateMark
      look={
        online ? { family: 'proven', mark: '●', label: 'connected' } : { family: 'unknown', mark: '┄', label: 'away' }
      }
    />
  );
}

/** So long a gateway that works may say nothing: agents tell of their devices every few minutes. */
const QUIET_MS = 15 * 60_000;

/** The second light: when it last reported, whatever its connection does. */
export function ReportLight({ at, nowMs }: { at: string | null | undefined; nowMs: number }) {
  if (at === undefined) return <span className="muted">last report –</span>;
  if (at === null) return <StateMark look={{ family: 'unknown', mark: '┄', label: 'has never reported' }} />;
  const isFresh = nowMs - Date.parse(at) < QUIET_MS;
  return (
    <span className="nowrap">
      <StateMark look={{ family: isFresh ? 'proven' : 'unknown', mark: isFresh ? '●' : '┄', label: 'last report' }} />{' '}
      <Time at={at} />
    </span>
  );
}
