/**
 * The ATT/GATT server of one connected peripheral: requests in, answers out, one `BlePeripheral` behind it.
 *
 * Source: Bluetooth Core 5.2, Vol 3 Part F (ATT messages, 3.4) and Part G (GATT procedures, 4).
 */
import type { AttRefusal, BlePeripheral, Scheduler } from '../target.js';
import {
  allowsCommand,
  allowsRead,
  allowsWrite,
  type Attribute,
  buildAttributeTable,
  UUID_PRIMARY_SERVICE,
} from './attribute-table.js';
import { isShortRead } from './hci-wire.js';

const Att = {
  Error: 0x01,
  MtuRequest: 0x02,
  MtuResponse: 0x03,
  FindInformation: 0x04,
  ReadByType: 0x08,
  Read: 0x0a,
  ReadBlob: 0x0c,
  ReadByGroupType: 0x10,
  Write: 0x12,
  PrepareWrite: 0x16,
  ExecuteWrite: 0x18,
  Notification: 0x1b,
  Indication: 0x1d,
  Confirmation: 0x1e,
  WriteCommand: 0x52,
} as const;

const AttError = {
  InvalidHandle: 0x01,
  ReadNotPermitted: 0x02,
  WriteNotPermitted: 0x03,
  InvalidPdu: 0x04,
  RequestNotSupported: 0x06,
  InvalidOffset: 0x07,
  PrepareQueueFull: 0x09,
  AttributeNotFound: 0x0a,
  InvalidLength: 0x0d,
  UnsupportedGroupType: 0x10,
} as const;

const DEFAULT_MTU = 23;
const MAX_ATTRIBUTE_BYTES = 512;
/** Notifications and indications a peripheral's stack holds before it says "later". */
const NOTIFY_QUEUE = 16;

export interface GattServerPorts {
  readonly scheduler: Scheduler;
  /** Sends one ATT message; `sent` when the link has delivered it. */
  send(message: Buffer, sent?: () => void): void;
}

const isRefusal = (answer: object | undefined): answer is AttRefusal => answer !== undefined && 'attError' in answer;

export class GattServer {
  readonly #table: readonly Attribute[];
  readonly #configured = new Map<string, number>();
  readonly #prepared: { attribute: Attribute; offset: number; bytes: Buffer }[] = [];
  readonly #indications: Buffer[] = [];
  #indicationUnderWay = false;
  #notificationsUnderWay = 0;
  #mtu = DEFAULT_MTU;
  #closed = false;

  constructor(
    private readonly peripheral: BlePeripheral,
    private readonly ports: GattServerPorts,
  ) {
    this.#table = buildAttributeTable(peripheral.services());
  }

  get mtu(): number {
    return this.#mtu;
  }

  /** No answer leaves after this, whatever was still to come. */
  close(): void {
    this.#closed = true;
  }

