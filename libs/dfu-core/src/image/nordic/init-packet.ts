/**
 * The init packet of Nordic Secure DFU (`.dat`): protobuf, proto2, package `dfu`.
 *
 * Packet { command = 1 | signed_command = 2 { command = 1, signature_type = 2, signature = 3 } };
 * Command { op_code = 1, init = 2 }. The signature covers the serialized body of `init` as it lies in the file.
 * Hash and both halves of the signature are stored with their bytes reversed.
 *
 * Sources: nRF5 SDK 17, components/libraries/bootloader/dfu/dfu-cc.proto and nrf_dfu_validation.c;
 * pc-nrfutil, nordicsemi/dfu/init_packet_pb.py and signing.py.
 */
import { ByteWriter } from '../../bytes/byte-writer.js';
import { ArtifactError } from '../../errors.js';
import {
  malformed,
  readFields,
  readPackedVarints,
  WIRE_BYTES,
  WIRE_VARINT,
  type WireField,
  writeBytesField,
  writeVarint,
  writeVarintField,
} from './protobuf.js';

export const FirmwareType = {
  Application: 0,
  Softdevice: 1,
  Bootloader: 2,
  SoftdeviceBootloader: 3,
  ExternalApplication: 4,
} as const;
export type FirmwareType = (typeof FirmwareType)[keyof typeof FirmwareType];

export const HASH_SHA256 = 3;
export const SIGNATURE_ECDSA_P256_SHA256 = 0;
export const BootValidationType = { None: 0, GeneratedCrc: 1, Sha256: 2, EcdsaP256Sha256: 3 } as const;

const OP_CODE_INIT = 1;
/** Bounded decoder of the target: 16 from SDK 15.0 on, 4 before. */
const MAX_SD_REQ = 16;
const MAX_BOOT_VALIDATIONS = 3;
const HASH_BYTES = 32;
const SIGNATURE_BYTES = 64;
const MAX_VALIDATION_BYTES = 64;

export interface BootValidation {
  readonly type: number;
  readonly bytes: Uint8Array;
}

/** Fields as the target reads them; absent ones are undefined. Sizes in bytes. */
export interface InitCommand {
  readonly fwVersion?: number;
  readonly hwVersion?: number;
  /** FWIDs of SoftDevices, one of which the target must have; 0 = none, 0xFFFE = any. */
  readonly sdReq: readonly number[];
  readonly type: FirmwareType;
  readonly sdSizeBytes?: number;
  readonly blSizeBytes?: number;
  readonly appSizeBytes?: number;
  /** SHA-256 of the image in its natural order (the file stores it reversed). */
  readonly sha256: Uint8Array;
  readonly isDebug: boolean;
  readonly bootValidation: readonly BootValidation[];
}

export interface InitPacket {
  readonly init: InitCommand;
  /** The serialized InitCommand: what a signature covers. */
  readonly signedBytes: Uint8Array;
  /** 64 bytes r, s, big-endian each (the file stores both reversed); absent in unsigned packets. */
  readonly signature?: Uint8Array;
}

/**
 * Reads and checks one init packet by itself; whether it fits its image is checked with the package.
 * @param what names the file in errors.
 * @throws ArtifactError `artifact.malformed`, `artifact.limit`.
 */
export function decodeInitPacket(bytes: Uint8Array, what = 'init packet'): InitPacket {
  const packet = readFields(bytes, 0, what);
  const plain = single(packet, 1, what);
  const signed = single(packet, 2, what);
  if ((plain === undefined) === (signed === undefined)) {
    throw malformed(what, 0, 'it must hold one command, signed or not');
  }
  if (plain) return decodeCommand(asBytes(plain, `${what}: command`), what);

  const part = `${what}: signed_command`;
  const body = asBytes(signed!, part);
  const fields = readFields(body.bytes, body.bytesOffset, part);
  const type = asNumber(required(fields, 2, `${part}.signature_type`, body.bytesOffset), `${part}.signature_type`);
  if (type !== SIGNATURE_ECDSA_P256_SHA256) {
    throw malformed(`${part}.signature_type`, body.bytesOffset, `type ${type}; only ECDSA P-256 (0) is taken`);
  }
  const stored = asBytes(required(fields, 3, `${part}.signature`, body.bytesOffset), `${part}.signature`);
  if (stored.bytes.length !== SIGNATURE_BYTES) {
    throw malformed(`${part}.signature`, stored.bytesOffset, `${stored.bytes.length} bytes instead of 64`);
  }
  const command = asBytes(required(fields, 1, `${part}.command`, body.bytesOffset), `${part}.command`);
  return { ...decodeCommand(command, what), signature: reverseHalves(stored.bytes) };
}

