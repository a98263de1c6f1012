/** The whole simulated Legacy DFU device, as links and tests see it. */
import { createHash } from 'node:crypto';
import type { SimulatedDevice } from '../../target.js';
import { LegacyDfuRadio } from './legacy-dfu-radio.js';
import { LegacyDfuUnit } from './legacy-dfu-unit.js';
import type { LegacyDfuOptions } from './options.js';

export interface LegacyDfuDevice extends SimulatedDevice {
  readonly kind: 'legacy-dfu';
  readonly ble: LegacyDfuRadio;
  /** For white-box tests: what is installed, which personality runs. */
  readonly unit: LegacyDfuUnit;
}

/** A static random address that depends on the serial number only. */
function addressOf(serialNumber: string): string {
  const digest = createHash('sha256').update(serialNumber).digest();
  const bytes = [(digest[0] ?? 0) | 0xc0, ...digest.subarray(1, 5), (digest[5] ?? 0) & 0xfe];
  return bytes.map((byte) => byte.toString(16).padStart(2, '0')).join(':');
}

/**
 * A unit that runs an application with a way into the legacy bootloader beneath it, as a release of the SDK made it.
 * Its version string comes from the image that it runs (`makeDemoFirmware`).
 *
 * Flash regions: `bank0`, `bank1`, `softdevice`, `bootloader`.
 * Refusable requests of a fault plan: `jump`, `start`, `init`, `receive`, `validate`, `received`.
 */
export function createLegacyDfuDevice(options: LegacyDfuOptions): LegacyDfuDevice {
  const serialNumber = options.serialNumber ?? 'SIM-0001';
  const address = (options.address ?? addressOf(serialNumber)).toLowerCase();
  const unit = new LegacyDfuUnit({ ...options, serialNumber });
  return {
    kind: 'legacy-dfu',
    hardwareId: serialNumber,
    flash: { region: (name) => unit.memory.bytes(name).slice(), runningImageSha256: () => unit.runningImageSha256() },
    get touches() {
      return unit.touches;
    },
    ble: new LegacyDfuRadio(unit, address),
    unit,
    powerCut: (offMs) => unit.powerCut(offMs),
  };
}
