/** The whole simulated TI OAD device, as links and tests see it. */
import { createHash } from 'node:crypto';
import type { SimulatedDevice } from '../../target.js';
import type { TiOadOptions } from './options.js';
import { TiOadRadio } from './ti-oad-radio.js';
import { TiOadUnit } from './ti-oad-unit.js';

export interface TiOadDevice extends SimulatedDevice {
  readonly kind: 'ti-oad';
  readonly ble: TiOadRadio;
  /** For white-box tests. */
  readonly unit: TiOadUnit;
}

/** An address that depends on the serial number only, under a prefix of TI's. */
function addressOf(serialNumber: string): string {
  const digest = createHash('sha256').update(serialNumber).digest();
  const bytes = [0x54, 0x6c, 0x0e, ...digest.subarray(0, 3)];
  return bytes.map((byte) => byte.toString(16).padStart(2, '0')).join(':');
}

/**
 * A unit of one of the generations, with its boot manager beneath. Flash regions: `application`, `download`.
 * Refusable requests of a fault plan: `identify`, `start`, `block`, `complete` (after the last block) and `enable`.
 */
export function createTiOadDevice(options: TiOadOptions): TiOadDevice {
  const serialNumber = options.serialNumber ?? 'SIM-0001';
  const address = (options.address ?? addressOf(serialNumber)).toLowerCase();
  const unit = new TiOadUnit({ ...options, serialNumber });
  const ble = new TiOadRadio(unit, address);
  return {
    kind: 'ti-oad',
    hardwareId: serialNumber,
    flash: {
      region: (name) => unit.memory.bytes(name).slice(),
      runningImageSha256: () => unit.runningImageSha256(),
    },
    get touches() {
      return unit.touches;
    },
    ble,
    unit,
    powerCut: (offMs) => unit.powerCut(offMs),
  };
}
