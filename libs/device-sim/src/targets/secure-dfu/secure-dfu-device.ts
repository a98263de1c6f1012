/** The whole simulated Secure DFU device, as links and tests see it. */
import { createHash } from 'node:crypto';
import type { SimulatedDevice } from '../../target.js';
import type { SecureDfuOptions } from './options.js';
import { SecureDfuRadio } from './secure-dfu-radio.js';
import { SecureDfuSerial } from './secure-dfu-serial.js';
import { SecureDfuUnit } from './secure-dfu-unit.js';

export interface SecureDfuDevice extends SimulatedDevice {
  readonly kind: 'secure-dfu';
  /** For white-box tests: settings, personality. */
  readonly unit: SecureDfuUnit;
}

/** One that is reached by radio. */
export type SecureDfuBleDevice = SecureDfuDevice & { readonly ble: SecureDfuRadio };
/** One that is reached by a serial line. */
export type SecureDfuSerialDevice = SecureDfuDevice & { readonly serial: SecureDfuSerial };

/** A static random address that depends on the serial number only. */
function addressOf(serialNumber: string): string {
  const digest = createHash('sha256').update(serialNumber).digest();
  const bytes = [(digest[0] ?? 0) | 0xc0, ...digest.subarray(1, 5), (digest[5] ?? 0) & 0xfe];
  return bytes.map((byte) => byte.toString(16).padStart(2, '0')).join(':');
}

/**
 * A unit that runs an application with buttonless entry and has the secure bootloader beneath it.
 * Its version string comes from the image that it runs (`makeDemoFirmware`).
 *
 * Flash regions: `bank0`, `bank1`, `application-area`, `softdevice`, `bootloader`.
 * Refusable requests of a fault plan: `buttonless`, `create`, `prn`, `crc`, `execute`, `select`,
 * `init` (Execute of the init packet) and `validate` (the last Execute).
 */
export function createSecureDfuDevice(
  options: SecureDfuOptions & { readonly transport: 'uart' | 'usb' },
): SecureDfuSerialDevice;
export function createSecureDfuDevice(options: SecureDfuOptions & { readonly transport?: 'ble' }): SecureDfuBleDevice;
export function createSecureDfuDevice(options: SecureDfuOptions): SecureDfuDevice;
export function createSecureDfuDevice(options: SecureDfuOptions): SecureDfuDevice {
  const serialNumber = options.serialNumber ?? 'SIM-0001';
  const address = (options.address ?? addressOf(serialNumber)).toLowerCase();
  const unit = new SecureDfuUnit({ ...options, serialNumber });
  const isSerial = options.transport === 'uart' || options.transport === 'usb';
  return {
    kind: 'secure-dfu',
    hardwareId: serialNumber,
    flash: { region: (name) => unit.region(name), runningImageSha256: () => unit.runningImageSha256() },
    get touches() {
      return unit.touches;
    },
    ...(isSerial ? { serial: new SecureDfuSerial(unit) } : { ble: new SecureDfuRadio(unit, address) }),
    unit,
    powerCut: (offMs) => unit.powerCut(offMs),
  };
}
