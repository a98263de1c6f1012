/** A gateway has two lights: whether it is connected now, and when it last reported. Its state is a third thing. */
import type { Gateway } from '../../data/shapes.js';
import { StateMark, type Look } from '../../pieces/state-mark.js';

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