  /**
   * Queues a value towards the host. A notification that the host has not asked for is dropped, as on the air.
   * @returns false when the queue is full.
   * @throws RangeError when the value is longer than ATT_MTU - 3.
   */
  notify(characteristic: string, value: Uint8Array): boolean {
    if (value.length > this.#mtu - 3) {
      throw new RangeError(`a notification of ${value.length} bytes does not fit into ATT_MTU ${this.#mtu}`);
    }
    const bits = this.#configured.get(characteristic) ?? 0;
    const attribute = this.#table.find((each) => each.kind === 'value' && each.characteristic === characteristic);
    if (!attribute || bits === 0 || this.#closed) return true;
    if (this.#notificationsUnderWay + this.#indications.length >= NOTIFY_QUEUE) return false;
    const message = Buffer.alloc(3 + value.length);
    message.writeUInt8((bits & 1) !== 0 ? Att.Notification : Att.Indication, 0);
    message.writeUInt16LE(attribute.handle, 1);
    message.set(value, 3);
    if ((bits & 1) !== 0) {
      this.#notificationsUnderWay++;
      this.ports.send(message, () => this.#notificationsUnderWay--);
    } else {
      this.#indications.push(message);
      this.#nextIndication();
    }
    return true;
  }

  /** One complete ATT message from the host. Anything malformed is answered as the specification says. */
  receive(message: Buffer): void {
    const opcode = message[0];
    if (opcode === undefined || this.#closed) return;
    if (opcode === Att.Confirmation) {
      this.#indicationUnderWay = false;
      this.#nextIndication();
      return;
    }
    if (opcode === Att.WriteCommand) {
      if (message.length < 3) return;
      const attribute = this.#at(message.readUInt16LE(1));
      if (attribute?.characteristic === undefined || attribute.kind !== 'value') return;
      if (allowsCommand(attribute.properties)) {
        this.peripheral.onWrite(attribute.characteristic, Uint8Array.from(message.subarray(3)), false);
      }
      return;
    }
    // Commands (bit 6) are never answered.
    if ((opcode & 0x40) !== 0) return;
    try {
      this.#request(opcode, message);
    } catch (error) {
      if (!isShortRead(error)) throw error;
      this.#refuse(opcode, 0, AttError.InvalidPdu);
    }
  }

  #request(opcode: number, message: Buffer): void {
    switch (opcode) {
      case Att.MtuRequest: {
        const wanted = message.readUInt16LE(1);
        const own = this.peripheral.maxMtu;
        const answer = Buffer.from([Att.MtuResponse, own & 0xff, own >> 8]);
        this.#answer(answer);
        this.#mtu = Math.max(DEFAULT_MTU, Math.min(wanted, own));
        return;
      }
      case Att.FindInformation:
        return this.#findInformation(message.readUInt16LE(1), message.readUInt16LE(3));
      case Att.ReadByType:
        return this.#readByType(message.readUInt16LE(1), message.readUInt16LE(3), message.subarray(5));
      case Att.ReadByGroupType:
        return this.#readByGroup(message.readUInt16LE(1), message.readUInt16LE(3), message.subarray(5));
      case Att.Read:
        return this.#read(opcode, message.readUInt16LE(1), 0);
      case Att.ReadBlob:
        return this.#read(opcode, message.readUInt16LE(1), message.readUInt16LE(3));
      case Att.Write:
        return this.#write(message.readUInt16LE(1), message.subarray(3));
      case Att.PrepareWrite:
        return this.#prepare(message);
      case Att.ExecuteWrite:
        return this.#execute(message.readUInt8(1));
      default:
        return this.#refuse(opcode, 0, AttError.RequestNotSupported);
    }
  }

  #at(handle: number): Attribute | undefined {
    return this.#table[handle - 1];
  }

  #range(start: number, end: number): Attribute[] {
    return this.#table.filter((each) => each.handle >= start && each.handle <= end);
  }

  #findInformation(start: number, end: number): void {
    if (start === 0 || start > end) return this.#refuse(Att.FindInformation, start, AttError.InvalidHandle);
    const found = this.#range(start, end);
    const size = found[0]?.type.length;
    if (size === undefined) return this.#refuse(Att.FindInformation, start, AttError.AttributeNotFound);
    const entries: Buffer[] = [];
    let used = 2;
    for (const { handle, type } of found) {
      if (type.length !== size || used + 2 + size > this.#mtu) break;
      entries.push(Buffer.concat([uint16(handle), type]));
      used += 2 + size;
    }
    this.#answer(Buffer.concat([Buffer.from([0x05, size === 2 ? 1 : 2]), ...entries]));
  }

  #readByType(start: number, end: number, type: Buffer): void {
    if (start === 0 || start > end) return this.#refuse(Att.ReadByType, start, AttError.InvalidHandle);
    const found = this.#range(start, end).filter((each) => each.type.equals(type));
    const entries: Buffer[] = [];
    let size = 0;
    let used = 2;
    for (const attribute of found) {
      const value = this.#valueOf(attribute);
      if (!Buffer.isBuffer(value)) {
        if (entries.length > 0) break;
        return this.#refuse(Att.ReadByType, attribute.handle, value.attError);
      }
      const entry = Buffer.concat([uint16(attribute.handle), value.subarray(0, Math.min(253, this.#mtu - 4))]);
      if (size !== 0 && (entry.length !== size || used + size > this.#mtu)) break;
      size = entry.length;
      used += size;
      entries.push(entry);
    }
    if (entries.length === 0) return this.#refuse(Att.ReadByType, start, AttError.AttributeNotFound);
    this.#answer(Buffer.concat([Buffer.from([0x09, size]), ...entries]));
  }

  #readByGroup(start: number, end: number, type: Buffer): void {
    if (start === 0 || start > end) return this.#refuse(Att.ReadByGroupType, start, AttError.InvalidHandle);
    if (!type.equals(uint16(UUID_PRIMARY_SERVICE))) {
      return this.#refuse(Att.ReadByGroupType, start, AttError.UnsupportedGroupType);
    }
    const entries: Buffer[] = [];
    let size = 0;
    let used = 2;
    for (const { kind, handle, groupEnd, fixed } of this.#range(start, end)) {
      if (kind !== 'service' || groupEnd === undefined || !fixed) continue;
      const entry = Buffer.concat([uint16(handle), uint16(groupEnd), fixed]);
      if (size !== 0 && (entry.length !== size || used + size > this.#mtu)) break;
      size = entry.length;
      used += size;
      entries.push(entry);
    }
    if (entries.length === 0) return this.#refuse(Att.ReadByGroupType, start, AttError.AttributeNotFound);
    this.#answer(Buffer.concat([Buffer.from([0x11, size]), ...entries]));
  }

  #valueOf(attribute: Attribute): Buffer | AttRefusal {
    if (attribute.fixed) return attribute.fixed;
    const characteristic = attribute.characteristic ?? '';
    if (attribute.kind === 'configuration') return uint16(this.#configured.get(characteristic) ?? 0);
    if (!allowsRead(attribute.properties)) return { attError: AttError.ReadNotPermitted };
    const value = this.peripheral.onRead(characteristic);
    return 'attError' in value ? value : Buffer.from(value).subarray(0, MAX_ATTRIBUTE_BYTES);
  }

  #read(opcode: number, handle: number, offset: number): void {
    const attribute = this.#at(handle);
    if (!attribute) return this.#refuse(opcode, handle, AttError.InvalidHandle);
    const value = this.#valueOf(attribute);
    if (!Buffer.isBuffer(value)) return this.#refuse(opcode, handle, value.attError);
    if (offset > value.length) return this.#refuse(opcode, handle, AttError.InvalidOffset);
    const part = value.subarray(offset, offset + this.#mtu - 1);
    this.#answer(Buffer.concat([Buffer.from([opcode + 1]), part]));
  }

  #write(handle: number, bytes: Buffer): void {
    const attribute = this.#at(handle);
    if (attribute?.kind === 'configuration') return this.#configure(attribute, bytes);
    const characteristic = attribute?.characteristic;
    if (!attribute || characteristic === undefined) return this.#refuse(Att.Write, handle, AttError.InvalidHandle);
    if (!allowsWrite(attribute.properties)) return this.#refuse(Att.Write, handle, AttError.WriteNotPermitted);
    const result = this.peripheral.onWrite(characteristic, Uint8Array.from(bytes), true);
    if (isRefusal(result)) return this.#refuse(Att.Write, handle, result.attError);
    this.#answer(Buffer.from([0x13]), result?.delayMs);
  }

  #configure(attribute: Attribute, bytes: Buffer): void {
    if (bytes.length !== 2) return this.#refuse(Att.Write, attribute.handle, AttError.InvalidLength);
    const bits = bytes.readUInt16LE(0) & 3;
    const characteristic = attribute.characteristic ?? '';
    const mode = (bits & 1) !== 0 ? 'notify' : (bits & 2) !== 0 ? 'indicate' : 'none';
    const refusal = this.peripheral.onSubscribe(characteristic, mode);
    if (refusal) return this.#refuse(Att.Write, attribute.handle, refusal.attError);
    this.#configured.set(characteristic, bits);
    this.#answer(Buffer.from([0x13]));
  }

  #prepare(message: Buffer): void {
    const handle = message.readUInt16LE(1);
    const offset = message.readUInt16LE(3);
    const attribute = this.#at(handle);
    if (!attribute || attribute.kind !== 'value' || !allowsWrite(attribute.properties)) {
      return this.#refuse(Att.PrepareWrite, handle, AttError.WriteNotPermitted);
    }
    if (this.#prepared.length >= 64) return this.#refuse(Att.PrepareWrite, handle, AttError.PrepareQueueFull);
    this.#prepared.push({ attribute, offset, bytes: Buffer.from(message.subarray(5)) });
    const echo = Buffer.from(message);
    echo.writeUInt8(Att.PrepareWrite + 1, 0);
    this.#answer(echo);
  }

  #execute(flags: number): void {
    const parts = this.#prepared.splice(0);
    const attribute = parts[0]?.attribute;
    if (flags === 0 || !attribute) return this.#answer(Buffer.from([Att.ExecuteWrite + 1]));
    const value = Buffer.alloc(MAX_ATTRIBUTE_BYTES);
    let length = 0;
    for (const part of parts) {
      if (part.attribute !== attribute || part.offset !== length || length + part.bytes.length > MAX_ATTRIBUTE_BYTES) {
        return this.#refuse(Att.ExecuteWrite, attribute.handle, AttError.InvalidOffset);
      }
      value.set(part.bytes, length);
      length += part.bytes.length;
    }
    const result = this.peripheral.onWrite(
      attribute.characteristic ?? '',
      Uint8Array.from(value.subarray(0, length)),
      true,
    );
    if (isRefusal(result)) return this.#refuse(Att.ExecuteWrite, attribute.handle, result.attError);
    this.#answer(Buffer.from([Att.ExecuteWrite + 1]), result?.delayMs);
  }

  #nextIndication(): void {
    if (this.#indicationUnderWay) return;
    const next = this.#indications.shift();
    if (!next) return;
    this.#indicationUnderWay = true;
    this.ports.send(next);
  }

  #answer(message: Buffer, delayMs = 0): void {
    if (this.#closed) return;
    if (delayMs > 0) {
      this.ports.scheduler.after(delayMs, () => this.#answer(message));
      return;
    }
    this.ports.send(message);
  }

  #refuse(request: number, handle: number, code: number): void {
    this.#answer(Buffer.from([Att.Error, request, handle & 0xff, handle >> 8, code]));
  }
}

const uint16 = (value: number): Buffer => Buffer.from([value & 0xff, value >> 8]);
