/** What we know of one live connection from the packets that pass. */
import { decodeAddress, describeReason } from './hci-wire.js';
import { SecurityFrames } from './security-frames.js';

export interface AttRefusal {
  /** ATT opcode of the request that was refused. */
  readonly request: number;
  readonly attribute: number;
  /** ATT error code (Vol 3 Part F, 3.4.1.1). */
  readonly code: number;
}

export interface ConnectionWatcher {
  /** The controller has room again, or noble's queue moved. */
  room(): void;
  refused(refusal: AttRefusal): void;
  gone(detail: string, reason?: number): void;
}

export class TappedConnection {
  /** Largest link payload towards the device, as far as negotiated. */
  linkPayloadBytes = 27;
  /** 1 or 2 Mbit/s. */
  phy = 1;
  #watcher: ConnectionWatcher | undefined;
  #ended: { readonly detail: string; readonly reason?: number } | undefined;
  /** Packets that the controller holds, in order; true = ours, not noble's. */
  readonly #held: boolean[] = [];
  /** What comes on its security channel. */
  readonly securityFrames = new SecurityFrames();
  /** Bytes that are still to come of a message of noble. */
  #frameLeft = 0;
  #handedOver = 0;
  #broken = false;

  constructor(
    readonly handle: number,
    readonly address: string,
    readonly intervalMs: number,
    readonly addressIsRandom = false,
  ) {}

  /** ACL packets the controller holds, and write commands that wait in noble for it. */
  get inFlight(): number {
    return this.#held.length + this.#handedOver;
  }

  /** A message of noble is half sent; nothing may come in between. */
  get isMidFrame(): boolean {
    return this.#frameLeft > 0;
  }

  /** A packet of noble goes to the controller. */
  passed(packet: Buffer): void {
    const continues = ((packet.readUInt16LE(1) >> 12) & 3) === 1;
    const bytes = packet.length - 5;
    if (continues) this.#frameLeft = Math.max(0, this.#frameLeft - bytes);
    else this.#frameLeft = bytes >= 2 ? Math.max(0, packet.readUInt16LE(5) + 4 - bytes) : 0;
  }

  get isOver(): boolean {
    return this.#ended !== undefined;
  }

  get holdsOurs(): boolean {
    return this.#held.includes(true);
  }

  /** A write command was given to noble. */
  handOver(): void {
    this.#handedOver++;
  }

  /** Its first packet passed towards the controller. */
  commandLeft(): void {
    if (this.#handedOver > 0) this.#handedOver--;
  }

  /** A packet went to the controller. */
  sent(ours = false): void {
    this.#held.push(ours);
  }

  /** @returns how many of them were ours. */
  completed(packets: number): number {
    return this.#held.splice(0, packets).filter((ours) => ours).length;
  }

  /** To be called when noble knows of it too. */
  announceRoom(): void {
    this.#watcher?.room();
  }

  refused(refusal: AttRefusal): void {
    this.#watcher?.refused(refusal);
  }

  /** The device sent something that is no message. */
  malformed(): void {
    this.#broken = true;
  }

  /** From now on that watcher is told; at once, when it is over already. */
  watch(watcher: ConnectionWatcher): void {
    this.#watcher = watcher;
    const ended = this.#ended;
    if (ended) queueMicrotask(() => watcher.gone(ended.detail, ended.reason));
  }

  ended(reason: number): void {
    this.gone(this.#broken ? 'the device sent malformed data' : describeReason(reason), reason);
  }

  gone(detail: string, reason?: number): void {
    this.#ended = reason === undefined ? { detail } : { detail, reason };
    this.#watcher?.gone(detail, reason);
  }
}

/** From a successful LE Connection Complete event (Vol 4 Part E, 7.7.65.1). */
export function decodeLeConnection(packet: Buffer): TappedConnection {
  const handle = packet.readUInt16LE(5);
  return new TappedConnection(
    handle,
    decodeAddress(packet.subarray(9, 15)),
    packet.readUInt16LE(15) * 1.25,
    (packet.readUInt8(8) & 1) === 1,
  );
}
