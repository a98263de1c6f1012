import { describe, expect, it, jest } from '@jest/globals';
import type { InventoryBody } from '@drydock/contracts';
import { LinkError, type OpenLink, type Sighting } from '@drydock/dfu-core';
import type { BleAdapter } from '../links/ble/index.js';
import type { AdapterState } from '../links/adapter-keeper.js';
import { Lanes } from '../links/lanes.js';
import { linkLane } from '../links/parse-link.js';
import { SILENT } from '../logger.js';
import { EMPTY_SITE, type Site, type SiteDevice } from '../site/site-file.js';
import { ScriptedLink, scriptedProtocol } from '../testing/scripted-link.js';
import { turns, VirtualClock } from '../testing/virtual-clock.js';
import { Inventory } from './inventory.js';

// Of a machine that others load as well.
jest.setTimeout(60_000);

const LINK = 'serial:/dev/d1?baud=115200';
const LANE = linkLane(LINK);

function setUp(
  link: ScriptedLink,
  clock: VirtualClock,
  rest: Partial<Site> = {},
  sightings: readonly Sighting[] = [],
  bluetooth: () => Promise<BleAdapter> = () => Promise.resolve(adapterThatSees(sightings)),
) {
  const lanes = new Lanes();
  const told: InventoryBody[] = [];
  const asked: string[] = [];
  const site: Omit<Site, 'devices'> & { devices: readonly SiteDevice[] } = {
    ...EMPTY_SITE,
    ...rest,
    devices: [{ name: 'one', model: 'demo', link: LINK, protocol: 'smp', identity: undefined }],
  };
  const inventory = new Inventory({
    clock,
    log: SILENT,
    site,
    links: {
      link: (name, _protocol, model) => {
        asked.push(`${name} ${model}`);
        return Promise.resolve(link);
      },
      bluetooth,
      close: () => Promise.resolve(),
    },
    lanes,
    protocols: new Map([['smp', scriptedProtocol({ identifyMs: 5000, transferMs: 0, proveMs: 0 })]]),
    evidence: () => ({ lastSeq: 0, heardMs: undefined }),
    publish: (body) => {
      told.push(body);
      return Promise.resolve();
    },
    linksChanged: () => undefined,
  });
  const advance = (ms: number) => clock.advance(ms, () => turns(8));
  return { lanes, told, asked, inventory, advance, site };
}

it('an adapter that came back is used at once, also when a look at it was under way', async () => {
  const clock = new VirtualClock();
  const link = new ScriptedLink('/dev/d1', () => clock.bootMs(), clock);
  let isThere = false;
  const asked: number[] = [];
  const bluetooth = (): Promise<BleAdapter> => {
    asked.push(clock.monotonicMs());
    return isThere ? Promise.resolve(adapterThatSees([])) : Promise.reject(new Error('no such adapter'));
  };
  const site = { bluetooth: { adapter: 'hci0', scanSeconds: 1, everySeconds: 3600 } };
  const { inventory, advance } = setUp(link, clock, site, [], bluetooth);
  inventory.start();
  // While the first look is under way.
  isThere = true;
  inventory.adapterReturned();
  await advance(2000);
  expect(asked).toHaveLength(2);
  expect(inventory.presenceLinks()).toMatchObject([{ link: 'adapter:hci0', state: 'up' }]);
  isThere = false;
  inventory.adapterReturned();
  await advance(60_000);
  expect(inventory.presenceLinks()[0]).toMatchObject({ state: 'down', note: 'no such adapter' });
  isThere = true;
  inventory.adapterReturned();
  await advance(1);
  expect(inventory.presenceLinks()[0]).toMatchObject({ state: 'up' });
  expect(asked).toHaveLength(4);
  await inventory.stop();
});

/** An adapter as far as an inventory knows one. */
function adapterThatSees(sightings: readonly Sighting[]): BleAdapter {
  const scan: BleAdapter['scan'] = (_, onSighting) => {
    for (const sighting of sightings) onSighting(sighting);
    return Promise.resolve();
  };
  return { scan } as BleAdapter;
}

