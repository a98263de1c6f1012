/**
 * The one interface behind which every link stands: real radios, real ports, and simulated ones.
 * Implementations live in `apps/agent/src/links` and `libs/device-sim/src/links`; only drivers call them.
 */
import type { Channel, LineSettings, LinkInfo, LinkKind, ReconnectHint } from './session.js';

/** A place where a device can be reached. `open` and `reopen` reject with `LinkError`. */
export interface Link {
  readonly kind: LinkKind;
  /** As people spell it: `ble:AA:BB:CC:DD:EE:FF?type=random`, `serial:/dev/ttyUSB0?baud=115200`. */
  readonly name: string;
  /** Looks for the target as the hint says (all defaults: where it was) and opens it. */
  open(hint: ReconnectHint, withinMs: number): Promise<OpenLink>;
}

export interface OpenLink {
  readonly info: LinkInfo;
  /** Resolves when the link has really taken the bytes (acknowledged writes: when the answer came). */
  send(channel: Channel, bytes: Uint8Array, options: { acknowledged: boolean; withinMs: number }): Promise<void>;
  subscribe(channel: Channel, withinMs: number): Promise<void>;
  query(channel: Channel, withinMs: number): Promise<Uint8Array>;
  configure(line: LineSettings, withinMs: number): Promise<void>;
  /**
   * The next frame of one of the channels, in order of arrival over all of them; undefined when none
   * came within the time. Rejects with `LinkError` (`link.lost`) once the link is gone and its queue is empty.
   */
  receive(channels: readonly Channel[], withinMs: number): Promise<{ channel: Channel; bytes: Uint8Array } | undefined>;
  /** How strongly the target is heard just now; undefined where that cannot be told. Never rejects. Absent: no radio. */
  rssiDbm?(): Promise<number | undefined>;
  /** Settles when the link is gone, whoever ended it. Never rejects. */
  readonly closed: Promise<void>;
  close(): Promise<void>;
}
