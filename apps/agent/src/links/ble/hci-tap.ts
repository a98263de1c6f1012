/**
 * What stands between noble and the controller.
 *
 * noble gets a socket and believes it is alone with the controller. Every packet passes here, so that we can
 * - ask for what noble has no words for: a supervision timeout that survives flash stalls, connection events as long
 *   as the interval, data length, 2M PHY, a random own address where the controller has no other;
 * - count the packets that the controller holds for each connection, which noble does not tell;
 * - encrypt and pair ourselves: noble pairs whenever a device asks, and keeps no key;
 * - see what noble swallows: ATT errors (on which it starts pairing, stalls or stays silent), parameter requests;
 * - keep its exceptions on malformed bytes of a device from ending more than that device's link.
 *
 * Source: Bluetooth Core 5.2, Vol 4 Part E; Vol 3 Part A, 4.20 (parameter update), Part F, 3.4 (ATT).
 */
import { EventEmitter } from 'node:events';
import { LinkError } from '@drydock/dfu-core';
import { answerParameterRequest, freshRandomAddress, negotiation, SUPERVISION_MS } from './connection-commands.js';
import { ConnectionSecurity } from './connection-security.js';
import { OwnCommands } from './own-commands.js';
import { OwnPackets } from './own-packets.js';
import type { PairingParties } from './pairing/legacy-functions.js';
import { decodeLeConnection, type TappedConnection } from './tapped-connection.js';
import {
  AttOpcode,
  Cid,
  encodeAddress,
  encodeCommand,
  encodeWords,
  EventCode,
  LeEvent,
  NO_ROOM_STATUSES,
  Opcode,
  PacketType,
} from './hci-wire.js';
import type { HciTransport } from './hci-transport.js';
import { StatedAddresses } from './stated-addresses.js';
import type { HciSocketClass } from './noble-types.js';

/** ATT_MTU that fills one link packet of 251 bytes; noble would ask for 256, which needs two. */
const ATT_MTU = 247;
/** ATT error codes on which noble 1.9.2-26 starts pairing (05, 08, 0f) or never goes on (04). */
const STALLING_ERRORS = new Set([0x04, 0x05, 0x08, 0x0f]);
const UNLIKELY_ERROR = 0x0e;
const CONNECTING: ReadonlySet<number> = new Set([Opcode.LeCreateConnection, Opcode.LeExtendedCreateConnection]);
/** Used until the controller tells (LE Read Buffer Size). */
const DEFAULT_ACL = { bytes: 27, packets: 4 };

export interface TapOptions {
  /** Connection interval to ask for, milliseconds, multiple of 1.25. Default 15. */
  readonly intervalMs?: number;
  /** Ask for the 2M PHY. Default true. */
  readonly phy2m?: boolean;
  /** Ask for long link packets. Default true. */
  readonly dataLength?: boolean;
  /** Our own static random address (6 bytes, least significant first), for controllers that have none. Default: a new one. */
  readonly randomAddress?: () => Promise<Uint8Array>;
}

/** The packet is not for noble (or it has it already). */
const IGNORED = 'ignored';
type Verdict = typeof IGNORED | undefined;

/** `full`: the controller refused a further connection, beside so many that it has. */
export class HciTap extends EventEmitter<{ closed: [string]; full: [number] }> {
  readonly #transport: HciTransport;
  readonly #options: Required<Omit<TapOptions, 'randomAddress'>> & Pick<TapOptions, 'randomAddress'>;
  readonly #connections = new Map<number, TappedConnection>();
  readonly commands = new OwnCommands((packet) => this.#transport.send(packet));
  /** What advertisers state as their own address. */
  readonly statedAddresses = new StatedAddresses();
  #toNoble: ((packet: Buffer) => void) | undefined;
  #acl = DEFAULT_ACL;
  #features = 0;
  #ownAddressRandom = false;
  #ownAddress: Uint8Array | undefined;
  readonly #own = new OwnPackets(
    (packet) => this.#transport.send(packet),
    (connection) => this.#connections.get(connection.handle) === connection,
    () => this.#acl.bytes,
  );
  readonly security = new ConnectionSecurity({
    enableEncryption: (handle, rand, ediv, key) => {
      const parameters = Buffer.concat([encodeWords(handle), rand, encodeWords(ediv), key]);
      this.#transport.send(encodeCommand(Opcode.LeEnableEncryption, parameters));
    },
    sendSecurity: (connection, message) => this.#own.send(connection, Cid.Security, message),
    parties: (connection) => this.#parties(connection),
  });

