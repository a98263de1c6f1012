/** The whole simulated SMP device, as links and tests see it. */
import { createHash } from 'node:crypto';
import type { SimulatedDevice } from '../../target.js';
import type { SmpOptions } from './options.js';
import { SmpBle } from './smp-ble.js';
import { SmpConsole, SmpRawUart, SmpUdp } from './smp-serial.js';
import { SmpUnit } from './smp-unit.js';

export interface SmpDevice extends SimulatedDevice {
  readonly kind: 'smp';
  /** For white-box tests: slots, personality. */
  readonly unit: SmpUnit;
}

function addressOf(deviceId: string): string {
  const digest = createHash('sha256').update(deviceId).digest();
  const bytes = [(digest[0] ?? 0) | 0xc0, ...digest.subarray(1, 6)];
  return bytes.map((byte) => byte.toString(16).padStart(2, '0')).join(':');
}

/**
 * A unit with MCUboot, two slots, and an SMP server on the transport of its options.
 *
 * Its identity is readable as node name: `os info` format `n` gives `deviceId`, format `i` the model.
 * Flash regions: `slot0` (what runs), `slot1`.
 * Refusable requests of a fault plan: `upload`, `state` (image group codes) and `reset` (global rc).
 */
export function createSmpDevice(options: SmpOptions): SmpDevice {
  const deviceId = options.deviceId ?? 'SIM-0001';
  const unit = new SmpUnit({ ...options, deviceId });
  const transport = options.transport ?? 'console';
  const wire =
    transport === 'ble'
      ? new SmpBle(unit, (options.address ?? addressOf(deviceId)).toLowerCase())
      : transport === 'raw'
        ? new SmpRawUart(unit)
        : transport === 'udp'
          ? new SmpUdp(unit)
          : new SmpConsole(unit);
  unit.connectTransport(wire);
  return {
    kind: 'smp',
    hardwareId: deviceId,
    flash: {
      region: (name) => unit.memory.bytes(name).slice(),
      runningImageSha256: () => unit.runningImageSha256(),
    },
    get touches() {
      return unit.touches;
    },
    ...(wire instanceof SmpBle ? { ble: wire } : { serial: wire }),
    unit,
    powerCut: (offMs) => unit.powerCut(offMs),
  };
}
