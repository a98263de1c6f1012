/**
 * The init packet as the bootloader's bounded protobuf decoder reads it.
 *
 * Source: nRF5 SDK 17 `dfu-cc.proto`, `dfu-cc.options`.
 */
export interface InitCommand {
  fwVersion?: number;
  hwVersion?: number;
  softDevices: number[];
  /** 0 application, 1 SoftDevice, 2 bootloader, 3 both, 4 external application. */
  type?: number;
  softDeviceBytes?: number;
  bootloaderBytes?: number;
  applicationBytes?: number;
  hashType?: number;
  /** As stored: SHA-256 reversed. */
  hash?: Uint8Array;
  isDebug: boolean;
  bootValidation: { type: number; bytes: Uint8Array }[];
}

export interface InitPacket {
  readonly init: InitCommand;
  /** What the signature covers: from the init body to the end of Command. */
  readonly signedBytes: Uint8Array;
  readonly signature?: { readonly type: number; readonly bytes: Uint8Array };
}

interface Field {
  readonly number: number;
  /** 0 a number, 2 bytes. */
  readonly wire: number;
  readonly value: number;
  readonly bytes: Uint8Array;
}

class DecodeError extends Error {}

function* fieldsOf(bytes: Uint8Array): Generator<Field> {
  let at = 0;
  const varint = (): number => {
    let value = 0n;
    for (let shift = 0n; shift < 70n; shift += 7n) {
      const byte = bytes[at++];
      if (byte === undefined) throw new DecodeError('varint passes the end');
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return Number(value & 0xffffffffn);
    }
    throw new DecodeError('varint is too long');
  };
  while (at < bytes.length) {
    const tag = varint();
    const number = tag >>> 3;
    const wire = tag & 7;
    if (wire === 0) yield { number, wire, value: varint(), bytes: new Uint8Array() };
    else if (wire === 2) {
      const length = varint();
      if (at + length > bytes.length) throw new DecodeError('field passes the end');
      const body = bytes.subarray(at, at + length);
      at += length;
      yield { number, wire, value: length, bytes: body };
    } else throw new DecodeError(`wire type ${wire}`);
  }
}

function varintsOf(bytes: Uint8Array): number[] {
  // Packed numbers: read them as if each had the tag of field 1.
  const values: number[] = [];
  let start = 0;
  for (let at = 0; at < bytes.length; at++) {
    if ((bytes[at] ?? 0) >= 0x80) continue;
    for (const field of fieldsOf(Uint8Array.from([0x08, ...bytes.subarray(start, at + 1)]))) values.push(field.value);
    start = at + 1;
  }
  if (start !== bytes.length) throw new DecodeError('packed numbers pass the end');
  return values;
}

function decodeInit(body: Uint8Array, maxSoftDevices: number): InitCommand {
  const init: InitCommand = { softDevices: [], isDebug: false, bootValidation: [] };
  for (const { number, wire, value, bytes } of fieldsOf(body)) {
    switch (number) {
      case 1:
        init.fwVersion = value;
        break;
      case 2:
        init.hwVersion = value;
        break;
      case 3:
        init.softDevices.push(...(wire === 2 ? varintsOf(bytes) : [value]));
        if (init.softDevices.length > maxSoftDevices) throw new DecodeError('too many SoftDevice entries');
        break;
      case 4:
        init.type = value;
        break;
      case 5:
        init.softDeviceBytes = value;
        break;
      case 6:
        init.bootloaderBytes = value;
        break;
      case 7:
        init.applicationBytes = value;
        break;
      case 8:
        for (const part of fieldsOf(bytes)) {
          if (part.number === 1) init.hashType = part.value;
          if (part.number === 2) init.hash = part.bytes.slice();
        }
        if ((init.hash?.length ?? 0) > 32) throw new DecodeError('hash is too long');
        break;
      case 9:
        init.isDebug = value !== 0;
        break;
      case 10: {
        const validation = { type: 0, bytes: new Uint8Array() };
        for (const part of fieldsOf(bytes)) {
          if (part.number === 1) validation.type = part.value;
          if (part.number === 2) validation.bytes = part.bytes.slice();
        }
        init.bootValidation.push(validation);
        if (init.bootValidation.length > 3) throw new DecodeError('too many boot validations');
      }
    }
  }
  return init;
}

function decodeCommand(command: Uint8Array, maxSoftDevices: number): { init: InitCommand; signedBytes: Uint8Array } {
  for (const field of fieldsOf(command)) {
    if (field.number !== 2) continue;
    const start = field.bytes.byteOffset - command.byteOffset;
    return { init: decodeInit(field.bytes, maxSoftDevices), signedBytes: command.slice(start) };
  }
  throw new DecodeError('no init command');
}

/** @returns undefined for anything that the decoder refuses (result 0x05). */
export function decodeInitPacket(bytes: Uint8Array, maxSoftDevices: number): InitPacket | undefined {
  try {
    let plain: Uint8Array | undefined;
    let signed: Uint8Array | undefined;
    for (const field of fieldsOf(bytes)) {
      if (field.number === 1) plain = field.bytes;
      if (field.number === 2) signed = field.bytes;
    }
    if ((plain === undefined) === (signed === undefined)) return undefined;
    if (plain) return decodeCommand(plain, maxSoftDevices);
    let command: Uint8Array | undefined;
    let type: number | undefined;
    let signature: Uint8Array | undefined;
    for (const field of fieldsOf(signed ?? new Uint8Array())) {
      if (field.number === 1) command = field.bytes;
      if (field.number === 2) type = field.value;
      if (field.number === 3) signature = field.bytes.slice();
    }
    if (!command || type === undefined || !signature) return undefined;
    return { ...decodeCommand(command, maxSoftDevices), signature: { type, bytes: signature } };
  } catch (error) {
    if (error instanceof DecodeError) return undefined;
    throw error;
  }
}
