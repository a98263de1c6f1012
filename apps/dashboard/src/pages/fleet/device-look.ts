/** What stands in the way of a device, as a mark and a word; the worst first. */
import type { Device } from '../../data/shapes.js';
import type { Look } from '../../pieces/state-mark.js';

/** Not heard for so long, a device is no longer called heard. */
const SILENT_MS = 24 * 3_600_000;

export function deviceLook(device: Device, nowMs: number): Look {
  if (device.state === 'decommissioned') return { family: 'waiting', mark: '–', label: 'decommissioned' };
  if (device.needsRescue) return { family: 'person', mark: '⚑', label: 'needs rescue' };
  if (device.outOfService) return { family: 'person', mark: '◇', label: 'out of service' };
  if (!device.approved) return { family: 'person', mark: '◇', label: 'wants approval' };
  if (device.holdNote !== null) return { family: 'person', mark: '‖', label: 'on hold' };
  if (nowMs - Date.parse(device.lastSeenAt) > SILENT_MS) return { family: 'unknown', mark: '┄', label: 'silent' };
  return { family: 'waiting', mark: '○', label: 'heard' };
}

/** Its name, or what it calls itself. */
export const deviceName = (device: Pick<Device, 'name' | 'identity'>): string => device.name ?? device.identity.value;