type BytesField = Extract<WireField, { wire: typeof WIRE_BYTES }>;

function decodeCommand(command: BytesField, what: string): InitPacket {
  const part = `${what}: command`;
  const fields = readFields(command.bytes, command.bytesOffset, part);
  const opCode = asNumber(required(fields, 1, `${part}.op_code`, command.bytesOffset), `${part}.op_code`);
  if (opCode !== OP_CODE_INIT) throw malformed(`${part}.op_code`, command.bytesOffset, `${opCode} instead of INIT (1)`);
  const init = asBytes(required(fields, 2, `${part}.init`, command.bytesOffset), `${part}.init`);
  // The target checks the signature over everything from here to the end of the command.
  if (init.bytesOffset + init.bytes.length !== command.bytesOffset + command.bytes.length) {
    throw malformed(`${part}.init`, init.offset, 'it must be the last field of the command');
  }
  return { init: decodeInitCommand(init, `${what}: init`), signedBytes: init.bytes };
}

function decodeInitCommand(message: BytesField, part: string): InitCommand {
  const start = message.bytesOffset;
  const fields = readFields(message.bytes, start, part);
  const number = (field: number, name: string): number | undefined => {
    const found = single(fields, field, `${part}.${name}`);
    return found && asNumber(found, `${part}.${name}`);
  };

  const type = number(4, 'type');
  if (type === undefined) throw malformed(`${part}.type`, start, 'it is missing');
  if (!isFirmwareType(type)) throw malformed(`${part}.type`, start, `unknown firmware type ${type}`);

  const hashField = asBytes(required(fields, 8, `${part}.hash`, start), `${part}.hash`);
  const hashFields = readFields(hashField.bytes, hashField.bytesOffset, `${part}.hash`);
  const hashType = asNumber(
    required(hashFields, 1, `${part}.hash_type`, hashField.bytesOffset),
    `${part}.hash.hash_type`,
  );
  if (hashType !== HASH_SHA256) {
    throw malformed(`${part}.hash.hash_type`, hashField.bytesOffset, `type ${hashType}; only SHA-256 (3) is taken`);
  }
  const hash = asBytes(required(hashFields, 2, `${part}.hash.hash`, hashField.bytesOffset), `${part}.hash.hash`);
  if (hash.bytes.length !== HASH_BYTES) {
    throw malformed(`${part}.hash.hash`, hash.bytesOffset, `${hash.bytes.length} bytes instead of 32`);
  }

  const isDebug = number(9, 'is_debug') ?? 0;
  return {
    ...optional('fwVersion', number(1, 'fw_version')),
    ...optional('hwVersion', number(2, 'hw_version')),
    sdReq: decodeSdReq(fields, part),
    type,
    ...optional('sdSizeBytes', number(5, 'sd_size')),
    ...optional('blSizeBytes', number(6, 'bl_size')),
    ...optional('appSizeBytes', number(7, 'app_size')),
    sha256: hash.bytes.toReversed(),
    isDebug: isDebug !== 0,
    bootValidation: decodeBootValidation(fields, part),
  };
}

/** Packed by nrfutil; unpacked is the same message to a proto2 reader. */
function decodeSdReq(fields: readonly WireField[], part: string): number[] {
  const name = `${part}.sd_req`;
  const values = fields
    .filter((field) => field.number === 3)
    .flatMap((field) => {
      if (field.wire === WIRE_VARINT) return [field.value];
      const packed = asBytes(field, name);
      return readPackedVarints(packed.bytes, packed.bytesOffset, name);
    });
  if (values.length > MAX_SD_REQ) {
    throw new ArtifactError('artifact.limit', { field: name, actual: values.length, limit: MAX_SD_REQ });
  }
  return values;
}

