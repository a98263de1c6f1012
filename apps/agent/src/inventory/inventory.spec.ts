import { describe, expect, it } from '@jest/globals';
import type { InventoryBody } from '@drydock/contracts';
import { LinkError, type OpenLink } from '@drydock/dfu-core';
import { Lanes } from '../links/lanes.js';
import { linkLane } from '../links/parse-link.js';
import { SILENT } from '../logger.js';
import { EMPTY_SITE, type Site } from '../site/site-file.js';
import { ScriptedLink, scriptedProtocol } from '../testing/scripted-link.js';
import { turns, VirtualClock } from '../testing/virtual-clock.js';
import { Inventory } from './inventory.js';

const LINK = 'serial:/dev/d1?baud=115200';
const LANE = linkLane(LINK);

function setUp(link: ScriptedLink, clock: VirtualClock) {
  const lanes = new Lanes();
  const told: InventoryBody[] = [];
  const site: Site = {
    ...EMPTY_SITE,
    devices: [{ name: 'one', model: 'demo', link: LINK, protocol: 'smp', identity: undefined }],
  };
  const inventory = new Inventory({
    clock,
    log: SILENT,
    site,
    links: {
      link: () => Promise.resolve(link),
      bluetooth: () => Promise.reject(new Error('none')),
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
  return { lanes, told, inventory, advance };
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
});