  constructor(
    transport: HciTransport,
    options: TapOptions,
    private readonly log: (message: string) => void,
  ) {
    super();
    this.#transport = transport;
    this.#options = { intervalMs: 15, phy2m: true, dataLength: true, ...options };
    transport.onPacket((packet) => this.#fromController(packet));
    transport.onClose((detail) => {
      this.commands.end();
      for (const connection of this.#connections.values()) connection.gone(`the adapter is gone: ${detail}`);
      this.#connections.clear();
      this.emit('closed', detail);
    });
  }

  /** Options for noble's `connect`: our interval, no latency, a timeout of four seconds. */
  get connectOptions(): object {
    const interval = Math.round(this.#options.intervalMs / 1.25);
    return { minInterval: interval, maxInterval: interval, latency: 0, timeout: SUPERVISION_MS / 10 };
  }

  /** ACL packets that one of `links` connections may keep in the controller without starving the others. */
  windowFor(links: number): number {
    return Math.max(2, Math.floor(this.#acl.packets / Math.max(1, links)));
  }

  /** ACL packets that one ATT message of so many bytes becomes. */
  packetsFor(attBytes: number): number {
    return Math.ceil((attBytes + 4) / this.#acl.bytes);
  }

  connectionTo(address: string): TappedConnection | undefined {
    for (const connection of this.#connections.values()) if (connection.address === address) return connection;
    return undefined;
  }

  /**
   * Puts a controller that is ours into a known state and learns what it can do.
   * @throws LinkError `link.ble-unavailable` when it does not answer as a controller.
   */
  async prepare(): Promise<void> {
    if (!this.#transport.ownsController) return;
    // A first reset may be lost in what the wire held before.
    if (!(await this.commands.request(Opcode.Reset)) && !(await this.commands.request(Opcode.Reset))) {
      throw new LinkError('link.ble-unavailable', { detail: 'the controller does not answer to a reset' });
    }
    const features = await this.commands.request(Opcode.LeReadLocalFeatures);
    if (features && features.length >= 9 && features[0] === 0) this.#features = features.readUInt16LE(1);
    const address = await this.commands.request(Opcode.ReadBdAddr);
    const none = address?.[0] === 0 && address.subarray(1).every((byte) => byte === 0 || byte === 0xff);
    if (none) {
      const random = Buffer.from((await this.#options.randomAddress?.()) ?? freshRandomAddress());
      this.#ownAddressRandom = (await this.commands.request(Opcode.LeSetRandomAddress, random))?.[0] === 0;
      if (this.#ownAddressRandom) this.#ownAddress = random;
    }
  }

  /** The class that noble makes its one socket of. */
  socketClass(): HciSocketClass {
    const attach = (listener: (packet: Buffer) => void): void => {
      this.#toNoble = listener;
    };
    const fromNoble = (packet: Buffer): void => this.#fromNoble(packet);
    const transport = this.#transport;
    return class extends EventEmitter {
      bindRaw(): void {}
      bindUser(): void {}
      start(): void {
        attach((packet) => this.emit('data', packet));
      }
      stop(): void {
        attach(() => undefined);
      }
      isDevUp(): boolean {
        return transport.isUp();
      }
      setFilter(filter: Buffer): void {
        transport.setFilter(filter);
      }
      write(packet: Buffer): void {
        fromNoble(packet);
      }
    };
  }

  /** Ends a connection from below, whatever noble believes. */
  disconnect(handle: number): void {
    this.#transport.send(encodeCommand(Opcode.Disconnect, Buffer.from([handle & 0xff, handle >> 8, 0x13])));
  }

  /** Whether the controller answers a command that changes nothing. */
  async answers(): Promise<boolean> {
    return (await this.commands.request(Opcode.ReadBdAddr)) !== undefined;
  }

  async close(): Promise<void> {
    this.#toNoble = undefined;
    await this.#transport.close();
  }

  #fromNoble(packet: Buffer): void {
    if (packet[0] === PacketType.Acl) return this.#aclFromNoble(packet);
    if (packet[0] === PacketType.Command && packet.length >= 4) this.#rewriteCommand(packet);
    this.#transport.send(packet);
  }

  #rewriteCommand(packet: Buffer): void {
    switch (packet.readUInt16LE(1)) {
      case Opcode.LeSetEventMask:
        // Data length change (bit 6) and PHY update complete (bit 11) beside what noble wants.
        packet.writeUInt16LE(packet.readUInt16LE(4) | (1 << 6) | (1 << 11), 4);
        return;
      case Opcode.LeSetScanParameters:
        if (this.#ownAddressRandom) packet.writeUInt8(1, 9);
        if (this.#connections.size > 0) {
          // Half of the air for those who are connected: 30 ms of every 60 (units of 0.625 ms).
          packet.writeUInt16LE(96, 5);
          packet.writeUInt16LE(48, 7);
        }
        return;
      case Opcode.LeCreateConnection:
        if (this.#ownAddressRandom) packet.writeUInt8(1, 16);
        // noble allows events of 3.75 ms at most; the whole interval may be used (units of 0.625 and 1.25 ms).
        packet.writeUInt16LE(0, 25);
        packet.writeUInt16LE(2 * packet.readUInt16LE(19), 27);
        return;
      default:
    }
  }

  #aclFromNoble(packet: Buffer): void {
    const head = packet.readUInt16LE(1);
    const connection = this.#connections.get(head & 0x0fff);
    // noble may still hold packets of a connection that is gone; the controller would count them nowhere.
    if (!connection) return;
    const starts = ((head >> 12) & 3) !== 1;
    if (starts && packet.length >= 10 && packet.readUInt16LE(7) === Cid.Att) {
      const opcode = packet[9];
      if (opcode === AttOpcode.MtuRequest && packet.length >= 12) packet.writeUInt16LE(ATT_MTU, 10);
      if (opcode === AttOpcode.WriteCommand) connection.commandLeft();
    }
    this.#own.pass(connection, packet);
  }

  #fromController(packet: Buffer): void {
    try {
      const verdict = this.#inspect(packet);
      if (verdict !== IGNORED) this.#toNoble?.(packet);
    } catch (error) {
      // noble reads past the end of short packets. Only their sender is to suffer.
      this.log(`packet of the controller cannot be read: ${error instanceof Error ? error.message : String(error)}`);
      if (packet[0] !== PacketType.Acl || packet.length < 3) return;
      const sender = packet.readUInt16LE(1) & 0x0fff;
      const connection = this.#connections.get(sender);
      if (!connection) return;
      connection.malformed();
      this.disconnect(sender);
    }
  }

  /** The kernel's raw socket also shows what the host itself sends: only events and data are looked into. */
  #inspect(packet: Buffer): Verdict {
    if (packet[0] === PacketType.Acl) return this.#aclFromController(packet);
    if (packet[0] === PacketType.Event) return this.#event(packet);
    return undefined;
  }

  #event(packet: Buffer): Verdict {
    switch (packet[1]) {
      case EventCode.CommandComplete: {
        const opcode = packet.readUInt16LE(4);
        const parameters = packet.subarray(6);
        if (opcode === Opcode.LeReadBufferSize && parameters.length >= 4 && parameters[0] === 0) {
          const bytes = parameters.readUInt16LE(1);
          const packets = parameters.readUInt8(3);
          if (bytes > 0 && packets > 0) {
            // One buffer stays ours, unless it is the only one.
            this.#acl = { bytes, packets: Math.max(1, packets - 1) };
            packet.writeUInt8(this.#acl.packets, 9);
          }
        }
        if (opcode === Opcode.ReadBdAddr && parameters.length >= 7 && parameters[0] === 0 && !this.#ownAddressRandom) {
          this.#ownAddress = Buffer.from(parameters.subarray(1, 7));
        }
        return this.commands.settle(opcode, parameters) ? IGNORED : undefined;
      }
      case EventCode.EncryptionChange:
      case EventCode.EncryptionKeyRefresh:
        this.security.changed(packet.readUInt16LE(4), packet.readUInt8(3));
        return IGNORED;
      case EventCode.CommandStatus: {
        const opcode = packet.readUInt16LE(5);
        if (CONNECTING.has(opcode)) this.#noteRefusal(packet.readUInt8(3));
        return this.commands.settle(opcode, packet.subarray(3, 4)) ? IGNORED : undefined;
      }
      case EventCode.DisconnectionComplete: {
        if (packet.readUInt8(3) !== 0) return IGNORED;
        const handle = packet.readUInt16LE(4);
        const connection = this.#connections.get(handle);
        if (!connection) return undefined;
        this.#connections.delete(handle);
        if (connection.holdsOurs) this.#own.freed();
        this.security.ended(handle, packet.readUInt8(6));
        // noble first: it lets go of its queue before anybody hears of it.
        this.#toNoble?.(packet);
        connection.ended(packet.readUInt8(6));
        return IGNORED;
      }
      case EventCode.CompletedPackets:
        return this.#completed(packet);
      case EventCode.LeMeta:
        return this.#leEvent(packet);
      default:
        return undefined;
    }
  }

  /** What we sent ourselves noble has not counted, so it must not hear that it is done. */
  #completed(packet: Buffer): Verdict {
    const connections: TappedConnection[] = [];
    for (let i = 0; i < packet.readUInt8(3); i++) {
      const connection = this.#connections.get(packet.readUInt16LE(4 + 4 * i));
      if (!connection) continue;
      const count = packet.readUInt16LE(6 + 4 * i);
      const ours = connection.completed(count);
      if (ours > 0) this.#own.freed();
      packet.writeUInt16LE(count - ours, 6 + 4 * i);
      connections.push(connection);
    }
    // noble first: it moves its queue on before more is put into it.
    this.#toNoble?.(packet);
    for (const connection of connections) connection.announceRoom();
    return IGNORED;
  }

  #leEvent(packet: Buffer): Verdict {
    if (packet[3] === LeEvent.ConnectionComplete && packet.readUInt8(4) === 0) {
      const connection = decodeLeConnection(packet);
      this.#connections.set(connection.handle, connection);
      this.#negotiate(connection);
    } else if (packet[3] === LeEvent.ConnectionComplete) {
      this.#noteRefusal(packet.readUInt8(4));
    } else if (packet[3] === LeEvent.AdvertisingReport) {
      // Before noble hears of it, and tells of the device.
      this.statedAddresses.note(packet);
    } else if (packet[3] === LeEvent.DataLengthChange) {
      const connection = this.#connections.get(packet.readUInt16LE(4));
      if (connection) connection.linkPayloadBytes = packet.readUInt16LE(6);
      return IGNORED;
    } else if (packet[3] === LeEvent.PhyUpdateComplete) {
      const connection = this.#connections.get(packet.readUInt16LE(5));
      if (connection && packet[4] === 0) connection.phy = packet.readUInt8(7);
      return IGNORED;
    }
    return undefined;
  }

  #noteRefusal(status: number): void {
    if (NO_ROOM_STATUSES.has(status)) this.emit('full', this.#connections.size);
  }

  #negotiate({ handle }: TappedConnection): void {
    if (!this.#transport.ownsController) return; // the kernel does it for its own adapters
    for (const command of negotiation(handle, this.#features, this.#options)) this.#transport.send(command);
  }

  #aclFromController(packet: Buffer): Verdict {
    const handle = packet.readUInt16LE(1) & 0x0fff;
    const connection = this.#connections.get(handle);
    if (!connection) return IGNORED;
    const message = connection.securityFrames.take(packet);
    if (message !== 'other') {
      if (message !== 'more') this.security.received(handle, message);
      return IGNORED;
    }
    const starts = packet.readUInt16LE(1) >> 12 === 2;
    if (!starts || packet.length < 10) return undefined;
    const cid = packet.readUInt16LE(7);
    if (cid === Cid.Signalling) this.#signalling(connection, packet.subarray(9));
    if (cid !== Cid.Att) return undefined;
    if (packet[9] === AttOpcode.Error && packet.length >= 14) {
      const error = { request: packet.readUInt8(10), attribute: packet.readUInt16LE(11), code: packet.readUInt8(13) };
      connection.refused(error);
      if (STALLING_ERRORS.has(error.code)) packet.writeUInt8(UNLIKELY_ERROR, 13);
    }
    if (packet[9] === AttOpcode.MtuResponse && packet.length >= 12) {
      // noble takes the device's word as agreed; agreed is the smaller of both (Vol 3 Part F, 3.4.2.2).
      packet.writeUInt16LE(Math.max(23, Math.min(ATT_MTU, packet.readUInt16LE(10))), 10);
    }
    return undefined;
  }

  #signalling(connection: TappedConnection, frame: Buffer): void {
    if (!this.#transport.ownsController || frame[0] !== 0x12 || frame.length < 12) return;
    if (this.#own.underWay) return; // it may ask again
    const { answer, update } = answerParameterRequest(connection.handle, frame, this.#options.intervalMs);
    this.#own.send(connection, Cid.Signalling, answer);
    if (update) this.#transport.send(update);
  }

  #parties(connection: TappedConnection): PairingParties | undefined {
    if (!this.#ownAddress) return undefined;
    return {
      initiator: this.#ownAddress,
      initiatorIsRandom: this.#ownAddressRandom,
      responder: encodeAddress(connection.address),
      responderIsRandom: connection.addressIsRandom,
    };
  }
}
