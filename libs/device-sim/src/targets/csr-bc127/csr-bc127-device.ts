/** The whole simulated BC127, as links and tests see it. */
import { createHash } from 'node:crypto';
import type { SerialPeripheral, SimulatedDevice } from '../../target.js';
import { CsrBc127Unit } from './csr-bc127-unit.js';
import type { CsrBc127Options } from './options.js';

export interface CsrBc127Device extends SimulatedDevice {
  readonly kind: 'csr-bc127';
  readonly serial: SerialPeripheral;
  /** For white-box tests: settings, which firmware runs. */
  readonly unit: CsrBc127Unit;
}

/**
 * A module on two wires. Its line checks speed and parity wherever the link can tell them (simulated links; a
 * pseudo-terminal cannot).
 *
 * Flash region: `image`. Refusable requests of a fault plan: `DFU` (any code: nothing happens), `dnload`, `manifest` (the
 * code is the DFU status).
 */
export function createCsrBc127Device(options: CsrBc127Options): CsrBc127Device {
  const unit = new CsrBc127Unit(options);
  return {
    kind: 'csr-bc127',
    hardwareId: options.serialNumber ?? 'SIM-0001',
    flash: {
      region: (name) => unit.memory.bytes(name).slice(),
      runningImageSha256: () => {
        const image = unit.runningImage();
        return image && createHash('sha256').update(image).digest('hex');
      },
    },
    get touches() {
      return unit.touches;
    },
    serial: {
      get baud() {
        return unit.line.baud;
      },
      get line() {
        return unit.line;
      },
      attach: (send) => unit.attach(send),
      onBytes: (bytes) => unit.onBytes(bytes),
    },
    unit,
    powerCut: (offMs) => unit.powerCut(offMs),
  };
}
