import { describe, expect, it } from '@jest/globals';
import { Lanes, ADAPTER_LANE, lanesBehind } from '../links/lanes.js';
import { linkLane } from '../links/parse-link.js';
import { Signals } from '../links/signals.js';
import { AirTime } from './air-time.js';
import { openWorld } from './gateway-world.fixture.js';

const planned = (device: string, link: string, sizeBytes = 100_000) =>
  ({ device, protocol: 'smp', links: [link], artifact: { sha256: '', sizeBytes, format: 'mcuboot' } }) as never;

describe('what updates take', () => {
  it('is told from what the device took before, else from others of its kind, else from what is usual', () => {
    const time = new AirTime();
    const fast = planned('a', 'ble:C0:00:00:00:00:01');
    expect(time.expectedMs(fast)).toBe(25_000); // 5 s around it, 100 000 bytes at 5000 a second
    time.took(fast, 15_000); // 10 000 bytes a second
    expect(time.expectedMs(fast)).toBe(15_000);
    expect(time.expectedMs(planned('b', 'ble:C0:00:00:00:00:02'))).toBe(15_000);
    expect(time.expectedMs(planned('b', 'serial:/dev/x?baud=9600'))).toBe(17_500);
    time.took(planned('b', 'ble:C0:00:00:00:00:02'), 105_000); // 1000 a second: the mean of the kind goes to 7300
    expect(time.expectedMs(fast)).toBe(15_000);
    expect(Math.round(time.expectedMs(planned('c', 'ble:C0:00:00:00:00:03')))).toBe(18_699);
  });

  it('is added up for the adapter and each port', () => {
    const time = new AirTime();
    time.used(planned('a', 'ble:C0:00:00:00:00:01'), 1000);
    time.used(planned('b', 'ble:C0:00:00:00:00:02'), 500);
    time.used(planned('c', 'serial:/dev/x?baud=9600'), 200);
    expect(Object.fromEntries(time.usage())).toEqual({ ble: 1500, 'serial:/dev/x': 200 });
  });
});

describe('how devices are heard', () => {
  it('is told with what is usual, and forgotten when it is old', () => {
    let now = 0;
    const signals = new Signals(() => now);
    signals.hear('ble:a', -60);
    signals.hear('ble:a', -90);
    expect(signals.of('ble:a')).toMatchObject({ rssiDbm: -90, usualDbm: -66 });
    now = 600_001;
    expect(signals.of('ble:a')).toBeUndefined();
    expect(signals.of('ble:b')).toBeUndefined();
  });
});

describe('turns at a gateway', () => {
  const address = (device: number): string => `C0:00:00:00:00:0${device}`;

  it('a rescue comes first, then the shorter one; an adapter carries no more than it can', async () => {
    const it = await openWorld({ identifyMs: 100, transferMs: 5000, proveMs: 500 }, (world) => {
      world.makeLanes = () => {
        const lanes = new Lanes({ behind: lanesBehind });
        lanes.setCapacity(ADAPTER_LANE, 1);
        return lanes;
      };
    });
    const ble = (device: number, sizeBytes: number, more = {}) => {
      const grant = it.grant(device, {
        links: [`ble:${address(device)}`],
        identity: { kind: 'port-path', value: address(device) },
        startBy: it.serverMs + 3_600_000,
        finishBy: it.serverMs + 3_700_000,
        ...more,
      });
      return { ...grant, artifact: { ...grant.artifact, sizeBytes } };
    };
    await it.order([ble(1, 500_000), ble(2, 1000), ble(3, 500_000, { mode: 'rescue' })]);
    it.tellTime();
    await it.advance(60_000);
    expect(it.begun()).toEqual([3, 2, 1]);
    expect(it.mostRunning).toBe(1);
    expect(it.kinds().filter((kind) => kind.startsWith('ended'))).toHaveLength(3);
  });

  it('a device that is heard weakly waits while there is time, others go on', async () => {
    const it = await openWorld();
    const weak = it.grant(1, {
      links: [`ble:${address(1)}`],
      identity: { kind: 'port-path', value: address(1) },
      startBy: it.serverMs + 120_000,
      finishBy: it.serverMs + 300_000,
    });
    it.signals.hear(linkLane(weak.links[0]!), -95);
    it.signals.hear(linkLane(`ble:${address(2)}`), -70);
    await it.order([weak, it.grant(2, { links: [`ble:${address(2)}`] })]);
    it.tellTime();
    await it.advance(60_000);
    expect(it.begun()).toEqual([2]);
    await it.advance(90_000);
    expect(it.begun()).toEqual([2, 1]);
    expect(it.kinds(weak).at(-1)).toBe('ended:proven');
  });

  it('an attempt whose adapter had no room begins later', async () => {
    const it = await openWorld();
    const grant = it.grant(1);
    it.linkOf(grant.links[0]!).refusal = it.noRoom;
    await it.order([grant]);
    it.tellTime();
    await it.advance(3000);
    expect(it.kinds(grant)).toEqual(['downloading']);
    it.linkOf(grant.links[0]!).refusal = undefined;
    await it.advance(30_000);
    expect(it.kinds(grant).at(-1)).toBe('ended:proven');
  });
});
