/**
 * A Bluetooth LE controller in software: a host speaks H4 HCI to it, simulated peripherals live on its air.
 *
 * It answers what a host stack of the central role needs: scan, connect (several at once), data with flow control,
 * data length, PHY and connection updates, disconnects with their reasons. Unknown commands are refused as such.
 *
 * Source: Bluetooth Core 5.2, Vol 4 Part E (7.1 to 7.8).
 */
import { EventEmitter } from 'node:events';
import { seededRandom } from '../scheduler/seeded-random.js';
import type { BlePeripheral, Scheduler } from '../target.js';
import { Air } from './air.js';
import {
  type CompleteOptions,
  completeOptions,
  type ControllerOptions,
  type ControllerStatistics,
} from './controller-options.js';
import { type FrameSender, HostedPeripheral, type PeripheralRadio } from './hosted-peripheral.js';
import {
  AdvertisingReportType,
  Cid,
  decodeAddress,
  encodeAcl,
  encodeAddress,
  encodeCommandComplete,
  encodeCommandStatus,
  encodeCompletedPackets,
  encodeDisconnectionComplete,
  encodeEvent,
  encodeLeEvent,
  H4Splitter,
  isShortRead,
  LeEvent,
  Opcode,
  PacketType,
  Status,
} from './hci-wire.js';
import { LinkConnection, type LinkParameters, type LinkStatistics } from './link-connection.js';
import { decodeLinkParameters, lengthAndTime, writeLinkParameters } from './link-parameters.js';
import {
  enableEncryption,
  type ProcedureContext,
  readRemoteFeatures,
  setDataLength,
  setPhy,
  updateConnection,
} from './link-procedures.js';
import { answerLocally } from './local-answers.js';
import { WallClock } from './wall-clock.js';

interface Connection {
  readonly handle: number;
  readonly hosted: HostedPeripheral;
  readonly address: string;
  readonly link: LinkConnection;
  /** ACL packets of the host that the buffer holds. */
  held: number;
  /** L2CAP frame towards the device under assembly. */
  frame: Buffer;
}

interface Initiation {
  readonly address: string;
  readonly addressType: number;
  readonly ownIsRandom: boolean;
  readonly parameters: LinkParameters;
}

const FIRST_HANDLE = 0x0040;
const DEFAULT_LE_EVENT_MASK = 0x1fn;

/** `write(bytes)` from the host; `data` events (one whole H4 packet each) to it. */
export class SimulatedController extends EventEmitter<{ data: [Buffer] }> {
  readonly scheduler: Scheduler;
  readonly #options: CompleteOptions;
  readonly #random: () => number;
  readonly #procedures: ProcedureContext;
  readonly #sharedAir = new Air();
  readonly #hosted = new Set<HostedPeripheral>();
  readonly #connections = new Map<number, Connection>();
  readonly #ended = new Map<string, LinkStatistics>();
  #splitter = new H4Splitter();
  #nextHandle = FIRST_HANDLE;
  #scanning = false;
  #filterDuplicates = false;
  readonly #reported = new Set<string>();
  #initiation: Initiation | undefined;
  #leEventMask = DEFAULT_LE_EVENT_MASK;
  #suggestedLinkPayload = 27;
  #randomAddress = '00:00:00:00:00:00';
  #commands = new Map<number, number>();
  #mostHeld = 0;
  #overruns = 0;

