import { createHash } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import type { LinkInfo, Session } from '@drydock/dfu-core';
import { fromHex, toHex } from '@drydock/dfu-core';
import { runInVirtualTime } from '../../links/virtual-run.js';
import { VirtualScheduler } from '../../scheduler/virtual-scheduler.js';
import { makeDemoFirmware } from '../demo-firmware.js';
import type { SecureDfuOptions } from './options.js';
import { agreedMtu } from './profile.js';
import { createSecureDfuDevice, type SecureDfuBleDevice } from './secure-dfu-device.js';
import {
  enterBootloader,
  fullUpdate,
  initPacketOf,
  keyPair,
  packets,
  request,
  sendImage,
  sendInit,
  u32,
} from './secure-dfu-host.fixture.js';
import { bootloaderAddressOf } from './secure-dfu-radio.js';

const MODEL = 'sensor-a';
const OLD = makeDemoFirmware({ model: MODEL, version: '1.0.0', sizeBytes: 20_000 });
const NEW = makeDemoFirmware({ model: MODEL, version: '1.1.0', sizeBytes: 18_004, seed: 2 });
const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

function makeUnit(options: Partial<Omit<SecureDfuOptions, 'transport'>> = {}): {
  scheduler: VirtualScheduler;
  device: SecureDfuBleDevice;
} {
  const scheduler = new VirtualScheduler();
  const device = createSecureDfuDevice({
    scheduler,
    model: MODEL,
    application: OLD,
    publicKey: keyPair.publicKey,
    ...options,
  });
  return { scheduler, device };
}

/** Runs a host from inside the bootloader of a unit without application. */
function inBootloader<T>(options: Partial<SecureDfuOptions>, host: (link: LinkInfo) => Session<T>): T {
  const scheduler = new VirtualScheduler();
  const device = createSecureDfuDevice({ scheduler, model: MODEL, publicKey: keyPair.publicKey, ...options });
  return runInVirtualTime<T>(
    function* (link): Session<T> {
      yield { kind: 'subscribe', channel: '8ec90001f3154f609fb8838830daea50', withinMs: 1000 };
      return yield* host(link);
    },
    device,
    { scheduler },
  ).outcome;
}

