/**
 * The simulated bootloader under a host that is not ours: the npm package web-bluetooth-dfu (MIT), as it is published.
 *
 * What our own session proves against this target is worth as much as the target is true; both were written here. This
 * host was not.
 */
import { afterEach, describe, expect, it } from '@jest/globals';
import { createHash } from 'node:crypto';
import { createRequire } from 'node:module';
import { simulatedBluetooth, type WebDevice } from '../../links/web-bluetooth.fixture.js';
import { RealScheduler } from '../../scheduler/real-scheduler.js';
import { crc32 } from '../checksums.js';
import { makeDemoFirmware } from '../demo-firmware.js';
import type { SecureDfuOptions } from './options.js';
import { createSecureDfuDevice } from './secure-dfu-device.js';
import { initPacketOf, keyPair } from './secure-dfu-host.fixture.js';

interface Host {
  addEventListener(name: 'log', listener: (event: { readonly message: string }) => void): void;
  requestDevice(buttonless: boolean, filters: unknown): Promise<WebDevice | null>;
  update(device: WebDevice, init: ArrayBuffer, firmware: ArrayBuffer): Promise<WebDevice>;
}
type HostClass = new (crc: (bytes: Uint8Array) => number, bluetooth: unknown, delayMs?: number) => Host;

const SecureDfu = createRequire(import.meta.url)('web-bluetooth-dfu') as HostClass;

const OLD = makeDemoFirmware({ model: 'sensor-a', version: '1.0.0', sizeBytes: 9000 });
const NEW = makeDemoFirmware({ model: 'sensor-a', version: '1.1.0', sizeBytes: 9004, seed: 2 });
const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');
const buffer = (bytes: Uint8Array): ArrayBuffer => Uint8Array.from(bytes).buffer;

let scheduler = new RealScheduler({ keepAlive: true });
afterEach(() => {
  scheduler.close();
  scheduler = new RealScheduler({ keepAlive: true });
});

/** Flash is fast here: what is looked at is the conversation. */
function place(options: Partial<Omit<SecureDfuOptions, 'transport'>> = {}) {
  const device = createSecureDfuDevice({
    scheduler,
    model: 'sensor-a',
    application: OLD,
    publicKey: keyPair.publicKey,
    flash: { eraseMsPerPage: 5, writeUsPerWord: 1 },
    verifyMs: 5,
    rebootMs: 50,
    ...options,
  });
  const log: string[] = [];
  const model = { ble: { intervalMs: 8, supervisionTimeoutMs: 200 } };
  // This host compares with a signed number, as the package crc-32 that it is made for gives it.
  const host = new SecureDfu((bytes) => crc32(bytes) | 0, simulatedBluetooth(scheduler, device, model));
  host.addEventListener('log', ({ message }) => log.push(message));
  return { device, host, log };
}

async function inBootloader(host: Host): Promise<WebDevice> {
  expect(await host.requestDevice(true, null)).toBeNull(); // it has to be looked for anew
  const found = await host.requestDevice(false, [{ services: [0xfe59] }]);
  if (!found) throw new Error('nothing was found');
  return found;
}

describe('web-bluetooth-dfu', () => {
  it('takes the application into its bootloader, sends both objects, and the new image runs', async () => {
    const { device, host, log } = place();
    const target = await inBootloader(host);
    expect(target.name).toBe('DfuTarg');
    await host.update(target, buffer(initPacketOf(NEW)), buffer(NEW));
    expect(log).toEqual(
      expect.arrayContaining(['written 4096 bytes', 'written 8192 bytes', 'written 9004 bytes', 'transfer complete']),
    );
    await until(() => device.flash.runningImageSha256() === sha256(NEW));
  }, 60_000);

  it('reads a foreign signature, an older version and another hardware as what they are', async () => {
    const { device, host } = place({ applicationVersion: 5, startsInBootloader: true });
    const refusalOf = async (init: Uint8Array): Promise<string> => {
      const found = await host.requestDevice(false, null);
      if (!found) throw new Error('nothing was found');
      const refusal = await host.update(found, buffer(init), buffer(NEW)).then(() => 'taken', String);
      const gone = new Promise<void>((resolve) => found.addEventListener('gattserverdisconnected', () => resolve()));
      found.gatt.disconnect();
      await gone;
      return refusal;
    };
    expect(await refusalOf(initPacketOf(NEW, { fwVersion: 4 }))).toContain('firmware version is too low');
    expect(await refusalOf(initPacketOf(NEW, { fwVersion: 6, hwVersion: 51 }))).toContain('hardware version');
    expect(await refusalOf(initPacketOf(NEW, { fwVersion: 6, softDevices: [0xb6] }))).toContain('FWID');
    expect(await refusalOf(initPacketOf(NEW, { fwVersion: 6, privateKey: undefined }))).toContain('signature');
    expect(device.flash.runningImageSha256()).toBe(sha256(OLD));
  }, 60_000);
});

/** Bounded by the test's own end. */
async function until(holds: () => boolean): Promise<void> {
  for (let left = 3000; left > 0 && !holds(); left--) {
    await new Promise<void>((resolve) => void scheduler.after(10, resolve));
  }
  expect(holds()).toBe(true);
}
