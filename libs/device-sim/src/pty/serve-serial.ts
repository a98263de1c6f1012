/** Puts a simulated UART device behind a pseudo-terminal: the real serial library opens its path. */
import type { SerialPeripheral } from '../target.js';
import { LinePacer } from './line-pacer.js';
import { openPtyPair } from './pty-pair.js';

export interface ServeSerialOptions {
  /** `baud` (default): real time, 10 bits a byte in both directions. `unpaced`: as fast as it goes. */
  readonly pacing?: 'baud' | 'unpaced';
}

export interface SerialService {
  /** `/dev/pts/N`: what the host opens. */
  readonly path: string;
  /** Takes the port away under the host, as when a cable is pulled. The device keeps running. */
  unplug(): Promise<void>;
  /** Ends the service; safe to repeat. */
  close(): Promise<void>;
}

/**
 * The host may close and open the port as often as it likes; the device does not notice, as on a
 * bare UART (the terminal cannot tell, so `attach` is called once). The terminal ignores the host's
 * baud rate; pacing follows the device's.
 *
 * @throws Error when pseudo-terminals are not available on this machine.
 */
export function serveSerial(peripheral: SerialPeripheral, options: ServeSerialOptions = {}): SerialService {
  const pair = openPtyPair();
  const isPaced = (options.pacing ?? 'baud') === 'baud';
  const toHost = new LinePacer(
    () => peripheral.line ?? { baud: peripheral.baud },
    (bytes) => void pair.write(bytes),
  );
  const toDevice = new LinePacer(
    () => peripheral.line ?? { baud: peripheral.baud },
    (bytes) => peripheral.onBytes(bytes),
  );
  peripheral.attach((bytes) => {
    if (isPaced) toHost.push(bytes);
    else pair.write(bytes);
  });
  pair.onData((bytes) => {
    if (isPaced) toDevice.push(bytes);
    else peripheral.onBytes(bytes);
  });
  const end = async (): Promise<void> => {
    toHost.stop();
    toDevice.stop();
    await pair.close();
  };
  return { path: pair.path, unplug: end, close: end };
}
