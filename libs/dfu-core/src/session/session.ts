/**
 * The shape that all protocols share: a session does no I/O, it yields effects and is fed inputs.
 *
 * A driver (the agent's for real links, the simulator's in virtual time) performs each effect and
 * answers it with exactly one input. Sessions are straight-line generators, so they read like the
 * conversation in the vendor's document.
 */
import type { ErrorCode, ErrorParams } from '@drydock/contracts';

/**
 * A byte channel of a link.
 * - The agent that updates itself has one: `AGENT_CHANNEL`.
 * - UART and UDP links have exactly one: `SERIAL_CHANNEL` / `UDP_CHANNEL`.
 * - BLE links have one per GATT characteristic, named by the characteristic's UUID: lower case,
 *   16-bit UUIDs as 4 hex digits (`fe59`-style), 128-bit ones as 32 hex digits without dashes.
 */
export type Channel = string;
export const SERIAL_CHANNEL: Channel = 'serial';
export const UDP_CHANNEL: Channel = 'udp';

export const AGENT_CHANNEL: Channel = 'agent';

/** `agent`: the gateway's agent itself, which is a device like others where it can be upgraded. */
export type LinkKind = 'ble' | 'serial' | 'udp' | 'agent';

/**
 * What ties a unit: read from hardware where it can be, else the path by which it is reached.
 * `value` is lower-case hex for `chip-id` and `eui`, `aa:bb:cc:dd:ee:ff` for `ble-address`.
 */
export interface Identity {
  readonly kind: 'chip-id' | 'serial-number' | 'eui' | 'ble-address' | 'port-path' | 'udp-endpoint';
  readonly value: string;
}

/** UART line settings. `rtscts` is optional because pseudo-terminals and many adapters lack it. */
export interface LineSettings {
  readonly baud: number;
  readonly dataBits?: 7 | 8;
  readonly parity?: 'none' | 'even' | 'odd';
  readonly stopBits?: 1 | 2;
  readonly rtscts?: boolean;
}

/** Where to look for the target after it left. The driver tries all that is named until `withinMs`. */
export interface ReconnectHint {
  /** Wait this long before looking: the target is known to be away. Default 0. */
  readonly afterMs?: number;
  /** BLE: addresses the target may appear under (or state as its own), besides its own unless `notSameAddress`. */
  readonly addresses?: readonly string[];
  readonly notSameAddress?: boolean;
  /** BLE: a peripheral with this advertised name is the target. */
  readonly name?: string;
  /** BLE: only a peripheral advertising this service (UUID spelled like a channel). */
  readonly serviceUuid?: string;
  /** UART: keep the port open if the system allows (a pseudo-terminal or a bare UART never leaves). */
  readonly line?: LineSettings;
}

/** Points of no return, journalled before the bytes that follow them may leave. */
export type MarkStep = 'touched' | 'erased' | 'complete' | 'activating';

/** Every effect has an end: `withinMs`, counted from the moment the driver starts to perform it. */
export type Effect = { readonly withinMs: number } & (
  | {
      readonly kind: 'send';
      readonly channel: Channel;
      readonly bytes: Uint8Array;
      /** BLE: true = write request (acknowledged), false = write command. Ignored elsewhere. */
      readonly acknowledged?: boolean;
    }
  /** BLE: enable notifications (or indications) of a characteristic. No-op elsewhere. */
  | { readonly kind: 'subscribe'; readonly channel: Channel }
  /** Wait for the next frame of any named channel. Frames queue in order of arrival, bounded. */
  | { readonly kind: 'await'; readonly channels: readonly Channel[] }
  /** GATT read; answered by a `frame`. */
  | { readonly kind: 'query'; readonly channel: Channel }
  /** Bytes of the artifact; answered by `data`. The driver reads ahead. */
  | { readonly kind: 'read'; readonly offset: number; readonly length: number; readonly source?: string }
  /** Close (if open), wait for the target to come back, open. Answered by `opened`. */
  | { readonly kind: 'reconnect'; readonly as: ReconnectHint }
  | { readonly kind: 'close' }
  | { readonly kind: 'configure'; readonly line: LineSettings }
  /** Do nothing for exactly `withinMs`. Answered by `done`. */
  | { readonly kind: 'sleep' }
  /** Fences are checked and the journal written here. Answered by `done`, or `failed` / `cancel`. */
  | { readonly kind: 'mark'; readonly step: MarkStep }
  /**
   * Serial and UDP: what came is an answer of the target, in its own language, to something sent after `touched`. Given once.
   * Always answered by `done`. Over BLE the driver sees for itself that the target answers.
   */
  | { readonly kind: 'answered' }
  | { readonly kind: 'progress'; readonly sentBytes: number; readonly totalBytes: number }
);

/** What an open link tells about itself. */
export interface LinkInfo {
  readonly kind: LinkKind;
  /** Longest single write: ATT_MTU - 3 for BLE; for UART what one system write may carry; UDP datagram. */
  readonly maxWriteBytes: number;
  /** BLE: characteristics found (UUID spelling of `Channel`); else the one channel. */
  readonly channels: readonly Channel[];
  /** How the link knows the unit: BLE address, port path, endpoint. Sessions may read a better one. */
  readonly identity: Identity;
  /** BLE: advertised name, where known. */
  readonly name?: string;
  /** BLE: the unit's own address, where its advertisement states one beside the address it sends from (AD type 0x1b). */
  readonly deviceAddress?: string;
}

/**
 * Answers. `done` answers send, subscribe, close, configure, sleep, mark, answered and progress.
 * `timeout`, `failed`, `closed` and `cancel` may answer any effect; after `closed` only `reconnect`
 * can help. `cancel` means: leave the target at the next safe point and return; it is given once.
 * Whether the effect that it answers was performed is not known to the session.
 */
export type Input =
  | { readonly kind: 'done' }
  /** `waitedMs`: of the effect's time, so much had gone by when the frame was there. Drivers of real and simulated links state it. */
  | { readonly kind: 'frame'; readonly channel: Channel; readonly bytes: Uint8Array; readonly waitedMs?: number }
  | { readonly kind: 'data'; readonly bytes: Uint8Array }
  | { readonly kind: 'opened'; readonly link: LinkInfo }
  | { readonly kind: 'timeout' }
  | { readonly kind: 'failed'; readonly code: ErrorCode; readonly params?: ErrorParams }
  | { readonly kind: 'closed' }
  | { readonly kind: 'cancel' };

export type Session<Outcome> = Generator<Effect, Outcome, Input>;
