/** What links need of their adapter. */
import { sleep, type Clock } from '../../clock.js';
import type { FoundPeripheral } from './ble-scanner.js';
import type { SecuredLink, SecurityPolicy } from './security-policy.js';
import type { TappedConnection } from './tapped-connection.js';

export interface BleHost {
  readonly clock: Clock;
  /** Waits so long, or until the adapter is gone or the signal comes. */
  pause(ms: number, signal?: AbortSignal): Promise<void>;
  /** The first peripheral, not in use, that `matches`; undefined when none came in time, or before the signal. */
  find(
    withinMs: number,
    matches: (found: FoundPeripheral) => boolean,
    signal?: AbortSignal,
  ): Promise<FoundPeripheral | undefined>;
  /**
   * Connects a peripheral that was just found. Attempts take turns: a controller makes one connection at a time.
   * @returns the connection, which must be given back with `release`.
   * @throws LinkError `link.open-failed`, `link.timeout`, `link.busy`, `link.ble-unavailable`.
   */
  connect(found: FoundPeripheral, withinMs: number): Promise<TappedConnection>;
  /** The device can be found again as soon as the controller has ended the connection. */
  release(found: FoundPeripheral, connection: TappedConnection): void;
  /** Asks the controller to end a connection; nothing happens when it is over already. */
  terminate(connection: TappedConnection): void;
  /** Registers what the adapter's `close` has to end. @returns a function that takes it back. */
  onClose(close: () => Promise<void>): () => void;
  /** Secures a new connection as its device and the site want. @throws LinkError as `LinkSecurity.secure`. */
  secure(
    found: FoundPeripheral,
    connection: TappedConnection,
    policy: SecurityPolicy,
    withinMs: number,
  ): Promise<SecuredLink>;
  /** How strongly a connection is heard; undefined when the controller does not tell. */
  readRssi(connection: TappedConnection): Promise<number | undefined>;
  /** ACL packets one link may keep in flight, beside the other links. */
  readonly window: number;
  /** ACL packets of an ATT message of that size. */
  packetsFor(attBytes: number): number;
}

/** The promise's value, or undefined when the time was over first. Leaves no timer behind. */
export async function within<T>(clock: Clock, ms: number, promise: Promise<T>): Promise<T | undefined> {
  const over = new AbortController();
  try {
    return await Promise.race([promise, sleep(clock, ms, over.signal).then(() => undefined)]);
  } finally {
    over.abort();
  }
}
