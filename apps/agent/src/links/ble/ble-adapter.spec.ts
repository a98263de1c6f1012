/** The real noble stack over the simulated controller. */
import { afterEach, describe, expect, it } from '@jest/globals';
import type { Link, LinkError, OpenLink, Sighting } from '@drydock/dfu-core';
import {
  GenericPeripheral,
  GenericUuid,
  memoryPort,
  SimulatedController,
  type ControllerOptions,
} from '@drydock/device-sim';
import { BleAdapter, type BleAdapterOptions } from './ble-adapter.js';
import type { BleLink } from './ble-link.js';
import type { OpenBleLink } from './open-ble-link.js';

const {
  service: SERVICE,
  commands: COMMANDS,
  events: EVENTS,
  indications: INDICATIONS,
  secret: SECRET,
  slow: SLOW,
  version: VERSION,
} = GenericUuid;
const ADDRESS = 'c0:11:22:33:44:50';
const adapters: BleAdapter[] = [];

afterEach(async () => {
  await Promise.all(adapters.splice(0).map((adapter) => adapter.close()));
});

async function setUp(
  options: ControllerOptions = {},
  adapterOptions: BleAdapterOptions = {},
): Promise<{ controller: SimulatedController; adapter: BleAdapter; fail: (detail: string) => void }> {
  const controller = new SimulatedController(options);
  const port = memoryPort(controller);
  const adapter = await BleAdapter.overPort('memory', port, adapterOptions);
  adapters.push(adapter);
  return { controller, adapter, fail: port.fail };
}

async function setUpLink(options: ControllerOptions = {}): Promise<{
  controller: SimulatedController;
  adapter: BleAdapter;
  peripheral: GenericPeripheral;
  link: Link;
  open: OpenLink;
}> {
  const { controller, adapter } = await setUp(options);
  const peripheral = new GenericPeripheral({ address: ADDRESS, name: 'Generic' });
  controller.host(peripheral);
  const link = adapter.link(ADDRESS, { addressType: 'random' });
  return { controller, adapter, peripheral, link, open: await link.open({}, 3000) };
}

const codeOf = async (promise: Promise<unknown>): Promise<string> =>
  promise.then(
    () => 'resolved',
    (error: LinkError) => error.code ?? String(error),
  );

describe('a search that is given up', () => {
  it('ends at once, and the device can be opened by the next', async () => {
    const { controller, adapter } = await setUp();
    const link = adapter.link(ADDRESS, { addressType: 'random' }) as BleLink;
    const enough = new AbortController();
    const given = codeOf(link.open({}, 60_000, enough.signal));
    enough.abort();
    expect(await given).toBe('link.not-found');
    expect(await codeOf(link.open({ afterMs: 60_000 }, 90_000, AbortSignal.abort()))).toBe('link.not-found');
    controller.host(new GenericPeripheral({ address: ADDRESS, name: 'Generic' }));
    await (await link.open({}, 3000)).close();
  });
});