const refusalOf = (fn: () => unknown): string => {
  try {
    fn();
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
  return 'accepted';
};

describe('a whole update', () => {
  it('ends with the application that states the new version', () => {
    const { scheduler, device } = makeUnit();
    const run = runInVirtualTime((link) => fullUpdate(link, { image: NEW, init: initPacketOf(NEW) }), device, {
      scheduler,
    });
    expect(run.outcome).toEqual(['1.0.0', '1.1.0']);
    expect(device.flash.runningImageSha256()).toBe(sha256(NEW));
    expect(Buffer.from(device.flash.region('bank0')).equals(NEW)).toBe(true);
    expect(device.touches.map((touch) => touch.what)).toEqual([
      'booted',
      'touched',
      'booted',
      'touched',
      'erased',
      'written',
      'activated',
      'booted',
    ]);
    expect(run.marks).toHaveLength(1);
  });

  it('is the same run twice', () => {
    const once = (): readonly number[] => {
      const { scheduler, device } = makeUnit({ faults: { slowFlash: 1.3 } });
      const plan = { image: NEW, init: initPacketOf(NEW, { privateKey: keyPair.privateKey }) };
      const run = runInVirtualTime((link) => fullUpdate(link, plan), device, { scheduler });
      return [run.elapsedMs, ...run.sends.map((sent) => sent.atMs)];
    };
    expect(once()).toEqual(once());
  });

  it('works on one bank, at the same address, with the small MTU of SDK 12', () => {
    const { scheduler, device } = makeUnit({
      banks: 'single',
      bootloaderAddress: 'same',
      sdk: '12',
      jumpLink: 'graceful',
    });
    const plan = { image: NEW, init: initPacketOf(NEW), settleMs: 400 };
    const run = runInVirtualTime(
      function* (link): Session<readonly string[]> {
        return yield* fullUpdate(link, plan);
      },
      device,
      { scheduler },
    );
    expect(run.outcome).toEqual(['1.0.0', '1.1.0']);
    expect(Math.max(...run.sends.filter((sent) => !sent.acknowledged).map((sent) => sent.bytes.length))).toBe(20);
  });

  it('loses packets when the host does not wait for the erase, and the checksum shows it', () => {
    const message = refusalOf(() => {
      const { scheduler, device } = makeUnit({ maxMtu: 100, faults: { slowFlash: 4 } });
      const plan = { image: NEW, init: initPacketOf(NEW), settleMs: 0 };
      runInVirtualTime((link) => fullUpdate(link, plan), device, { scheduler, model: { ble: { phy: 2 } } });
    });
    expect(message).toBe('data checksum');
  });
});

describe('what Execute of the init packet refuses', () => {
  const attempt = (init: Uint8Array, options: Partial<SecureDfuOptions> = {}): string =>
    refusalOf(() => inBootloader(options, () => sendInit(init, 20)));

  it.each([
    ['a good one', {}, {}, 'accepted'],
    ['unsigned', { privateKey: undefined }, {}, 'refused 60040b08'],
    ['another hardware', { hwVersion: 51 }, {}, 'refused 60040b06'],
    ['another SoftDevice', { softDevices: [0xcb] }, {}, 'refused 60040b07'],
    ['"any" SoftDevice', { softDevices: [0xfffe] }, {}, 'refused 60040b07'],
    ['a type that does not exist', { type: 7 }, {}, 'refused 60040b04'],
    ['no size', { appBytes: 0 }, {}, 'refused 60040b04'],
    ['too large', { appBytes: 0x100000 }, {}, 'refused 600404'],
    ['SDK 12 gives no reasons', { hwVersion: 51 }, { sdk: '12' }, 'refused 60040a'],
  ] as const)('%s', (_name, init, options, expected) => {
    expect(attempt(initPacketOf(NEW, init), options)).toBe(expected);
  });

  it('a signature by another key', () => {
    const init = initPacketOf(NEW);
    init[init.length - 1] = (init[init.length - 1] ?? 0) ^ 1;
    expect(attempt(init)).toBe('refused 600405');
  });

  it('bytes that are no protobuf', () => {
    expect(attempt(Uint8Array.from({ length: 40 }, (_, i) => i * 7))).toBe('refused 600405');
  });

  it('a lower version than the one installed', () => {
    const { scheduler, device } = makeUnit({ applicationVersion: 5 });
    const plan = { image: NEW, init: initPacketOf(NEW, { fwVersion: 4 }) };
    expect(refusalOf(() => runInVirtualTime((link) => fullUpdate(link, plan), device, { scheduler }))).toBe(
      'refused 60040b05',
    );
    expect(device.flash.runningImageSha256()).toBe(sha256(OLD));
  });

  it('accepts the recorded signed packet of a public test key', () => {
    // nRF5 init packet over bytes 00..0f, RFC 6979 A.2.5 key; hw 52, SoftDevice 0x0101.
    const body =
      '08011034 1a028102 20002800 30003810 42240803 12209189 3aee2899 a6dbfee5 dca35098 c643fdf0 281a8484 e6bdbe36 bf0526cb 45be4800 52040801 1200';
    const signature =
      '3134faa4d0e5d8c47c9b30d2610a182f3e7499b12d0960e164da5e06a733ef20dea6b2589036a848db98da560d7370e397de66f2503fb06c04882c55e7948798';
    const packet = fromHex(`1288010a4208011 23e ${body} 10001a40 ${signature}`.replace(/\s/g, ''));
    expect(packet).toHaveLength(139);
    const publicKey = fromHex(
      '60fed4ba255a9d31c961eb74c6356d68c049b8923b61fa6ce669622e60f29fb67903fe1008b8bc99a41ae9e95628bc64f2f1b20c2d7e9f5177a3c294d4462299',
    );
    expect(attempt(packet, { publicKey })).toBe('accepted');
    expect(attempt(packet)).toBe('refused 600405');
  });
});

describe('requests', () => {
  it('answers a fresh Select with 512 bytes and nothing', () => {
    const answer = inBootloader({}, () => request(0x06, 1));
    expect(toHex(answer)).toBe('000200000000000000000000');
  });

  it.each([
    ['unknown opcode', [0x55], 'refused 605502'],
    ['protocol version is not in the reduced set', [0x00], 'refused 600002'],
    ['a type that does not exist', [0x06, 3], 'refused 600605'],
    ['data before an init packet', [0x01, 2, 0, 16, 0, 0], 'refused 600108'],
    ['an empty command', [0x01, 1, 0, 0, 0, 0], 'refused 600103'],
    ['a command of 513 bytes', [0x01, 1, 1, 2, 0, 0], 'refused 600104'],
    ['nothing to execute', [0x04], 'refused 600408'],
  ])('refuses %s', (_name, message, expected) => {
    expect(refusalOf(() => inBootloader({}, () => request(...message)))).toBe(expected);
  });

  it('refuses a data object that is no page and not the end', () => {
    const result = refusalOf(() =>
      inBootloader({}, function* (): Session<void> {
        yield* sendInit(initPacketOf(NEW), 20);
        yield* request(0x06, 2);
        yield* request(0x01, 2, ...u32(1000));
      }),
    );
    expect(result).toBe('refused 600103');
  });

  it('answers 08 to an Execute after a Create without bytes, 01 to a second Execute', () => {
    const result = inBootloader({}, function* (): Session<string> {
      yield* sendInit(initPacketOf(NEW), 20);
      yield* request(0x06, 2);
      yield* request(0x01, 2, ...u32(4096));
      yield { kind: 'sleep', withinMs: 200 };
      yield* packets(NEW.slice(0, 4096), 244);
      yield* request(0x04);
      yield* request(0x04);
      yield* request(0x01, 2, ...u32(4096));
      try {
        yield* request(0x04);
      } catch (error) {
        return error instanceof Error ? error.message : '';
      }
      return 'accepted';
    });
    expect(result).toBe('refused 600408');
  });

  it('sends a receipt after every n packets, the same as a checksum answer', () => {
    const frames = inBootloader({}, function* (): Session<string[]> {
      yield* request(0x02, 2, 0);
      yield* request(0x01, 1, ...u32(100));
      yield* packets(new Uint8Array(100), 20);
      const seen: string[] = [];
      for (;;) {
        const input = yield { kind: 'await', channels: ['8ec90001f3154f609fb8838830daea50'], withinMs: 500 };
        if (input.kind !== 'frame') return seen;
        seen.push(toHex(input.bytes).slice(0, 14));
      }
    });
    expect(frames).toEqual(['60030128000000', '60030150000000']);
  });

  it('does nothing before notifications are on', () => {
    const { scheduler, device } = makeUnit({ application: undefined } as Partial<SecureDfuOptions>);
    const result = refusalOf(() => runInVirtualTime(() => request(0x06, 1), device, { scheduler }));
    expect(result).toContain('"result":253');
  });
});

describe('resume', () => {
  const half = function* (): Session<string> {
    yield* sendInit(initPacketOf(NEW), 20);
    yield* sendImage(NEW.slice(0, 8192), 244, 100);
    yield { kind: 'reconnect', as: {}, withinMs: 10_000 };
    yield { kind: 'subscribe', channel: '8ec90001f3154f609fb8838830daea50', withinMs: 1000 };
    return toHex((yield* request(0x06, 2)).slice(4, 8));
  };

  it('keeps progress over a lost link up to SDK 15, and not from 16 on', () => {
    expect(inBootloader({ sdk: '15.3' }, half)).toBe('00200000');
    expect(inBootloader({ sdk: '17' }, half)).toBe('00000000');
  });

  it('remembers the init packet over a lost link', () => {
    const offset = inBootloader({}, function* (): Session<number> {
      const init = initPacketOf(NEW);
      yield* sendInit(init, 20);
      yield { kind: 'reconnect', as: {}, withinMs: 10_000 };
      yield { kind: 'subscribe', channel: '8ec90001f3154f609fb8838830daea50', withinMs: 1000 };
      const answer = yield* request(0x06, 1);
      yield* request(0x04);
      return (answer[4] ?? 0) === init.length ? 1 : 0;
    });
    expect(offset).toBe(1);
  });
});

describe('power, faults, identity', () => {
  it('a power cut at any moment leaves the old or the new image, or a bootloader that takes another', () => {
    const init = initPacketOf(NEW);
    for (let cutAtMs = 500; cutAtMs < 9000; cutAtMs += 371) {
      const { scheduler, device } = makeUnit();
      scheduler.after(cutAtMs, () => device.powerCut(100));
      try {
        runInVirtualTime((link) => fullUpdate(link, { image: NEW, init }), device, { scheduler });
      } catch {
        // The link went; what counts is what the unit is afterwards.
      }
      scheduler.advance(200_000);
      expect([sha256(OLD), sha256(NEW)]).toContain(device.flash.runningImageSha256());
      expect(device.ble.advertisement()?.services).toEqual(['180a']);
    }
  });

  it('on one bank a cut in mid-transfer leaves the bootloader', () => {
    const { scheduler, device } = makeUnit({ banks: 'single', faults: { powerCutAtByte: 9000 } });
    const plan = { image: NEW, init: initPacketOf(NEW) };
    expect(refusalOf(() => runInVirtualTime((link) => fullUpdate(link, plan), device, { scheduler }))).not.toBe(
      'accepted',
    );
    scheduler.advance(5000);
    expect(device.flash.runningImageSha256()).toBeUndefined();
    expect(device.ble.advertisement()?.name).toBe('DfuTarg');
  });

  it('goes back to the application after 120 s without work', () => {
    const { scheduler, device } = makeUnit();
    runInVirtualTime((link) => enterBootloader(link), device, { scheduler });
    expect(device.ble.advertisement()?.services).toEqual(['fe59']);
    scheduler.advance(121_000);
    expect(device.ble.advertisement()?.services).toEqual(['180a']);
  });

  it('keeps the old image or stays mute when the plan says so', () => {
    const plan = { image: NEW, init: initPacketOf(NEW) };
    const kept = makeUnit({ faults: { keepOldImage: true } });
    const run = runInVirtualTime((link) => fullUpdate(link, plan), kept.device, { scheduler: kept.scheduler });
    expect(run.outcome).toEqual(['1.0.0', '1.0.0']);
    const mute = makeUnit({ faults: { muteAfterActivation: true } });
    const message = refusalOf(() =>
      runInVirtualTime((link) => fullUpdate(link, plan), mute.device, { scheduler: mute.scheduler }),
    );
    expect(message).toBe('the application was not found: timeout');
  });

  it('adds one to the last byte of its address without carry', () => {
    expect(bootloaderAddressOf('c1:00:00:00:00:ff')).toBe('c1:00:00:00:00:00');
    expect(bootloaderAddressOf('cd:e3:4a:47:1c:e4')).toBe('cd:e3:4a:47:1c:e5');
  });

  it('agrees to the MTU that the SDK would', () => {
    expect([185, 100, 517, 23].map((mtu) => agreedMtu(mtu, 247))).toEqual([183, 99, 247, 23]);
  });
});
