/** An adapter that goes, hangs or is full, with the real noble over a simulated controller. */
import { afterEach, describe, expect, it } from '@jest/globals';
import type { Link, LinkError, OpenLink } from '@drydock/dfu-core';
import { GenericPeripheral, GenericUuid, memoryPort, SimulatedController, type MemoryPort } from '@drydock/device-sim';
import { realClock } from '../clock.js';
import { SILENT } from '../logger.js';
import { AdapterKeeper, type AdapterState } from './adapter-keeper.js';
import { BleAdapter } from './ble/index.js';
import { powerCycle } from './ble/power-cycle.js';
import { KeptBleLink } from './kept-ble-link.js';

const closers: (() => Promise<void>)[] = [];

afterEach(async () => {
  for (const close of closers.splice(0)) await close();
});

interface Ground {
  readonly keeper: AdapterKeeper;
  readonly states: AdapterState[];
  readonly cycles: number[];
  link(index: number): Link;
  /** The port of the adapter that is open now. */
  port(): MemoryPort;
  /** From now on the controller takes everything and says nothing, until it has lost its power. */
  hang(): void;
  /** The adapter is taken out; it can be opened again when it is put back. */
  unplug(): void;
  plug(): void;
}

function ground(maxConnections = 16): Ground {
  const controller = new SimulatedController({ supervisionMs: 500, maxConnections });
  const address = (index: number): string => `c0:11:22:33:44:5${index}`;
  for (let index = 0; index < 4; index += 1) controller.host(new GenericPeripheral({ address: address(index) }));
  const states: AdapterState[] = [];
  const cycles: number[] = [];
  let port: MemoryPort | undefined;
  let hung = false;
  let plugged = true;
  const keeper = new AdapterKeeper({
    name: 'test',
    clock: realClock,
    log: SILENT,
    open: async (options) => {
      if (!plugged) throw new Error('no such port');
      const real = memoryPort(controller);
      port = real;
      return BleAdapter.overPort('test', { ...real, write: (bytes) => void (hung || real.write(bytes)) }, options);
    },
    powerCycle: () => {
      cycles.push(realClock.monotonicMs());
      hung = false;
      return Promise.resolve('power cycled');
    },
    changed: (state) => states.push(state),
  });
  closers.push(() => keeper.close());
  return {
    keeper,
    states,
    cycles,
    link: (index) =>
      new KeptBleLink(keeper, realClock, `ble:${address(index)}`, (adapter) => adapter.link(address(index))),
    port: () => port!,
    hang: () => (hung = true),
    unplug: () => {
      plugged = false;
      port?.fail('it was pulled out');
    },
    plug: () => (plugged = true),
  };
}

const read = (link: OpenLink): Promise<Uint8Array> => link.query(GenericUuid.version, 5000);

describe('an adapter that hangs', () => {
  it('is noticed, loses its power, and carries links again', async () => {
    const it = ground();
    const open = await it.link(0).open({}, 20_000);
    expect((await read(open)).length).toBeGreaterThan(0);
    it.hang();
    // Nobody waits for a scan or a connection: the end of the link is what is not answered.
    void open.close();
    const next = await it.link(0).open({}, 40_000);
    expect((await read(next)).length).toBeGreaterThan(0);
    expect(it.cycles).toHaveLength(1);
    expect(it.keeper.state).toMatchObject({ state: 'up', restarts: 1, note: expect.stringContaining('answers') });
    expect(it.states.map(({ state }) => state)).toEqual(['up', 'down', 'up']);
  }, 60_000);
});

describe('an adapter that is pulled out', () => {
  it('is waited for by whoever looks for a device, and is told as down meanwhile', async () => {
    const it = ground();
    const open = await it.link(0).open({}, 20_000);
    it.unplug();
    await open.closed;
    const again = it.link(1).open({}, 30_000);
    await expect(it.link(2).open({}, 1500)).rejects.toMatchObject({ code: 'link.ble-unavailable' });
    expect(it.keeper.state).toMatchObject({ state: 'down', note: 'no such port' });
    it.plug();
    expect((await read(await again)).length).toBeGreaterThan(0);
    expect(it.keeper.state.state).toBe('up');
  }, 60_000);

  it('is asked at once when it is seen again, even where it never worked', async () => {
    const it = ground();
    it.unplug();
    await expect(it.link(0).open({}, 30_000)).rejects.toMatchObject({ code: 'link.ble-unavailable' });
    it.plug();
    await expect(it.link(0).open({}, 30_000)).rejects.toMatchObject({ code: 'link.ble-unavailable' });
    it.keeper.returned();
    expect((await read(await it.link(0).open({}, 20_000))).length).toBeGreaterThan(0);
  }, 60_000);

  it('is not waited for where none ever was', async () => {
    const it = ground();
    it.unplug();
    const began = performance.now();
    await expect(it.link(0).open({}, 30_000)).rejects.toMatchObject({ code: 'link.ble-unavailable' });
    await expect(it.link(0).open({}, 30_000)).rejects.toMatchObject({ code: 'link.ble-unavailable' });
    expect(performance.now() - began).toBeLessThan(20_000);
  }, 40_000);
});

describe('a controller with room for two', () => {
  it('says so at the third, which opens when there is room', async () => {
    const it = ground(2);
    const [first] = await Promise.all([it.link(0).open({}, 20_000), it.link(1).open({}, 20_000)]);
    const refused = await it
      .link(2)
      .open({}, 2000)
      .catch((error: LinkError) => error);
    expect(refused).toMatchObject({ code: 'link.no-room', params: { connections: 2 } });
    expect(it.keeper.state).toMatchObject({ state: 'up', connections: 2 });
    const waiting = it.link(2).open({}, 30_000);
    await first!.close();
    expect((await read(await waiting)).length).toBeGreaterThan(0);
    expect(it.keeper.state.restarts).toBe(0);
  }, 60_000);
});

describe('power of an adapter of the kernel', () => {
  it('goes and comes with the first tool that can', async () => {
    const calls: string[] = [];
    const done = await powerCycle(1, (tool, args) => {
      calls.push([tool, ...args].join(' '));
      return tool === 'hciconfig' ? Promise.reject(new Error('not found')) : Promise.resolve();
    });
    expect(done).toBe('power cycled with btmgmt');
    expect(calls).toEqual(['hciconfig hci1 down', 'btmgmt --index 1 power off', 'btmgmt --index 1 power on']);
  });

  it('stays where no tool can, and that is said', async () => {
    expect(await powerCycle(0, (tool) => Promise.reject(new Error(`${tool} is missing`)))).toBe(
      'no power cycle (hciconfig: hciconfig is missing; btmgmt: btmgmt is missing)',
    );
  });
});
