/** The simulated controller by itself, in virtual time, spoken to in bytes. */
import { describe, expect, it } from '@jest/globals';
import { VirtualScheduler } from '../scheduler/virtual-scheduler.js';
import type { Advertisement, BlePeripheral, PeripheralConnection } from '../target.js';
import { H4Splitter } from './hci-wire.js';
import type { ControllerOptions } from './controller-options.js';
import { SimulatedController } from './simulated-controller.js';

const ADDRESS = 'c0:11:22:33:44:50';
/** Little-endian on the wire. */
const ADDRESS_HEX = '50443322 11c0'.replaceAll(' ', '');

class Counter implements BlePeripheral {
  connection: PeripheralConnection | undefined;
  disconnects = 0;
  readonly written: number[] = [];
  readonly maxMtu = 247;
  constructor(
    readonly maxLinkPayloadBytes = 251,
    private readonly address = ADDRESS,
  ) {}
  advertisement(): Advertisement {
    return { address: this.address, addressType: 'random', name: 'Counter', services: ['fe59'], intervalMs: 100 };
  }
  services() {
    const properties = ['write-without-response', 'notify', 'write'] as const;
    return [{ uuid: 'fe59', characteristics: [{ uuid: '2a00', properties }] }];
  }
  onConnect(connection: PeripheralConnection): void {
    this.connection = connection;
  }
  onDisconnect(): void {
    this.disconnects++;
  }
  onSubscribe(): undefined {}
  onWrite: BlePeripheral['onWrite'] = (_characteristic, value) => {
    this.written.push(value.length);
    return undefined;
  };
  onRead(): Uint8Array {
    return new Uint8Array();
  }
}

class Host {
  readonly scheduler = new VirtualScheduler();
  readonly controller: SimulatedController;
  readonly events: { atMs: number; hex: string }[] = [];

  constructor(options: ControllerOptions = {}) {
    this.controller = new SimulatedController({ scheduler: this.scheduler, paced: true, ...options });
    this.controller.on('data', (packet) => {
      this.events.push({ atMs: this.scheduler.now(), hex: packet.toString('hex') });
    });
  }
  write(hex: string): void {
    this.controller.write(Buffer.from(hex.replaceAll(' ', ''), 'hex'));
  }
  run(ms: number): void {
    this.scheduler.advance(ms);
  }
  take(prefix: string): { atMs: number; hex: string }[] {
    return this.events.filter(({ hex }) => hex.startsWith(prefix.replaceAll(' ', '')));
  }
  /** Interval 15 ms (12), latency 0, timeout 4 s (400), no limit to the event. */
  connect(address = ADDRESS_HEX): void {
    this.write(`01 0d20 19 6000 3000 00 01 ${address} 00 0c00 0c00 0000 9001 0000 0000`);
    this.run(250);
  }
  /** A write command of that many ATT bytes (opcode and handle included) to the value handle. */
  command(handle: string, attBytes: number): void {
    const att = Buffer.concat([Buffer.from([0x52, 3, 0]), Buffer.alloc(attBytes - 3)]);
    const head = Buffer.from(`02${handle}00000000 0400`.replaceAll(' ', ''), 'hex');
    head.writeUInt16LE(att.length + 4, 3);
    head.writeUInt16LE(att.length, 5);
    this.controller.write(Buffer.concat([head, att]));
  }
}

const HANDLE = '4000';
const DISCONNECTED = '04 05 04 00 4000';

describe('commands', () => {
  it('answers a reset, its buffer size and an unknown command as such', () => {
    const host = new Host({ aclBytes: 251, aclPackets: 12 });
    host.write('01 030c 00');
    host.write('01 0220 00');
    host.write('01 ffff 00');
    // Command Complete: 04 0e <len> <allowed> <opcode> <status> ...; Command Status: 04 0f 04 <status> <allowed> <opcode>
    expect(host.events.map(({ hex }) => hex)).toEqual(['040e0401030c00', '040e0701022000fb000c', '040f040101ffff']);
  });

  it('refuses parameters that are too short', () => {
    const host = new Host();
    host.write('01 0d20 02 0000');
    host.write('01 0604 01 00');
    expect(host.events.map(({ hex }) => hex)).toEqual(['040f0412010d20', '040f0412010604']);
  });

  it('skips noise and counts it', () => {
    const host = new Host();
    host.write('00ff99 01 030c 00');
    expect(host.take('040e0401030c00')).toHaveLength(1);
    expect(host.controller.statistics.skippedBytes).toBe(3);
  });
});

