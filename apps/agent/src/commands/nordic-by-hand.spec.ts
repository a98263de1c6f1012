/** `update` as a person types it, for each form of Nordic's bootloaders, through the real links. */
import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  createLegacyDfuDevice,
  createLegacySerialDevice,
  createSecureDfuDevice,
  createSmpDevice,
  makeDemoFirmware,
  makeFactoryImage,
  RealScheduler,
  serveH4,
  serveSerial,
  SimulatedController,
  WallClock,
  type SimulatedDevice,
} from '@drydock/device-sim';
import { makeLegacyPackage, makeMcubootImage, makeNordicPackage } from '@drydock/dfu-core';
import { update } from './by-hand.js';

const MODEL = 'demo-sensor';
const OLD = makeDemoFirmware({ model: MODEL, version: '1.0.0', sizeBytes: 16_384 });
const NEW = makeDemoFirmware({ model: MODEL, version: '2.0.0', sizeBytes: 20_000, seed: 2 });
const SECURE = makeNordicPackage({ application: NEW, hwVersion: 52, fwVersion: 2, sdReq: [0x0101] });
const LEGACY = makeLegacyPackage({ application: NEW, softdevices: [0x64] });
const QUICK = { flash: { eraseMsPerPage: 2, writeUsPerWord: 1 }, rebootMs: 20 };

let folder = '';
let said = '';

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'drydock-nordic-'));
  said = '';
  jest.spyOn(process.stdout, 'write').mockImplementation((text) => ((said += String(text)), true));
  jest.spyOn(process.stderr, 'write').mockImplementation(() => true);
});

afterEach(() => {
  jest.restoreAllMocks();
  rmSync(folder, { recursive: true, force: true });
});

const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

function saved(name: string, bytes: Uint8Array): string {
  const path = join(folder, name);
  writeFileSync(path, bytes);
  return path;
}

/** Over a controller of its own, as `drydock-agent update --adapter h4:... --link ble:ADDRESS`. */
async function overBle(
  make: (scheduler: WallClock) => SimulatedDevice,
  file: string,
  more: { expectVersion?: string; address?: string } = {},
): Promise<{ status: number; result: Record<string, unknown>; device: SimulatedDevice }> {
  const scheduler = new WallClock();
  const device = make(scheduler);
  if (!device.ble) throw new Error('the unit has no radio');
  const controller = new SimulatedController({ scheduler, supervisionMs: 200 });
  controller.host(device.ble);
  const service = await serveH4(controller, { kind: 'unix', path: join(folder, 'hci') });
  const { address = device.ble.advertisement()?.address ?? '', expectVersion } = more;
  try {
    const link = `ble:${address}?type=random`;
    const version = expectVersion === undefined ? {} : { expectVersion };
    const status = await update({ file, link, adapter: service.adapter, json: true, ...version });
    return { status, result: JSON.parse(said) as Record<string, unknown>, device };
  } finally {
    await service.close();
  }
}

async function overSerial(
  device: SimulatedDevice,
  file: string,
  query: string,
): Promise<{ status: number; result: Record<string, unknown> }> {
  if (!device.serial) throw new Error('the unit has no line');
  const service = serveSerial(device.serial, { pacing: 'unpaced' });
  try {
    const status = await update({ file, link: `serial:${service.path}${query}`, json: true });
    return { status, result: JSON.parse(said) as Record<string, unknown> };
  } finally {
    await service.close();
  }
}

const secure =
  (options: object = {}) =>
  (scheduler: WallClock): SimulatedDevice =>
    createSecureDfuDevice({ scheduler, model: MODEL, application: OLD, ...QUICK, verifyMs: 5, ...options });

