/** How a simulated link behaves in virtual time. All fields have defaults. */
import type { LineSettings } from '@drydock/dfu-core';
import type { Phy } from './ble-air.js';

export interface BleLinkModel {
  /** Connection interval, milliseconds. Default 15. */
  readonly intervalMs: number;
  /** ATT_MTU the central offers; the peripheral's own limit applies too. Default 247. */
  readonly mtu: number;
  /** Largest link-layer payload of the central, 27..251. Default 251. */
  readonly linkPayloadBytes: number;
  /** 1 or 2 Mbit/s. Default 1. */
  readonly phy: Phy;
  /** Probability that a link-layer packet is lost; it is then repeated in the next connection event. Default 0. */
  readonly lossRate: number;
  readonly seed: number;
  /** A link that went silent is reported as lost after this long. Default 4000. */
  readonly supervisionTimeoutMs: number;
  /** ATT messages that the controller takes ahead of the air: bounds write commands. Default 8. */
  readonly controllerPackets: number;
  /** Both sides keep a bond, and the link is encrypted with it as soon as it is up. Default false. */
  readonly bonded: boolean;
  /** Connecting, MTU exchange and discovery, after the advertisement was seen. Default 10 intervals. */
  readonly openMs: number;
}

export interface SerialLinkModel {
  /** Baud rate of the host's end; default: the device's. With unequal rates only noise arrives. */
  readonly baud?: number;
  /** All settings of the host's end, with parity; instead of `baud`. */
  readonly line?: LineSettings;
  /** Extra delay each way, milliseconds. Default 0. */
  readonly latencyMs: number;
  /** Probability, per byte, of a flipped bit. Default 0. */
  readonly bitErrorsPerByte: number;
  /** Probability, per delivered piece, that it is lost. Default 0. */
  readonly lossRate: number;
  readonly seed: number;
  /** Bytes arrive in pieces of at most this size, whatever the sender's units were. Default 32. */
  readonly pieceBytes: number;
  /** What one write of the host may carry. Default 4096. */
  readonly maxWriteBytes: number;
}

export interface UdpLinkModel {
  /** Delay each way, milliseconds. Default 1. */
  readonly latencyMs: number;
  /** At most so much more, another for each datagram: one may overtake another. Default 0. */
  readonly jitterMs: number;
  /** Probability that a datagram is lost. Default 0. */
  readonly lossRate: number;
  readonly seed: number;
  /** Longest datagram payload. Default 1472. */
  readonly maxWriteBytes: number;
}

export interface LinkModel {
  readonly ble?: Partial<BleLinkModel>;
  readonly serial?: Partial<SerialLinkModel>;
  readonly udp?: Partial<UdpLinkModel>;
}

export function completeBleModel(model: Partial<BleLinkModel> = {}): BleLinkModel {
  const intervalMs = model.intervalMs ?? 15;
  return {
    intervalMs,
    mtu: 247,
    linkPayloadBytes: 251,
    phy: 1,
    lossRate: 0,
    seed: 1,
    supervisionTimeoutMs: 4000,
    controllerPackets: 8,
    bonded: false,
    openMs: 10 * intervalMs,
    ...model,
  };
}

export function completeSerialModel(model: Partial<SerialLinkModel> = {}): SerialLinkModel {
  return { latencyMs: 0, bitErrorsPerByte: 0, lossRate: 0, seed: 1, pieceBytes: 32, maxWriteBytes: 4096, ...model };
}

export function completeUdpModel(model: Partial<UdpLinkModel> = {}): UdpLinkModel {
  return { latencyMs: 1, jitterMs: 0, lossRate: 0, seed: 1, maxWriteBytes: 1472, ...model };
}