  constructor(options: ControllerOptions = {}) {
    super();
    this.scheduler = options.scheduler ?? new WallClock();
    this.#options = completeOptions(options);
    this.#procedures = {
      options: this.#options,
      leEvent: (subcode, body) => this.#leEvent(subcode, body),
      event: (packet) => this.#emit(packet),
    };
    this.#random = seededRandom(this.#options.seed);
  }

  get statistics(): ControllerStatistics {
    return {
      commands: this.#commands,
      mostHeld: this.#mostHeld,
      overruns: this.#overruns,
      skippedBytes: this.#splitter.skippedBytes,
    };
  }

  /** Link packets of the live connection to that address, or of the last one that ended. */
  linkStatistics(address: string): LinkStatistics | undefined {
    for (const each of this.#connections.values()) if (each.address === address) return each.link.statistics;
    return this.#ended.get(address);
  }

  /** Parameters and negotiated limits of the live connection to that address. */
  linkState(address: string): (LinkParameters & { maxToDevice: number; maxToHost: number; phy: number }) | undefined {
    for (const { address: own, link } of this.#connections.values()) {
      if (own !== address) continue;
      return { ...link.parameters, maxToDevice: link.maxToDevice, maxToHost: link.maxToHost, phy: link.phy };
    }
    return undefined;
  }

  /** Puts a peripheral on the air. @returns a function that takes it away again (a live link falls silent). */
  host(peripheral: BlePeripheral, radio: PeripheralRadio = {}): () => void {
    const hosted = new HostedPeripheral(peripheral, radio);
    this.#hosted.add(hosted);
    this.#listen();
    return () => {
      this.#hosted.delete(hosted);
      hosted.stopAdvertising();
      hosted.connected?.link.fallSilent(Status.ConnectionTimeout);
      hosted.leave();
    };
  }

  /** The peripheral at that address asks for other parameters (L2CAP connection parameter update request). */
  requestParameters(address: string, minInterval: number, maxInterval: number, latency: number, timeout: number): void {
    for (const connection of this.#connections.values()) {
      if (connection.address !== address) continue;
      const payload = Buffer.alloc(12);
      payload.set([0x12, 1, 8, 0]);
      [minInterval, maxInterval, latency, timeout].forEach((value, i) => payload.writeUInt16LE(value, 4 + 2 * i));
      this.#sendFrame(connection.handle)(Cid.Signalling, payload);
    }
  }

  /** Bytes from the host, in any pieces. */
  write(bytes: Uint8Array): void {
    for (const packet of this.#splitter.push(bytes)) {
      if (packet[0] === PacketType.Command) this.#command(packet.readUInt16LE(1), packet.subarray(4));
      else this.#acl(packet);
    }
  }

  /** Back to power-on: every link ends, nothing is reported. Also what HCI Reset does. */
  reset(): void {
    for (const connection of [...this.#connections.values()]) {
      this.#forget(connection);
      connection.link.end(undefined);
      connection.hosted.leave(connection.handle);
    }
    this.#scanning = false;
    this.#initiation = undefined;
    this.#leEventMask = DEFAULT_LE_EVENT_MASK;
    this.#suggestedLinkPayload = 27;
    this.#listen();
  }

  #emit(packet: Buffer): void {
    this.emit('data', packet);
  }

  #complete(opcode: number, ...parts: readonly Uint8Array[]): void {
    this.#emit(encodeCommandComplete(opcode, Buffer.concat(parts)));
  }

  #leEvent(subcode: number, parameters: Uint8Array): void {
    if ((this.#leEventMask & (1n << BigInt(subcode - 1))) !== 0n) this.#emit(encodeLeEvent(subcode, parameters));
  }

  #command(opcode: number, parameters: Buffer): void {
    this.#commands.set(opcode, (this.#commands.get(opcode) ?? 0) + 1);
    try {
      this.#perform(opcode, parameters);
    } catch (error) {
      if (!isShortRead(error)) throw error;
      this.#emit(encodeCommandStatus(opcode, Status.InvalidParameters));
    }
  }

  #perform(opcode: number, parameters: Buffer): void {
    const ok = Buffer.from([Status.Success]);
    const { maxLinkPayloadBytes } = this.#options;
    switch (opcode) {
      case Opcode.Reset:
        this.reset();
        return this.#complete(opcode, ok);
      case Opcode.LeSetEventMask:
        this.#leEventMask = parameters.readBigUInt64LE(0);
        return this.#complete(opcode, ok);
      case Opcode.ReadRssi: {
        const handle = parameters.readUInt16LE(0);
        const rssi = this.#connections.get(handle)?.hosted.rssiDbm ?? 0;
        return this.#complete(opcode, this.#known(handle), parameters.subarray(0, 2), Buffer.from([rssi & 0xff]));
      }
      case Opcode.LeSetRandomAddress:
        this.#randomAddress = decodeAddress(parameters.subarray(0, 6));
        return this.#complete(opcode, ok);
      case Opcode.LeEnableEncryption:
        return this.#procedure(opcode, parameters, enableEncryption);
      case Opcode.LeSetScanEnable:
        this.#scanning = parameters.readUInt8(0) === 1;
        this.#filterDuplicates = parameters.readUInt8(1) === 1;
        this.#reported.clear();
        this.#complete(opcode, ok);
        return this.#listen();
      case Opcode.LeCreateConnection:
        return this.#createConnection(parameters);
      case Opcode.LeCreateConnectionCancel: {
        if (!this.#initiation) return this.#complete(opcode, Buffer.from([Status.CommandDisallowed]));
        this.#complete(opcode, ok);
        this.#initiation = undefined;
        this.#listen();
        return this.#connectionComplete(Status.UnknownConnection, 0, '00:00:00:00:00:00', 0, undefined);
      }
      case Opcode.Disconnect:
        return this.#disconnect(parameters.readUInt16LE(0));
      case Opcode.LeConnectionUpdate:
        return this.#procedure(opcode, parameters, updateConnection);
      case Opcode.LeReadRemoteFeatures:
        return this.#procedure(opcode, parameters, readRemoteFeatures);
      case Opcode.ReadRemoteVersion: {
        const handle = parameters.readUInt16LE(0);
        this.#emit(encodeCommandStatus(opcode, this.#known(handle)[0] ?? 0));
        if (!this.#connections.has(handle)) return;
        return this.#emit(encodeEvent(0x0c, Buffer.from([0, handle & 0xff, handle >> 8, 0x0b, 0xff, 0xff, 0, 0])));
      }
      case Opcode.LeReadSuggestedDataLength:
        return this.#complete(opcode, ok, lengthAndTime(this.#suggestedLinkPayload));
      case Opcode.LeWriteSuggestedDataLength:
        this.#suggestedLinkPayload = Math.min(parameters.readUInt16LE(0), maxLinkPayloadBytes);
        return this.#complete(opcode, ok);
      case Opcode.LeSetDataLength: {
        const handle = parameters.readUInt16LE(0);
        const octets = parameters.readUInt16LE(2);
        this.#complete(opcode, this.#known(handle), parameters.subarray(0, 2));
        const connection = this.#connections.get(handle);
        if (connection) setDataLength(connection, octets, this.#procedures);
        return;
      }
      case Opcode.LeReadPhy: {
        const handle = parameters.readUInt16LE(0);
        const phy = this.#connections.get(handle)?.link.phy ?? 1;
        return this.#complete(opcode, this.#known(handle), parameters.subarray(0, 2), Buffer.from([phy, phy]));
      }
      case Opcode.LeSetPhy:
        return this.#procedure(opcode, parameters, setPhy);
      default: {
        const answer = answerLocally(opcode, this.#options);
        return this.#emit(answer ?? encodeCommandStatus(opcode, Status.UnknownCommand));
      }
    }
  }

  /** A link-layer procedure that is answered with Command Status, and later with its own event. */
  #procedure(
    opcode: number,
    parameters: Buffer,
    run: (connection: Connection, parameters: Buffer, context: ProcedureContext) => boolean,
  ): void {
    const connection = this.#connections.get(parameters.readUInt16LE(0));
    const started = connection !== undefined && run(connection, parameters, this.#procedures);
    const status = !connection ? Status.UnknownConnection : started ? Status.Success : Status.InvalidParameters;
    this.#emit(encodeCommandStatus(opcode, status));
  }

  #known(handle: number): Buffer {
    return Buffer.from([this.#connections.has(handle) ? Status.Success : Status.UnknownConnection]);
  }

  /** Advertising is played only while somebody could hear it. */
  #listen(): void {
    const wanted = this.#scanning || this.#initiation !== undefined;
    for (const hosted of this.#hosted) {
      if (wanted) {
        hosted.startAdvertising(this.scheduler, this.#random, !this.#options.paced, () => this.#heard(hosted));
      } else hosted.stopAdvertising();
    }
  }

  #heard(hosted: HostedPeripheral): void {
    const heard = hosted.advertises();
    if (!heard) return;
    const { address, addressType, data, scanResponse } = heard;
    const type = addressType === 'random' ? 1 : 0;
    if (this.#scanning && !(this.#filterDuplicates && this.#reported.has(address))) {
      this.#reported.add(address);
      this.#report(AdvertisingReportType.ConnectableUndirected, type, address, data, hosted.rssiDbm);
      this.#report(AdvertisingReportType.ScanResponse, type, address, scanResponse, hosted.rssiDbm);
    }
    const wanted = this.#initiation;
    if (wanted?.address === address && wanted.addressType === type) this.#establish(hosted, wanted);
  }

  #report(type: number, addressType: number, address: string, data: Buffer, rssiDbm: number): void {
    const head = Buffer.concat([
      Buffer.from([1, type, addressType]),
      encodeAddress(address),
      Buffer.from([data.length]),
    ]);
    this.#leEvent(LeEvent.AdvertisingReport, Buffer.concat([head, data, Buffer.from([rssiDbm & 0xff])]));
  }

  #createConnection(parameters: Buffer): void {
    const opcode = Opcode.LeCreateConnection;
    if (parameters.length !== 25) return this.#emit(encodeCommandStatus(opcode, Status.InvalidParameters));
    if (this.#initiation) return this.#emit(encodeCommandStatus(opcode, Status.CommandDisallowed));
    if (this.#connections.size >= this.#options.maxConnections) {
      return this.#emit(encodeCommandStatus(opcode, Status.ConnectionLimit));
    }
    const link = decodeLinkParameters(parameters, 13);
    if (!link) return this.#emit(encodeCommandStatus(opcode, Status.InvalidParameters));
    this.#initiation = {
      addressType: parameters.readUInt8(5) & 1,
      address: decodeAddress(parameters.subarray(6, 12)),
      ownIsRandom: (parameters.readUInt8(12) & 1) === 1,
      parameters: link,
    };
    this.#emit(encodeCommandStatus(opcode, Status.Success));
    this.#listen();
  }

  #establish(hosted: HostedPeripheral, { address, addressType, ownIsRandom, parameters }: Initiation): void {
    this.#initiation = undefined;
    const { paced, air, lossRate } = this.#options;
    const handle = this.#freeHandle();
    const link = new LinkConnection({
      scheduler: this.scheduler,
      air: air === 'shared' ? this.#sharedAir : new Air(),
      paced,
      lossRate,
      random: this.#random,
      parameters: { ...parameters, supervisionMs: this.#options.supervisionMs ?? parameters.supervisionMs },
      ended: (reason) => this.#gone(connection, reason),
    });
    const connection: Connection = { handle, hosted, address, link, held: 0, frame: Buffer.alloc(0) };
    this.#connections.set(handle, connection);
    this.#listen();
    this.#connectionComplete(Status.Success, handle, address, addressType, parameters);
    if (hosted.failToEstablish > 0) {
      hosted.failToEstablish--;
      // Six events without an answer: Vol 6 Part B, 4.5.
      return link.fallSilent(Status.FailedToEstablish, paced ? 6 * parameters.intervalMs : 0);
    }
    const addresses = {
      central: ownIsRandom ? this.#randomAddress : this.#options.address,
      centralIsRandom: ownIsRandom,
      peripheral: address,
      peripheralIsRandom: addressType === 1,
    };
    hosted.connect(this.scheduler, handle, link, addresses, this.#sendFrame(handle));
  }

  #freeHandle(): number {
    while (this.#connections.has(this.#nextHandle)) this.#nextHandle++;
    const handle = this.#nextHandle;
    this.#nextHandle = handle >= 0x0eff ? FIRST_HANDLE : handle + 1;
    return handle;
  }

  #connectionComplete(
    status: number,
    handle: number,
    address: string,
    addressType: number,
    parameters: LinkParameters | undefined,
  ): void {
    const body = Buffer.alloc(18);
    body.writeUInt8(status, 0);
    body.writeUInt16LE(handle, 1);
    body.writeUInt8(addressType, 4);
    body.set(encodeAddress(address), 5);
    if (parameters) writeLinkParameters(body, 11, parameters);
    this.#leEvent(LeEvent.ConnectionComplete, body);
  }

  #disconnect(handle: number): void {
    const connection = this.#connections.get(handle);
    const status = connection ? Status.Success : Status.UnknownConnection;
    this.#emit(encodeCommandStatus(Opcode.Disconnect, status));
    connection?.link.terminateFromHost(Status.LocalHostTerminated, () => connection.hosted.leave(connection.handle));
  }

  #gone(connection: Connection, reason: number): void {
    if (!this.#forget(connection)) return;
    connection.hosted.leave(connection.handle);
    this.#emit(encodeDisconnectionComplete(connection.handle, reason));
    this.#listen();
  }

  #forget(connection: Connection): boolean {
    this.#ended.set(connection.address, connection.link.statistics);
    return this.#connections.delete(connection.handle);
  }

  #acl(packet: Buffer): void {
    const flags = packet.readUInt16LE(1) >> 12;
    const connection = this.#connections.get(packet.readUInt16LE(1) & 0x0fff);
    if (!connection) return;
    const total = [...this.#connections.values()].reduce((sum, each) => sum + each.held, 0);
    if (total >= this.#options.aclPackets || packet.length - 5 > this.#options.aclBytes) {
      this.#overruns++;
      return;
    }
    connection.held++;
    this.#mostHeld = Math.max(this.#mostHeld, total + 1);
    const data = Buffer.from(packet.subarray(5));
    connection.link.sendToDevice(data, () => {
      connection.held--;
      this.#emit(encodeCompletedPackets(connection.handle, 1));
      this.#assemble(connection, (flags & 3) === 1, data);
    });
  }

  #assemble(connection: Connection, continues: boolean, data: Buffer): void {
    connection.frame = continues ? Buffer.concat([connection.frame, data]) : data;
    const { frame } = connection;
    if (frame.length < 4 || frame.length < 4 + frame.readUInt16LE(0)) return;
    connection.frame = Buffer.alloc(0);
    const cid = frame.readUInt16LE(2);
    const payload = frame.subarray(4, 4 + frame.readUInt16LE(0));
    // Signalling of the host is not answered: nothing here asks it for anything.
    if (cid === Cid.Att) connection.hosted.connected?.gatt.receive(payload);
    if (cid === Cid.Security) connection.hosted.connected?.security.receive(payload);
  }

  #sendFrame(handle: number): FrameSender {
    return (cid, payload, sent) => {
      const connection = this.#connections.get(handle);
      if (!connection) return;
      const frame = Buffer.alloc(4 + payload.length);
      frame.writeUInt16LE(payload.length, 0);
      frame.writeUInt16LE(cid, 2);
      frame.set(payload, 4);
      connection.link.sendToHost(
        frame,
        (first, bytes) => this.#emit(encodeAcl(handle, first, bytes)),
        () => sent?.(),
      );
    };
  }
}