describe('scan', () => {
  it('reports what advertises, with names and services', async () => {
    const { controller, adapter } = await setUp();
    controller.host(new GenericPeripheral({ address: ADDRESS, name: 'A name that needs the scan response' }));
    controller.host(new GenericPeripheral({ address: 'c0:11:22:33:44:60', services: ['fe59'] }));
    const seen: Sighting[] = [];
    const enough = new AbortController();
    await adapter.scan(
      3000,
      (sighting) => {
        seen.push(sighting);
        if (new Set(seen.map((each) => each.address)).size === 2) enough.abort();
      },
      enough.signal,
    );
    expect(seen).toContainEqual({
      link: 'ble',
      address: ADDRESS,
      name: 'A name that needs the scan re',
      services: [SERVICE],
      rssiDbm: -60,
    });
    expect(seen).toContainEqual(expect.objectContaining({ address: 'c0:11:22:33:44:60', services: ['fe59'] }));
  });

  it('forgets what a device called itself before', async () => {
    const { controller, adapter } = await setUp();
    const peripheral = new GenericPeripheral({ address: ADDRESS, name: 'Application' });
    controller.host(peripheral);
    const look = async (): Promise<Sighting | undefined> => {
      const enough = new AbortController();
      let seen: Sighting | undefined;
      await adapter.scan(
        2000,
        (sighting) => {
          seen ??= sighting;
          enough.abort();
        },
        enough.signal,
      );
      return seen;
    };
    expect(await look()).toMatchObject({ name: 'Application', services: [SERVICE] });
    peripheral.advertised = { address: ADDRESS, addressType: 'random', services: ['fe59'], intervalMs: 20 };
    const later = await look();
    expect(later?.services).toEqual(['fe59']);
    expect(later).not.toHaveProperty('name');
  });

  it('goes on while a link is open and in use', async () => {
    const { controller, adapter, open } = await setUpLink();
    controller.host(new GenericPeripheral({ address: 'c0:11:22:33:44:60', name: 'Other' }));
    const enough = new AbortController();
    const names = new Set<string | undefined>();
    const scan = adapter.scan(
      3000,
      (sighting) => {
        names.add(sighting.name);
        enough.abort();
      },
      enough.signal,
    );
    expect(await open.query(VERSION, 1000)).toHaveLength(300);
    await scan;
    expect([...names]).toEqual(['Other']);
  });
});