describe('scanning', () => {
  it('reports advertisement and scan response, only while scanning', () => {
    const host = new Host();
    host.controller.host(new Counter());
    host.run(1000);
    expect(host.events).toEqual([]);
    host.write('01 0c20 02 01 00');
    host.run(1000);
    const reports = host.take('043e');
    // flags, one 16-bit service, the name; RSSI -60
    expect(reports[0]?.hex).toBe(
      `043e1c020100 01${ADDRESS_HEX} 10 020106 030359fe 0809436f756e746572 c4`.replaceAll(' ', ''),
    );
    expect(reports[1]?.hex).toBe(`043e0c020104 01${ADDRESS_HEX} 00 c4`.replaceAll(' ', ''));
    expect(reports.length).toBeGreaterThanOrEqual(16);
    host.write('01 0c20 02 00 00');
    const before = host.events.length;
    host.run(1000);
    expect(host.events.length).toBe(before);
  });
});

describe('connections', () => {
  it('are made when the device advertises, and end with the reason of who ended them', () => {
    const host = new Host();
    const peripheral = new Counter();
    host.controller.host(peripheral);
    host.connect();
    expect(host.take('040f0400010d20')).toHaveLength(1);
    expect(host.take(`043e1301 00 ${HANDLE} 00 01 ${ADDRESS_HEX} 0c00 0000 9001 00`)).toHaveLength(1);
    peripheral.connection?.disconnect('graceful');
    host.run(20);
    expect(host.take(`${DISCONNECTED} 13`)).toHaveLength(1);
    host.connect();
    host.write('01 0604 03 4100 13');
    host.run(20);
    expect(host.take('04 05 04 00 4100 16')).toHaveLength(1);
    expect(peripheral.disconnects).toBe(2);
  });

  it('time out after the supervision timeout when the device falls silent', () => {
    const host = new Host();
    const peripheral = new Counter();
    host.controller.host(peripheral);
    host.connect();
    const atMs = host.scheduler.now();
    peripheral.connection?.disconnect('silent');
    host.run(5000);
    expect(host.take(`${DISCONNECTED} 08`).map((each) => each.atMs - atMs)).toEqual([4000]);
  });

  it('to the same device under another address survive the late end of the old one', () => {
    const host = new Host();
    const peripheral = new Counter();
    host.controller.host(peripheral);
    host.connect();
    peripheral.connection?.disconnect('silent');
    const advertised = peripheral.advertisement();
    if (!advertised) throw new Error('nothing is advertised');
    const nextHex = `${((Number.parseInt(ADDRESS_HEX.slice(0, 2), 16) + 1) & 0xff).toString(16).padStart(2, '0')}${ADDRESS_HEX.slice(2)}`;
    const next = (nextHex.match(/../g) ?? []).reverse().join(':');
    peripheral.advertisement = () => ({ ...advertised, address: next });
    host.connect(nextHex);
    host.run(5000);
    expect(host.take(`${DISCONNECTED} 08`)).toHaveLength(1);
    expect(peripheral.disconnects).toBe(1);
    expect(peripheral.connection).toBeDefined();
  });

  it('are reported as not established after six silent events', () => {
    const host = new Host();
    host.controller.host(new Counter(), { failToEstablish: 1 });
    host.connect();
    host.run(200);
    expect(host.take(`${DISCONNECTED} 3e`)).toHaveLength(1);
  });

  it('can be cancelled while the device is absent', () => {
    const host = new Host();
    host.connect();
    expect(host.take('043e1301')).toHaveLength(0);
    host.write('01 0e20 00');
    expect(host.take('043e1301 02')).toHaveLength(1);
  });

  it('of an unknown command order are refused: a second attempt, an unknown handle', () => {
    const host = new Host();
    host.write(`01 0d20 19 6000 3000 00 01 ${ADDRESS_HEX} 00 0c00 0c00 0000 9001 0000 0000`);
    host.write(`01 0d20 19 6000 3000 00 01 ${ADDRESS_HEX} 00 0c00 0c00 0000 9001 0000 0000`);
    host.write('01 0604 03 7000 13');
    expect(host.take('040f040c010d20')).toHaveLength(1);
    expect(host.take('040f0402010604')).toHaveLength(1);
  });
});