describe('inventory', () => {
  it('looks at no device that an attempt waits for, and looks when that is over', async () => {
    const clock = new VirtualClock();
    const link = new ScriptedLink('/dev/d1', () => clock.bootMs(), clock);
    const { lanes, told, inventory, advance } = setUp(link, clock);
    const end = lanes.claim([LANE]);
    inventory.start();
    await advance(60_000);
    expect(link.opens).toBe(0);
    end();
    await advance(6000);
    expect([link.opens, told.length]).toEqual([1, 1]);
    await inventory.stop();
  });

  it('ends a look at once when an attempt wants the device, and calls the link no worse for it', async () => {
    const clock = new VirtualClock();
    const link = new ScriptedLink('/dev/d1', () => clock.bootMs(), clock);
    const { lanes, told, inventory, advance } = setUp(link, clock);
    inventory.start();
    await advance(1000);
    const end = lanes.claim([LANE]);
    expect(lanes.tryTake([LANE])).toBeUndefined();
    await turns(8);
    const free = lanes.tryTake([LANE]);
    expect([free === undefined, link.opens, link.closes]).toEqual([false, 1, 1]);
    await advance(20_000);
    expect(inventory.presenceLinks()).toEqual([]);
    free?.();
    end();
    await advance(6000);
    expect(told).toHaveLength(1);
    expect(inventory.presenceLinks()).toMatchObject([{ state: 'up' }]);
    await inventory.stop();
  });

  it('gives up a search that lasts, and frees the device only when the search has let go', async () => {
    const clock = new VirtualClock();
    const link = new ScriptedLink('/dev/d1', () => clock.bootMs(), clock);
    let searching = false;
    link.open = ((_: unknown, __: number, signal: AbortSignal): Promise<OpenLink> => {
      searching = true;
      return new Promise((_resolve, reject) =>
        signal.addEventListener('abort', () => {
          clock.after(300, () => {
            searching = false;
            reject(new LinkError('link.not-found', { link: LINK, withinMs: 1 }));
          });
        }),
      );
    }) as never;
    const { lanes, inventory, advance } = setUp(link, clock);
    inventory.start();
    await advance(500);
    lanes.claim([LANE]);
    expect(lanes.tryTake([LANE])).toBeUndefined();
    await advance(200);
    expect([searching, lanes.isBusy(LANE)]).toEqual([true, true]);
    await advance(200);
    expect([searching, lanes.isBusy(LANE)]).toEqual([false, false]);
    await inventory.stop();
  });

  it('follows the site file: new units are looked at, others are let go', async () => {
    const clock = new VirtualClock();
    const link = new ScriptedLink('/dev/d1', () => clock.bootMs(), clock);
    const { told, inventory, advance, site } = setUp(link, clock);
    inventory.start();
    await advance(6000);
    expect([link.opens, told.length]).toEqual([1, 1]);
    const [first] = site.devices;
    site.devices = [first!, { ...first!, name: 'two', link: 'serial:/dev/d2?baud=115200' }];
    inventory.siteChanged();
    await advance(6000);
    // The first is as it was, so it is looked at when that is due.
    expect([link.opens, told.at(-1)!.devices.map(({ name }) => name)]).toEqual([2, ['two']]);
    site.devices = [site.devices[1]!];
    inventory.siteChanged();
    expect(inventory.presenceLinks().map((each) => each.link)).toEqual(['serial:/dev/d2?baud=115200']);
    await advance(4000_000);
    expect(told.slice(2).flatMap(({ devices }) => devices.map(({ name }) => name))).toEqual(['two']);
    await inventory.stop();
  });

  it('says nothing of a unit that the site file let go while it was read', async () => {
    const clock = new VirtualClock();
    const link = new ScriptedLink('/dev/d1', () => clock.bootMs(), clock);
    const { told, inventory, advance, site } = setUp(link, clock);
    inventory.start();
    await advance(1000);
    site.devices = [];
    inventory.siteChanged();
    await advance(20_000);
    expect([link.opens, told.length]).toEqual([1, 0]);
    await inventory.stop();
  });

  it('looks sooner at a device that is heard again, and not at each of its advertisements', async () => {
    const clock = new VirtualClock();
    const link = new ScriptedLink('/dev/d1', () => clock.bootMs(), clock);
    const name = 'ble:AA:BB:CC:DD:EE:01';
    let sighted: ((sighting: Sighting) => void) | undefined;
    const adapter = {
      scan: (_: number, onSighting: (sighting: Sighting) => void) => {
        sighted = onSighting;
        return Promise.resolve();
      },
    };
    let tries = 0;
    let adapterState = undefined as AdapterState | undefined;
    const told: InventoryBody[] = [];
    const inventory = new Inventory({
      clock,
      log: SILENT,
      site: {
        ...EMPTY_SITE,
        bluetooth: { adapter: 'hci0', scanSeconds: 10, everySeconds: 300 },
        devices: [{ name: 'one', model: 'demo', link: name, protocol: 'smp', identity: undefined }],
      },
      links: {
        link: () => {
          tries += 1;
          return Promise.resolve(link);
        },
        bluetooth: () => Promise.resolve(adapter as never),
        get adapterState() {
          return adapterState;
        },
        close: () => Promise.resolve(),
      },
      lanes: new Lanes(),
      protocols: new Map([['smp', scriptedProtocol({ identifyMs: 1000, transferMs: 0, proveMs: 0 })]]),
      evidence: () => ({ lastSeq: 0, heardMs: undefined }),
      publish: (body) => {
        told.push(body);
        return Promise.resolve();
      },
      linksChanged: () => undefined,
    });
    const advance = (ms: number) => clock.advance(ms, () => turns(8));
    link.refusal = new LinkError('link.not-found', { link: name, withinMs: 1 });
    inventory.start();
    // Out of reach: the pauses between two tries have grown to a quarter of an hour and more.
    await advance(1_900_000);
    const before = tries;
    const hear = (): void => sighted!({ link: 'ble', address: 'AA:BB:CC:DD:EE:01', services: [], rssiDbm: -60 });
    for (let count = 0; count < 60; count += 1) {
      hear();
      await advance(1000);
    }
    expect(tries - before).toBeGreaterThanOrEqual(2);
    expect(tries - before).toBeLessThanOrEqual(3);
    link.refusal = undefined;
    hear();
    await advance(31_000);
    expect(told.at(-1)!.devices[0]).toMatchObject({ name: 'one', links: [{ rssiDbm: -60 }] });
    const states = () => inventory.presenceLinks().map(({ link: of, state, note }) => [of, state, note]);
    expect(states()).toEqual([
      ['adapter:hci0', 'up', undefined],
      [name, 'up', undefined],
    ]);
    // The adapter is pulled: nobody reaches the device, whatever was seen of it last.
    adapterState = { state: 'down', note: 'pulled' } as AdapterState;
    expect(states()).toEqual([
      ['adapter:hci0', 'down', 'pulled'],
      [name, 'down', 'link.ble-unavailable'],
    ]);
    await inventory.stop();
  });
});

describe('what is discovered', () => {
  const sighting = (address: string, more: Partial<Sighting> = {}): Sighting => ({
    link: 'ble',
    address,
    name: 'Demo 1',
    services: [],
    ...more,
  });

  it('becomes a device of the model of its rule, unless its address changes and nobody knows whose it is', async () => {
    const clock = new VirtualClock();
    const link = new ScriptedLink('/dev/d1', () => clock.bootMs(), clock);
    const { asked, inventory, advance } = setUp(
      link,
      clock,
      {
        bluetooth: { adapter: 'hci0', scanSeconds: 1, everySeconds: 3600 },
        discover: [{ protocol: 'smp', model: 'sensor', name: 'Demo*' }],
      },
      [
        sighting('c0:11:22:33:44:55'),
        sighting('70:81:94:0d:fb:aa', { privateAddress: true }),
        sighting('41:81:94:0d:fb:aa', { privateAddress: true }),
      ],
    );
    inventory.start();
    await advance(20_000);
    await inventory.stop();
    expect(asked.sort()).toEqual(['ble:C0:11:22:33:44:55 sensor', `${LINK} demo`]);
  });
});