describe('an open link', () => {
  it('knows its channels, its address and what one write carries', async () => {
    const { open, link } = await setUpLink();
    expect(link.name).toBe('ble:C0:11:22:33:44:50?type=random');
    expect(open.info).toEqual({
      kind: 'ble',
      maxWriteBytes: 244,
      channels: [VERSION, COMMANDS, EVENTS, INDICATIONS, SECRET, SLOW],
      identity: { kind: 'ble-address', value: ADDRESS },
      name: 'Generic',
    });
  });

  it('says how strongly the device is heard, while it is open', async () => {
    const { open } = await setUpLink();
    expect(await Promise.all([open.rssiDbm!(), open.rssiDbm!()])).toEqual([-60, -60]);
    await open.close();
    expect(await open.rssiDbm!()).toBeUndefined();
  });

  it('takes the smaller ATT_MTU of a small device', async () => {
    const { controller, adapter } = await setUp();
    controller.host(new GenericPeripheral({ address: ADDRESS, maxMtu: 23 }));
    const open = await adapter.link(ADDRESS).open({}, 3000);
    expect(open.info.maxWriteBytes).toBe(20);
  });

  it('asks for an ATT_MTU that fills one link packet, whatever the device could take', async () => {
    const { controller, adapter } = await setUp();
    const peripheral = new GenericPeripheral({ address: ADDRESS, maxMtu: 512 });
    controller.host(peripheral);
    const open = await adapter.link(ADDRESS).open({}, 3000);
    expect(open.info.maxWriteBytes).toBe(244);
    expect(peripheral.connection?.mtu()).toBe(247);
  });

  it('discovers only the services it was told', async () => {
    const { controller, adapter } = await setUp();
    controller.host(new GenericPeripheral({ address: ADDRESS }));
    const open = await adapter.link(ADDRESS, { services: [SERVICE] }).open({}, 3000);
    expect(open.info.channels).not.toContain(VERSION);
    expect(open.info.channels).toContain(COMMANDS);
  });

  it('reads values longer than the ATT_MTU', async () => {
    const { open, peripheral } = await setUpLink();
    expect(await open.query(VERSION, 1000)).toEqual(peripheral.version);
  });

  it('keeps the order of arrival over all channels', async () => {
    const { open, peripheral } = await setUpLink();
    peripheral.echoOn = (bytes) => (bytes[0] === 6 ? INDICATIONS : EVENTS);
    await open.subscribe(EVENTS, 1000);
    await open.subscribe(INDICATIONS, 1000);
    for (const first of [1, 6, 2, 6, 3]) {
      await open.send(COMMANDS, Uint8Array.of(first), { acknowledged: true, withinMs: 1000 });
    }
    const order: string[] = [];
    for (let i = 0; i < 5; i++) {
      const frame = await open.receive([EVENTS, INDICATIONS], 1000);
      order.push(`${frame?.channel === EVENTS ? 'event' : 'indication'} ${frame?.bytes[0]}`);
    }
    expect(order).toEqual(['event 1', 'indication 6', 'event 2', 'indication 6', 'event 3']);
    expect(await open.receive([EVENTS, INDICATIONS], 20)).toBeUndefined();
  });

  it('negotiates long link packets and 2M', async () => {
    const { open, controller } = await setUpLink();
    await open.send(COMMANDS, new Uint8Array(244), { acknowledged: true, withinMs: 1000 });
    expect((open as OpenBleLink).radio).toMatchObject({ linkPayloadBytes: 251, phy: 2 });
    expect(controller.linkStatistics(ADDRESS)?.toDeviceByLength.get(251)).toBe(1);
    expect(controller.linkState(ADDRESS)).toMatchObject({ intervalMs: 15, supervisionMs: 4000, eventLengthMs: 15 });
  });

  it('sends 27-byte link packets where nothing longer is negotiated', async () => {
    const { controller, adapter } = await setUp({ maxLinkPayloadBytes: 27, phy2m: false });
    controller.host(new GenericPeripheral({ address: ADDRESS }));
    const open = await adapter.link(ADDRESS).open({}, 3000);
    const before = controller.linkStatistics(ADDRESS)?.packetsToDevice ?? 0;
    await open.send(COMMANDS, new Uint8Array(244), { acknowledged: true, withinMs: 1000 });
    // 244 + 3 (ATT) + 4 (L2CAP) = 251 bytes: nine packets of 27 and one of 8
    expect((controller.linkStatistics(ADDRESS)?.packetsToDevice ?? 0) - before).toBe(10);
    expect(Math.max(...(controller.linkStatistics(ADDRESS)?.toDeviceByLength.keys() ?? []))).toBe(27);
  });

  it('answers a device that asks for other parameters, within its range, and keeps the timeout', async () => {
    const { controller, open } = await setUpLink();
    controller.requestParameters(ADDRESS, 24, 40, 4, 100);
    await open.query(VERSION, 1000);
    await open.query(VERSION, 1000);
    expect(controller.linkState(ADDRESS)).toMatchObject({ intervalMs: 30, latency: 0, supervisionMs: 4000 });
  });

  it('keeps the controller\u2019s buffer from overrunning when devices ask in the middle of a transfer', async () => {
    const { controller, open, peripheral } = await setUpLink({ aclPackets: 3 });
    const sends = Array.from({ length: 200 }, (_, i) => {
      if (i % 10 === 0) controller.requestParameters(ADDRESS, 12, 40, 0, 400);
      return open.send(COMMANDS, new Uint8Array(200), { acknowledged: false, withinMs: 5000 });
    });
    await Promise.all(sends);
    await open.query(VERSION, 1000);
    expect(peripheral.written).toHaveLength(200);
    expect(controller.statistics.overruns).toBe(0);
  });
});

describe('write commands', () => {
  it('never overrun the controller, and arrive complete and in order', async () => {
    const { controller, open, peripheral } = await setUpLink({ aclPackets: 4 });
    const sends: Promise<void>[] = [];
    for (let i = 0; i < 500; i++) {
      sends.push(open.send(COMMANDS, Uint8Array.of(i & 0xff, i >> 8), { acknowledged: false, withinMs: 5000 }));
    }
    await Promise.all(sends);
    await open.send(COMMANDS, Uint8Array.of(0xff, 0xff), { acknowledged: true, withinMs: 1000 });
    expect(peripheral.written.map(({ bytes }) => (bytes[0] ?? 0) | ((bytes[1] ?? 0) << 8))).toEqual([
      ...Array.from({ length: 500 }, (_, i) => i),
      0xffff,
    ]);
    expect(controller.statistics).toMatchObject({ overruns: 0, mostHeld: 3 });
  });

  it('wait for the controller: a stalled link takes a bounded number', async () => {
    const { open } = await setUpLink({ aclPackets: 6 });
    let taken = 0;
    const sends = Array.from({ length: 50 }, () =>
      open.send(COMMANDS, new Uint8Array(100), { acknowledged: false, withinMs: 2000 }).then(() => {
        taken++;
      }),
    );
    // The controller has had no turn yet: what is taken is what fits into its buffer, and two in noble.
    await Promise.resolve();
    await Promise.resolve();
    expect(taken).toBeGreaterThan(0);
    expect(taken).toBeLessThanOrEqual(8);
    await Promise.all(sends);
    expect(taken).toBe(50);
  });
});

