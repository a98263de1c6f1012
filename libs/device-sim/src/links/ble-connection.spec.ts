import { describe, expect, it } from '@jest/globals';
import { VirtualScheduler } from '../scheduler/virtual-scheduler.js';
import type { BlePeripheral, PeripheralConnection } from '../target.js';
import { BleConnection } from './ble-connection.js';
import { completeBleModel, type BleLinkModel } from './link-model.js';

/** Connects to a peripheral that does nothing, and notes when `count` messages of 247 bytes arrived. */
function arrivals(count: number, model: Partial<BleLinkModel>): number[] {
  const scheduler = new VirtualScheduler();
  const peripheral: BlePeripheral = {
    maxMtu: 247,
    maxLinkPayloadBytes: 251,
    advertisement: () => undefined,
    services: () => [],
    onConnect: (connection: PeripheralConnection) => void connection,
    onDisconnect: () => undefined,
    onSubscribe: () => undefined,
    onWrite: () => undefined,
    onRead: () => new Uint8Array(),
  };
  const events = { notification: () => undefined, lost: () => undefined, room: () => undefined };
  const connection = new BleConnection(scheduler, peripheral, completeBleModel(model), events);
  const seen: number[] = [];
  for (let i = 0; i < count; i++) connection.sendToPeripheral(247, () => seen.push(scheduler.now()));
  scheduler.runUntilIdle();
  return seen;
}

describe('connection events', () => {
  it('hold as many exchanges as fit, and no more', () => {
    // One exchange: 2088 + 150 + 80 + 150 us; six of them fit 15 ms, the seventh begins the next event.
    const times = arrivals(13, { intervalMs: 15 });
    const events = times.map((atMs) => Math.floor(atMs / 15));
    expect(events).toEqual([1, 1, 1, 1, 1, 1, 2, 2, 2, 2, 2, 2, 3]);
    expect(times[0]).toBeCloseTo(15 + 2.238, 6);
    expect((times[1] ?? 0) - (times[0] ?? 0)).toBeCloseTo(2.468, 6);
  });

  it('cut messages into 27 bytes when data length was not negotiated', () => {
    // Ten packets: nine of 27 and one of 8, each with the peripheral's empty answer.
    const first = arrivals(1, { linkPayloadBytes: 27, intervalMs: 30 })[0] ?? 0;
    expect(first).toBeCloseTo(30 + 9 * 0.676 + 0.144 + 0.15, 6);
  });

  it('repeat a lost packet in the next event', () => {
    const times = arrivals(40, { lossRate: 0.2, seed: 3 });
    expect(times).toHaveLength(40);
    expect(times).toEqual([...times].sort((a, b) => a - b));
    expect(times[39]).toBeGreaterThan(arrivals(40, {})[39] ?? 0);
  });
});