function decodeBootValidation(fields: readonly WireField[], part: string): BootValidation[] {
  const name = `${part}.boot_validation`;
  const entries = fields.filter((field) => field.number === 10);
  if (entries.length > MAX_BOOT_VALIDATIONS) {
    throw new ArtifactError('artifact.limit', { field: name, actual: entries.length, limit: MAX_BOOT_VALIDATIONS });
  }
  return entries.map((field) => {
    const entry = asBytes(field, name);
    const inner = readFields(entry.bytes, entry.bytesOffset, name);
    const type = asNumber(required(inner, 1, `${name}.type`, entry.bytesOffset), `${name}.type`);
    const bytes = single(inner, 2, `${name}.bytes`);
    const value = bytes ? asBytes(bytes, `${name}.bytes`).bytes : new Uint8Array();
    if (value.length > MAX_VALIDATION_BYTES) {
      throw new ArtifactError('artifact.limit', { field: name, actual: value.length, limit: MAX_VALIDATION_BYTES });
    }
    return { type, bytes: value };
  });
}

/**
 * Writes the fields as nrfutil does: all sizes and the debug flag always, in ascending order.
 * @returns the serialized InitCommand: what a signature covers.
 */
export function encodeInitCommand(init: InitCommand): Uint8Array {
  const writer = new ByteWriter();
  if (init.fwVersion !== undefined) writeVarintField(writer, 1, init.fwVersion);
  if (init.hwVersion !== undefined) writeVarintField(writer, 2, init.hwVersion);
  if (init.sdReq.length > 0) {
    const packed = new ByteWriter();
    for (const value of init.sdReq) writeVarint(packed, value);
    writeBytesField(writer, 3, packed.finish());
  }
  writeVarintField(writer, 4, init.type);
  writeVarintField(writer, 5, init.sdSizeBytes ?? 0);
  writeVarintField(writer, 6, init.blSizeBytes ?? 0);
  writeVarintField(writer, 7, init.appSizeBytes ?? 0);
  const hash = new ByteWriter();
  writeVarintField(hash, 1, HASH_SHA256);
  writeBytesField(hash, 2, init.sha256.toReversed());
  writeBytesField(writer, 8, hash.finish());
  writeVarintField(writer, 9, init.isDebug ? 1 : 0);
  for (const { type, bytes } of init.bootValidation) {
    const entry = new ByteWriter();
    writeVarintField(entry, 1, type);
    writeBytesField(entry, 2, bytes);
    writeBytesField(writer, 10, entry.finish());
  }
  return writer.finish();
}

/** @param signature 64 bytes r, s, big-endian each; without it the packet is unsigned. */
export function encodeInitPacket(signedBytes: Uint8Array, signature?: Uint8Array): Uint8Array {
  const command = new ByteWriter();
  writeVarintField(command, 1, OP_CODE_INIT);
  writeBytesField(command, 2, signedBytes);
  const packet = new ByteWriter();
  if (!signature) {
    writeBytesField(packet, 1, command.finish());
    return packet.finish();
  }
  const signed = new ByteWriter();
  writeBytesField(signed, 1, command.finish());
  writeVarintField(signed, 2, SIGNATURE_ECDSA_P256_SHA256);
  writeBytesField(signed, 3, reverseHalves(signature));
  writeBytesField(packet, 2, signed.finish());
  return packet.finish();
}

/** r and s (or x and y), 32 bytes each, each with its bytes in the other order. */
export function reverseHalves(pair: Uint8Array): Uint8Array {
  const result = new Uint8Array(64);
  result.set(pair.subarray(0, 32).toReversed(), 0);
  result.set(pair.subarray(32, 64).toReversed(), 32);
  return result;
}

function isFirmwareType(value: number): value is FirmwareType {
  return value >= FirmwareType.Application && value <= FirmwareType.ExternalApplication;
}

function optional<Key extends string>(key: Key, value: number | undefined): Partial<Record<Key, number>> {
  return value === undefined ? {} : ({ [key]: value } as Record<Key, number>);
}

/** A field that may occur once. Readers differ in which of two they take, so two are refused. */
function single(fields: readonly WireField[], number: number, name: string): WireField | undefined {
  const found = fields.filter((field) => field.number === number);
  if (found.length > 1) throw malformed(name, found[1]!.offset, `field ${number} occurs twice`);
  return found[0];
}

function required(fields: readonly WireField[], number: number, name: string, offset: number): WireField {
  const found = single(fields, number, name);
  if (!found) throw malformed(name, offset, 'it is missing');
  return found;
}

function asNumber(field: WireField, name: string): number {
  if (field.wire !== WIRE_VARINT) throw malformed(name, field.offset, 'it is no number');
  return field.value;
}

function asBytes(field: WireField, name: string): BytesField {
  if (field.wire !== WIRE_BYTES) throw malformed(name, field.offset, 'it is no message');
  return field;
}