describe('refusals', () => {
  it('says that a bond is wanted instead of pairing or waiting', async () => {
    const { open } = await setUpLink();
    expect(await codeOf(open.query(SECRET, 1000))).toBe('link.auth-required');
    expect(await codeOf(open.send(SECRET, Uint8Array.of(1), { acknowledged: true, withinMs: 1000 }))).toBe(
      'link.auth-required',
    );
    expect(await codeOf(open.subscribe(SECRET, 1000))).toBe('link.auth-required');
    // and the link goes on
    expect(await open.query(VERSION, 1000)).toHaveLength(300);
  });

  it('names a channel the device does not have', async () => {
    const { open } = await setUpLink();
    expect(await codeOf(open.query('2a99', 1000))).toBe('link.no-such-channel');
    expect(await codeOf(open.subscribe(COMMANDS, 1000))).toBe('link.no-such-channel');
  });

  it('tells other refusals by their code', async () => {
    const { open } = await setUpLink();
    await expect(open.query(COMMANDS, 1000)).rejects.toMatchObject({
      code: 'target.refused',
      params: { request: `read ${COMMANDS}`, result: 2 },
    });
  });

  it('gives a late answer to nobody else', async () => {
    const { open, peripheral } = await setUpLink();
    peripheral.answerAfterMs = 80;
    expect(await codeOf(open.send(SLOW, Uint8Array.of(1), { acknowledged: true, withinMs: 20 }))).toBe('link.timeout');
    peripheral.answerAfterMs = 0;
    expect(await open.query(VERSION, 1000)).toHaveLength(300);
  });
});

describe('loss', () => {
  it('ends a pending read in time when the device leaves', async () => {
    const { open, peripheral } = await setUpLink();
    peripheral.onNextRead = () => peripheral.connection?.disconnect('graceful');
    // a long value: the rest is never sent
    expect(await codeOf(open.query(VERSION, 5000))).toBe('link.lost');
    await open.closed;
    expect(await codeOf(open.receive([EVENTS], 1000))).toBe('link.lost');
  });

  it('notices a silent device by the supervision timeout', async () => {
    const { open, peripheral } = await setUpLink({ supervisionMs: 100 });
    peripheral.onNextRead = () => peripheral.connection?.disconnect('silent');
    await expect(open.query(VERSION, 5000)).rejects.toMatchObject({
      code: 'link.lost',
      params: { detail: 'supervision timeout (0x08)' },
    });
  });

  it('ends everything when the adapter goes away', async () => {
    const { adapter, controller, fail } = await setUp();
    controller.host(new GenericPeripheral({ address: ADDRESS }));
    const open = await adapter.link(ADDRESS).open({}, 3000);
    const read = codeOf(open.query(SLOW, 5000));
    fail('unplugged');
    expect(await read).toBe('link.lost');
    expect(await codeOf(adapter.link(ADDRESS).open({}, 1000))).toBe('link.ble-unavailable');
  });

  it('delivers what arrived before the end', async () => {
    const { open, peripheral } = await setUpLink();
    await open.subscribe(EVENTS, 1000);
    peripheral.connection?.notify(EVENTS, Uint8Array.of(7));
    peripheral.connection?.disconnect('graceful');
    await open.closed;
    expect((await open.receive([EVENTS], 100))?.bytes).toEqual(Uint8Array.of(7));
    expect(await codeOf(open.receive([EVENTS], 100))).toBe('link.lost');
  });
});