describe('the pace of the air', () => {
  /** Sends commands as the buffer allows. @returns milliseconds until all have arrived. */
  const transfer = (host: Host, peripheral: Counter, count: number, attBytes: number): number => {
    const began = host.scheduler.now();
    let left = count;
    let room = 12;
    const fill = (): void => {
      for (; left > 0 && room > 0; left--, room--) host.command(HANDLE, attBytes);
    };
    host.controller.on('data', (packet) => {
      if (packet[1] !== 0x13) return;
      room++;
      fill();
    });
    fill();
    host.scheduler.runUntil(() => peripheral.written.length === count, 60_000);
    return host.scheduler.now() - began;
  };

  it('carries 27-byte packets until more is negotiated, and says so', () => {
    const host = new Host();
    const peripheral = new Counter();
    host.controller.host(peripheral);
    host.connect();
    transfer(host, peripheral, 1, 247);
    expect([...(host.controller.linkStatistics(ADDRESS)?.toDeviceByLength ?? [])]).toEqual([
      [27, 9],
      [8, 1],
    ]);
    host.write(`01 0120 08 ff0f000000000000`);
    host.write(`01 2220 06 ${HANDLE} fb00 4808`);
    host.run(40);
    expect(host.take(`043e0b07 ${HANDLE} fb00 4808 fb00 4808`)).toHaveLength(1);
    transfer(host, peripheral, 2, 247);
    expect(host.controller.linkStatistics(ADDRESS)?.toDeviceByLength.get(251)).toBe(1);
  });

  it('fits as many full packets into an interval as their air time allows, by PHY', () => {
    for (const [phy, perEvent] of [
      // 251 bytes: 2088 us (1M) or 1048 us (2M), the empty answer 80 or 44 us, two spaces of 150 us: 2468 or 1392 us.
      ['1m', 6],
      ['2m', 10],
    ] as const) {
      const host = new Host();
      const peripheral = new Counter();
      host.controller.host(peripheral);
      host.connect();
      host.write(`01 2220 06 ${HANDLE} fb00 4808`);
      if (phy === '2m') host.write(`01 3220 07 ${HANDLE} 00 02 02 0000`);
      host.run(300);
      const tookMs = transfer(host, peripheral, 20 * perEvent, 247);
      expect(tookMs).toBeGreaterThan(19 * 15);
      expect(tookMs).toBeLessThanOrEqual(21 * 15);
    }
  });

  it('keeps the event length the host allows', () => {
    const host = new Host();
    const peripheral = new Counter();
    host.controller.host(peripheral);
    // at most 6 * 0.625 = 3.75 ms of every 15
    host.write(`01 0d20 19 6000 3000 00 01 ${ADDRESS_HEX} 00 0c00 0c00 0000 9001 0400 0600`);
    host.run(250);
    host.write(`01 2220 06 ${HANDLE} fb00 4808`);
    host.run(100);
    expect(transfer(host, peripheral, 10, 247)).toBeGreaterThan(9 * 15);
  });

  it('repeats lost packets and loses no data', () => {
    const host = new Host({ lossRate: 0.2, seed: 7 });
    const peripheral = new Counter();
    host.controller.host(peripheral);
    host.connect();
    transfer(host, peripheral, 50, 100);
    expect(peripheral.written).toEqual(new Array(50).fill(97));
    expect(host.controller.linkStatistics(ADDRESS)?.lostPackets).toBeGreaterThan(10);
  });

  it('is divided among connections that share the radio, and not among those that do not', () => {
    const rate = (air: 'shared' | 'independent'): number => {
      const host = new Host({ air, aclPackets: 24 });
      const peripherals = [0, 1].map((i) => new Counter(251, `c0:11:22:33:44:5${i}`));
      for (const peripheral of peripherals) host.controller.host(peripheral);
      for (const i of [0, 1]) host.connect(`5${i}44332211c0`);
      for (const handle of ['4000', '4100']) host.write(`01 2220 06 ${handle} fb00 4808`);
      host.run(100);
      const began = host.scheduler.now();
      const room = new Map([
        ['4000', 12],
        ['4100', 12],
      ]);
      const fill = (): void => {
        for (const [handle, free] of room) {
          for (let i = 0; i < free; i++) host.command(handle, 247);
          room.set(handle, 0);
        }
      };
      host.controller.on('data', (packet) => {
        if (packet[1] !== 0x13) return;
        const handle = packet.subarray(4, 6).toString('hex');
        room.set(handle, (room.get(handle) ?? 0) + 1);
        fill();
      });
      fill();
      host.run(1500);
      expect(host.controller.statistics.overruns).toBe(0);
      return peripherals.reduce((sum, { written }) => sum + written.length, 0) / (host.scheduler.now() - began);
    };
    const alone = 6 / 15;
    expect(rate('independent') / alone).toBeGreaterThan(1.9);
    expect(rate('shared') / alone).toBeGreaterThan(0.95);
    expect(rate('shared') / alone).toBeLessThan(1.05);
  });
});