describe('Secure DFU by hand', () => {
  it('over BLE: proven where a person says how the application calls itself', async () => {
    const { status, result, device } = await overBle(secure(), saved('app.zip', SECURE), { expectVersion: '2.0.0' });
    expect(result).toMatchObject({ outcome: 'proven', before: '1.0.0', after: '2.0.0', bytes: NEW.length });
    expect(status).toBe(0);
    expect(device.flash.runningImageSha256()).toBe(sha256(NEW));
  }, 60_000);

  it('over BLE, as the old one-liner: delivered, and no more is claimed', async () => {
    const { status, result, device } = await overBle(secure(), saved('app.zip', SECURE));
    expect(result).toMatchObject({ outcome: 'unproven', code: 'version-ambiguous', after: '2.0.0' });
    expect(status).toBe(3);
    expect(device.flash.runningImageSha256()).toBe(sha256(NEW));
  }, 60_000);

  it('found in its bootloader: what ran before is not known, so its version proves nothing (P1)', async () => {
    const stuck = secure({ startsInBootloader: true });
    const { status, result, device } = await overBle(stuck, saved('app.zip', SECURE), { expectVersion: '2.0.0' });
    expect(result).toMatchObject({ outcome: 'unproven', code: 'version-not-readable', after: '2.0.0' });
    expect(status).toBe(3);
    expect(device.flash.runningImageSha256()).toBe(sha256(NEW));
  }, 60_000);

  it.each(['uart', 'usb'] as const)(
    'over %s',
    async (transport) => {
      const device = createSecureDfuDevice({
        scheduler: new RealScheduler(),
        transport,
        startsInBootloader: true,
        application: OLD,
        ...QUICK,
        verifyMs: 5,
      });
      const { status, result } = await overSerial(device, saved('app.zip', SECURE), '?baud=115200&rtscts=0');
      expect(result).toMatchObject({ outcome: 'unproven', code: 'version-not-readable' });
      expect(status).toBe(3);
      expect(device.flash.runningImageSha256()).toBe(sha256(NEW));
    },
    60_000,
  );
});

describe('Legacy DFU by hand', () => {
  it('over BLE', async () => {
    const make = (scheduler: WallClock): SimulatedDevice =>
      createLegacyDfuDevice({ scheduler, application: OLD, ...QUICK, bankBytes: 48 * 1024, packetBuffers: 64 });
    const { status, result, device } = await overBle(make, saved('old.zip', LEGACY), { expectVersion: '2.0.0' });
    expect(result).toMatchObject({ outcome: 'proven', before: '1.0.0', after: '2.0.0' });
    expect(status).toBe(0);
    expect(device.flash.runningImageSha256()).toBe(sha256(NEW));
  }, 60_000);

  it('over a UART', async () => {
    const device = createLegacySerialDevice({ scheduler: new RealScheduler(), softDeviceFwid: 0x64, ...QUICK });
    const file = makeLegacyPackage({ application: NEW, deviceType: 0x52, softdevices: [0x64] });
    const { status, result } = await overSerial(device, saved('old.zip', file), '?baud=115200');
    expect(result).toMatchObject({ outcome: 'unproven', code: 'version-not-readable' });
    expect(status).toBe(3);
    expect(device.flash.runningImageSha256()).toBe(sha256(NEW));
  }, 60_000);
});

describe('SMP by hand', () => {
  it('over BLE', async () => {
    const version = { major: 2, minor: 0, revision: 0, build: 0 };
    const file = makeMcubootImage({ body: NEW, version });
    const make = (scheduler: WallClock): SimulatedDevice =>
      createSmpDevice({
        scheduler,
        transport: 'ble',
        image: makeFactoryImage({ body: OLD, version: '1.0.0' }),
        bufSize: 1024,
        ...QUICK,
        swapMs: 20,
        resetDelayMs: 10,
      });
    const { status, result, device } = await overBle(make, saved('app.img', file));
    expect(result).toMatchObject({ outcome: 'proven', before: '1.0.0', after: '2.0.0' });
    expect(status).toBe(0);
    expect(device.flash.runningImageSha256()).toBe(sha256(file));
  }, 60_000);
});