describe('opening', () => {
  it('says in time that a device is absent', async () => {
    const { adapter } = await setUp();
    const began = performance.now();
    expect(await codeOf(adapter.link(ADDRESS).open({}, 300))).toBe('link.not-found');
    expect(performance.now() - began).toBeLessThan(1500);
  });

  it('tries again when a connection is not established', async () => {
    const { adapter, controller } = await setUp();
    controller.host(new GenericPeripheral({ address: ADDRESS }), { failToEstablish: 2 });
    const open = await adapter.link(ADDRESS).open({}, 5000);
    expect(await open.query(VERSION, 1000)).toHaveLength(300);
  });

  it('follows a device that comes back under the next address', async () => {
    const { adapter, controller, peripheral, link, open } = await setUpLink();
    const gone = open.closed;
    peripheral.connection?.disconnect('graceful');
    peripheral.advertised = undefined;
    await gone;
    const other = new GenericPeripheral({ address: 'c0:11:22:33:44:51', name: 'DfuTarg', services: ['fe59'] });
    controller.host(other);
    const again = await link.open(
      { addresses: ['C0:11:22:33:44:51'], serviceUuid: 'fe59', notSameAddress: true, afterMs: 5 },
      3000,
    );
    expect(again.info.identity.value).toBe('c0:11:22:33:44:51');
    await again.close();
    const named = await link.open({ name: 'DfuTarg' }, 3000);
    expect(named.info.name).toBe('DfuTarg');
    expect(await codeOf(adapter.link(ADDRESS).open({ serviceUuid: '1234' }, 100))).toBe('link.not-found');
  });

  it('waits until the controller has let go of a silent connection to the same device', async () => {
    const { controller, peripheral, link, open } = await setUpLink({ supervisionMs: 1800 });
    const ended = new Promise<void>((resolve) => {
      controller.on('data', (packet) => {
        if (packet[0] === 4 && packet[1] === 0x05) resolve();
      });
    });
    peripheral.connection?.disconnect('silent');
    await open.close(); // gives up after 1.5 s
    const again = await link.open({}, 3000);
    await ended;
    expect(await again.query(VERSION, 1000)).toHaveLength(300);
  });

  it('refuses a second link to the same device while one is open', async () => {
    const { link } = await setUpLink();
    expect(await codeOf(link.open({}, 200))).toBe('link.not-found');
  });

  it('holds eight links at once, each with its own data', async () => {
    const { adapter, controller } = await setUp({ aclPackets: 6 });
    const peripherals = Array.from(
      { length: 8 },
      (_, i) => new GenericPeripheral({ address: `c0:11:22:33:44:8${i}`, name: `unit ${i}` }),
    );
    for (const peripheral of peripherals) controller.host(peripheral);
    const links = await Promise.all(
      peripherals.map((_, i) => adapter.link(`c0:11:22:33:44:8${i}`, { services: [SERVICE] }).open({}, 8000)),
    );
    await Promise.all(
      links.map(async (open, i) => {
        await open.subscribe(EVENTS, 3000);
        for (let n = 0; n < 100; n++) {
          await open.send(COMMANDS, new Uint8Array(200).fill(i), { acknowledged: false, withinMs: 3000 });
        }
        await open.send(COMMANDS, Uint8Array.of(i + 10), { acknowledged: true, withinMs: 3000 });
        expect((await open.receive([EVENTS], 1000))?.bytes).toEqual(Uint8Array.of(i + 10));
      }),
    );
    for (const [i, peripheral] of peripherals.entries()) {
      expect(peripheral.written).toHaveLength(101);
      expect(peripheral.written.every(({ bytes }) => bytes.every((byte) => byte === i || byte === i + 10))).toBe(true);
    }
    expect(controller.statistics.overruns).toBe(0);
    await Promise.all(links.map((open) => open.close()));
    expect(peripherals.map((each) => each.disconnects)).toEqual(new Array(8).fill(1));
  });
});
