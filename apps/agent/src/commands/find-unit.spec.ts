/** Who answers on a serial port of which nothing is known: each family is found, and none is disturbed by the others' words. */
import { afterEach, describe, expect, it } from '@jest/globals';
import {
  createLegacySerialDevice,
  createSecureDfuDevice,
  createSilabsDevice,
  createSmpDevice,
  makeDemoFirmware,
  RealScheduler,
  serveSerial,
  type SimulatedDevice,
} from '@drydock/device-sim';
import { makeMcubootImage } from '@drydock/dfu-core';
import { linksFor } from './by-hand.js';
import { candidateProtocols } from './candidate-protocols.js';
import { findUnit } from './find-unit.js';

const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

const firmware = makeDemoFirmware({ model: 'unit', version: '1.0.0', sizeBytes: 16_384 });
const image = makeMcubootImage({ body: firmware, version: { major: 1, minor: 0, revision: 0, build: 0 } });

type Make = (scheduler: RealScheduler) => SimulatedDevice;
const FAMILIES: readonly (readonly [what: string, protocol: string, mode: string, make: Make, options?: string])[] = [
  ['an SMP board', 'smp', 'application', (scheduler) => createSmpDevice({ scheduler, transport: 'console', image })],
  [
    'a menu with XMODEM',
    'gecko-xmodem',
    'bootloader',
    (scheduler) => createSilabsDevice({ scheduler, access: 'xmodem' }),
  ],
  [
    'an NCP that speaks BGAPI',
    'bgapi-dfu',
    'application',
    (scheduler) => createSilabsDevice({ scheduler, access: 'bgapi', application: firmware }),
  ],
  ['a BGAPI bootloader', 'bgapi-dfu', 'bootloader', (scheduler) => createSilabsDevice({ scheduler, access: 'bgapi' })],
  [
    'a BLE11x in packet mode',
    'bgapi-dfu',
    'application',
    (scheduler) =>
      createSilabsDevice({
        scheduler,
        access: 'bgapi',
        generation: 'ble11x',
        framing: 'packet',
        application: firmware,
      }),
    '?generation=ble11x&framing=packet',
  ],
  [
    "Nordic's secure bootloader",
    'secure-dfu',
    'bootloader',
    (scheduler) => createSecureDfuDevice({ scheduler, transport: 'uart', startsInBootloader: true }),
  ],
  ["Nordic's legacy bootloader", 'legacy-serial', 'bootloader', (scheduler) => createLegacySerialDevice({ scheduler })],
];

describe('a serial port of which nothing is known', () => {
  it.each(FAMILIES)(
    '%s is found as %s',
    async (_, protocol, mode, make, options = '') => {
      const scheduler = new RealScheduler();
      const device = make(scheduler);
      const port = serveSerial(device.serial!, { pacing: 'unpaced' });
      const links = linksFor({});
      closing.push(
        () => scheduler.close(),
        () => port.close(),
        () => links.close(),
      );
      const link = `serial:${port.path}${options}`;
      const found = await findUnit(links, link, candidateProtocols(link, undefined));
      expect(found.found).toMatchObject({ protocol, mode });
      expect(device.touches.filter(({ what }) => what !== 'booted')).toEqual([]);
      expect(device.touches.filter(({ what }) => what === 'booted').length).toBeLessThanOrEqual(1);
    },
    90_000,
  );
});
