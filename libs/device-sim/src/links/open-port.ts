/** Finding a simulated device again and opening a link to it, as a `ReconnectHint` says. */
import type { LinkKind, ReconnectHint } from '@drydock/dfu-core';
import type { Advertisement, BlePeripheral, Cancel, Scheduler, SimulatedDevice } from '../target.js';
import { BlePort } from './ble-port.js';
import { completeBleModel, completeSerialModel, completeUdpModel, type LinkModel } from './link-model.js';
import { SerialPort, UdpPort } from './serial-port.js';
import type { PortEvents, SimulatedPort } from './simulated-port.js';

export interface Neighbourhood {
  readonly scheduler: Scheduler;
  readonly device: SimulatedDevice;
  /** Other units in radio reach: a wrong hint may find them. BLE only. */
  readonly others?: readonly SimulatedDevice[];
  readonly link: LinkKind;
  readonly model: LinkModel;
  /** How the port is called: path of the UART or endpoint of the UDP link. */
  readonly portName: string;
}

/** Which link a device is reached by when nobody says: BLE if it has it, else its UART. */
export const defaultLinkOf = (device: SimulatedDevice): LinkKind => (device.ble ? 'ble' : 'serial');

/** @returns true if the hint means this advertisement; `own` is the address the target had before. */
export function matchesHint(seen: Advertisement, hint: ReconnectHint, own: string | undefined): boolean {
  const addresses = new Set((hint.addresses ?? []).map((address) => address.toLowerCase()));
  if (own !== undefined && !hint.notSameAddress) addresses.add(own);
  const { deviceAddress } = seen;
  const isMeant =
    addresses.has(seen.address) ||
    (deviceAddress !== undefined && addresses.has(deviceAddress.address)) ||
    (hint.name !== undefined && seen.name === hint.name);
  return isMeant && (hint.serviceUuid === undefined || seen.services.includes(hint.serviceUuid));
}

/**
 * Waits `hint.afterMs`, looks for the target and opens it; calls `opened` once, or never.
 * @param own BLE address the target had before.
 * @returns stops looking.
 */
export function openSimulatedPort(
  place: Neighbourhood,
  hint: ReconnectHint,
  own: string | undefined,
  events: PortEvents,
  opened: (port: SimulatedPort) => void,
): Cancel {
  const { scheduler, device } = place;
  let cancelled = false;
  const later = (ms: number, fn: () => void): void => {
    scheduler.after(ms, () => {
      if (!cancelled) fn();
    });
  };
  if (place.link !== 'ble') {
    later(hint.afterMs ?? 0, () => {
      const peripheral = device.serial;
      if (!peripheral) return;
      if (place.link === 'udp') {
        return opened(new UdpPort(scheduler, peripheral, completeUdpModel(place.model.udp), place.portName, events));
      }
      const model = completeSerialModel(place.model.serial);
      const line = hint.line ? { ...model, line: hint.line } : model;
      opened(new SerialPort(scheduler, peripheral, line, place.portName, events));
    });
    return () => {
      cancelled = true;
    };
  }
  const model = completeBleModel(place.model.ble);
  const scan = (): void => {
    for (const candidate of [device, ...(place.others ?? [])]) {
      const peripheral: BlePeripheral | undefined = candidate.ble;
      const seen = peripheral?.advertisement();
      if (!peripheral || !seen || !matchesHint(seen, hint, own)) continue;
      // The advertisement is heard within its interval; then connection, MTU and discovery.
      later(seen.intervalMs + model.openMs, () => {
        const still = peripheral.advertisement();
        if (!still || still.address !== seen.address) return scan();
        opened(new BlePort(scheduler, peripheral, model, events));
      });
      return;
    }
    later(20, scan);
  };
  later(hint.afterMs ?? 0, scan);
  return () => {
    cancelled = true;
  };
}
