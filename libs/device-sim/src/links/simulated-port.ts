/**
 * An open simulated link, in callback form: the common ground of the virtual-time runner and of the
 * promise form that implements dfu-core's `Link`.
 */
import type { ErrorCode, ErrorParams } from '@drydock/contracts';
import type { Channel, LineSettings, LinkInfo } from '@drydock/dfu-core';

export type PortResult =
  | { readonly ok: true; readonly bytes?: Uint8Array }
  | { readonly ok: false; readonly code: ErrorCode; readonly params: ErrorParams };
export type PortDone = (result: PortResult) => void;

export interface PortEvents {
  frame(channel: Channel, bytes: Uint8Array): void;
  /** The link is gone, whoever ended it. Called once; never for a `close()` of our own before its `done`. */
  closed(): void;
}

export interface SimulatedPort {
  readonly info: LinkInfo;
  /** BLE acknowledged: done with the answer. BLE command: done when the controller took it. UART: when the last byte left. */
  send(channel: Channel, bytes: Uint8Array, acknowledged: boolean, done: PortDone): void;
  subscribe(channel: Channel, done: PortDone): void;
  query(channel: Channel, done: PortDone): void;
  configure(line: LineSettings, done: PortDone): void;
  close(done: () => void): void;
}

export const PORT_OK: PortResult = { ok: true };
export const portFailure = (code: ErrorCode, params: ErrorParams = {}): PortResult => ({ ok: false, code, params });
