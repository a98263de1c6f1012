/** The whole simulated unit with a serial legacy bootloader, as links and tests see it. */
import type { SerialPeripheral, SimulatedDevice } from '../../target.js';
import { LegacySerialUnit } from './legacy-serial-unit.js';
import type { LegacySerialOptions } from './options.js';

export interface LegacySerialDevice extends SimulatedDevice {
  readonly kind: 'legacy-serial';
  readonly serial: SerialPeripheral;
  /** For white-box tests: what is installed, which personality runs. */
  readonly unit: LegacySerialUnit;
}

/**
 * A unit on a UART. Its application says nothing; its bootloader acknowledges.
 *
 * Flash regions: `bank0`, `bank1`, `softdevice`, `bootloader`.
 * Refusable requests of a fault plan: `start`, `init`, `validate` (any code: it is a trap, or a silent stay).
 */
export function createLegacySerialDevice(options: LegacySerialOptions): LegacySerialDevice {
  const unit = new LegacySerialUnit(options);
  return {
    kind: 'legacy-serial',
    hardwareId: options.serialNumber ?? 'SIM-0001',
    flash: { region: (name) => unit.memory.bytes(name).slice(), runningImageSha256: () => unit.runningImageSha256() },
    get touches() {
      return unit.touches;
    },
    serial: {
      get baud() {
        return unit.baud;
      },
      attach: (send) => unit.attach(send),
      onBytes: (bytes) => unit.onBytes(bytes),
    },
    unit,
    powerCut: (offMs) => unit.powerCut(offMs),
  };
}