describe('answers', () => {
  /** Answers a write on the notification channel after so long; its timers, as all others, come `lateMs` too late. */
  const answerAt = (thinksMs: number, lateMs: number): { responseMs: number; notificationMs: number } => {
    const clock = new VirtualScheduler();
    const late = { now: () => clock.now(), after: (ms: number, fn: () => void) => clock.after(ms + lateMs, fn) };
    const controller = new SimulatedController({ scheduler: late, paced: true });
    const peripheral = new Counter();
    peripheral.onWrite = () => {
      const answer = (): void => {
        peripheral.connection?.notify('2a00', Uint8Array.of(1));
      };
      if (thinksMs === 0) answer();
      else late.after(thinksMs, answer);
      return undefined;
    };
    controller.host(peripheral);
    const times = new Map<string, number>();
    controller.on('data', (packet) => {
      if (packet[0] === 0x02) times.set(packet.subarray(9, 10).toString('hex'), clock.now());
    });
    const write = (hex: string): void => controller.write(Buffer.from(hex.replaceAll(' ', ''), 'hex'));
    write(`01 0d20 19 6000 3000 00 01 ${ADDRESS_HEX} 00 0c00 0c00 0000 9001 0000 0000`);
    clock.advance(400);
    write('02 4000 0900 0500 0400 12 0400 0100'); // notifications on: descriptor 4
    clock.advance(100);
    times.clear();
    write('02 4000 0800 0400 0400 12 0300 07');
    clock.advance(100);
    return { responseMs: times.get('13') ?? NaN, notificationMs: times.get('1b') ?? NaN };
  };

  it.each([0, 1.3])('that take no time leave in the same connection event (timers %d ms late)', (lateMs) => {
    const { responseMs, notificationMs } = answerAt(0, lateMs);
    expect(Math.abs(notificationMs - responseMs)).toBeLessThan(5);
  });

  it.each([0, 1.3])('that are thought about wait for the next (timers %d ms late)', (lateMs) => {
    const { responseMs, notificationMs } = answerAt(0.7, lateMs);
    expect(notificationMs - responseMs).toBeGreaterThan(13);
    expect(notificationMs - responseMs).toBeLessThan(17);
  });
});

describe('flow control', () => {
  it('completes every packet once, and counts what a host sends beyond the buffer', () => {
    const host = new Host({ aclPackets: 3 });
    const peripheral = new Counter();
    host.controller.host(peripheral);
    host.connect();
    for (let i = 0; i < 5; i++) host.command(HANDLE, 20);
    host.run(50);
    expect(host.take(`0413 05 01 ${HANDLE} 0100`)).toHaveLength(3);
    expect(host.controller.statistics).toMatchObject({ mostHeld: 3, overruns: 2 });
    expect(peripheral.written).toEqual([17, 17, 17]);
  });
});

describe('the splitter', () => {
  it('gives the same packets however the bytes are cut', () => {
    const bytes = Buffer.from('01030c00' + '0240000800040004005203000a' + '01022000', 'hex');
    for (let cut = 0; cut <= bytes.length; cut++) {
      const splitter = new H4Splitter();
      const packets = [...splitter.push(bytes.subarray(0, cut)), ...splitter.push(bytes.subarray(cut))];
      expect(packets.map((each) => each.length)).toEqual([4, 13, 4]);
    }
  });
});
