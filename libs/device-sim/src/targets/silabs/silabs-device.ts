/** The whole simulated Silicon Labs (or Bluegiga) device, as links and tests see it. */
import { createHash } from 'node:crypto';
import type { SimulatedDevice } from '../../target.js';
import { ApplicationOtaRadio } from './application-ota-radio.js';
import { AppLoaderRadio } from './apploader-radio.js';
import { BgapiUart } from './bgapi-uart.js';
import type { SilabsOptions } from './options.js';
import { OtaRadio } from './ota-radio.js';
import { SilabsUnit } from './silabs-unit.js';
import { XmodemUart } from './xmodem-uart.js';

export interface SilabsDevice extends SimulatedDevice {
  readonly kind: 'silabs';
  /** For white-box tests: flash, personality. */
  readonly unit: SilabsUnit;
}

function addressOf(deviceId: string): string {
  const digest = createHash('sha256').update(deviceId).digest();
  return [(digest[0] ?? 0) | 0xc0, ...digest.subarray(1, 6)]
    .map((byte) => byte.toString(16).padStart(2, '0'))
    .join(':');
}

/**
 * A unit as `options.access` says. Flash regions: `application`, `slot`.
 * Refusable requests of a fault plan: BGAPI `upload`, `finish` (result codes); XMODEM `block` (GBL error numbers);
 * BLE `enter`, `data`, `finish` (ATT errors).
 */
export function createSilabsDevice(options: SilabsOptions): SilabsDevice {
  const deviceId = options.deviceId ?? 'SIM-0001';
  const unit = new SilabsUnit({ ...options, deviceId });
  const address = (options.address ?? addressOf(deviceId)).toLowerCase();
  const side = sideOf(unit, address);
  unit.connectSide(side);
  return {
    kind: 'silabs',
    hardwareId: deviceId,
    flash: {
      region: (name) => unit.memory.bytes(name).slice(),
      runningImageSha256: () => unit.store.sha256(),
    },
    get touches() {
      return unit.touches;
    },
    ...(side instanceof OtaRadio ? { ble: side } : { serial: side }),
    unit,
    powerCut: (offMs) => unit.powerCut(offMs),
  };
}

function sideOf(unit: SilabsUnit, address: string): OtaRadio | BgapiUart | XmodemUart {
  switch (unit.options.access) {
    case 'bgapi':
      return new BgapiUart(unit);
    case 'xmodem':
      return new XmodemUart(unit);
    case 'apploader':
      return new AppLoaderRadio(unit, address);
    case 'application-ota':
      return new ApplicationOtaRadio(unit, address);
  }
}
