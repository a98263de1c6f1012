/**
 * Nordic Secure DFU: how it is spelled. All numbers little-endian.
 *
 * Over BLE requests go to the control point (write with response), answers are notifications `60 <opcode> <result> ...`;
 * over serial lines both are the same bytes in SLIP frames.
 * Buttonless: write `01`, indication `20 <opcode> <result>`.
 *
 * Source: nRF5 SDK 17, components/libraries/bootloader/ble_dfu/nrf_dfu_ble.c, ../dfu/nrf_dfu_req_handler.c;
 * components/ble/ble_services/ble_dfu/ble_dfu.c.
 */
import { ByteReader } from '../../bytes/byte-reader.js';
import { ByteWriter } from '../../bytes/byte-writer.js';
import { MalformedFrameError } from '../../errors.js';
import {
  type Answer,
  type ButtonlessAnswer,
  ButtonlessOpcode,
  Opcode,
  type Refusal,
  type Request,
  ResultCode,
} from './messages.js';

/** @returns one write to the control point. */
export function encodeRequest(request: Request): Uint8Array {
  const writer = new ByteWriter().u8(request.opcode);
  switch (request.opcode) {
    case Opcode.CreateObject:
      return writer.u8(request.type).u32le(request.sizeBytes).finish();
    case Opcode.SetReceipts:
      return writer.u16le(request.packets).finish();
    case Opcode.SelectObject:
      return writer.u8(request.type).finish();
    case Opcode.FirmwareVersion:
      return writer.u8(request.image).finish();
    case Opcode.Ping:
      return writer.u8(request.id).finish();
    case Opcode.CalculateChecksum:
    case Opcode.Execute:
    case Opcode.GetMtu:
    case Opcode.HardwareVersion:
    case Opcode.Abort:
      return writer.finish();
  }
}

/**
 * @param frame one complete notification of the control point, exactly as it left the link.
 * @returns the answer, or the refusal: what a refusal means is decided by the session.
 * @throws MalformedFrameError when the bytes are no answer at all.
 */
export function decodeAnswer(frame: Uint8Array): Answer | Refusal {
  const reader = new ByteReader(frame, 'control point answer');
  reader.expectU8(Opcode.Response, 'marker');
  const opcode = reader.u8();
  const result = reader.u8();
  if (result !== ResultCode.Success) {
    const refusal: Refusal =
      result === ResultCode.ExtendedError
        ? { refused: opcode, result, extended: reader.u8() }
        : { refused: opcode, result };
    reader.expectEnd();
    return refusal;
  }
  const answer = decodeSuccess(opcode, reader);
  reader.expectEnd();
  return answer;
}

function decodeSuccess(opcode: number, reader: ByteReader): Answer {
  switch (opcode) {
    case Opcode.CreateObject:
    case Opcode.SetReceipts:
    case Opcode.Execute:
    case Opcode.Abort:
      return { opcode };
    case Opcode.CalculateChecksum:
      return { opcode, offsetBytes: reader.u32le(), crc32: reader.u32le() };
    case Opcode.SelectObject:
      return { opcode, maxSizeBytes: reader.u32le(), offsetBytes: reader.u32le(), crc32: reader.u32le() };
    case Opcode.GetMtu:
      return { opcode, mtu: reader.u16le() };
    case Opcode.Ping:
      return { opcode, id: reader.u8() };
    case Opcode.HardwareVersion:
      return {
        opcode,
        part: reader.u32le(),
        variant: reader.u32le(),
        romBytes: reader.u32le(),
        ramBytes: reader.u32le(),
        pageBytes: reader.u32le(),
      };
    case Opcode.FirmwareVersion:
      return {
        opcode,
        type: reader.u8(),
        version: reader.u32le(),
        address: reader.u32le(),
        lengthBytes: reader.u32le(),
      };
    default:
      throw new MalformedFrameError(`control point answer: opcode 0x${opcode.toString(16)} was never asked`);
  }
}

/** @returns a piece of the object that was created, for serial lines. No answer but a receipt follows. */
export function encodeWriteObject(bytes: Uint8Array): Uint8Array {
  return new ByteWriter().u8(Opcode.WriteObject).bytes(bytes).finish();
}

/** @returns the write that makes an application jump into its bootloader. */
export function encodeEnterBootloader(): Uint8Array {
  return Uint8Array.of(ButtonlessOpcode.EnterBootloader);
}

/** @param name 1 to 20 bytes of ASCII: how the bootloader calls itself. SDK 14 and newer, without bonds. */
export function encodeAdvertisedName(name: string): Uint8Array {
  const bytes = Uint8Array.from(name, (character) => character.charCodeAt(0));
  return new ByteWriter().u8(ButtonlessOpcode.SetName).u8(bytes.length).bytes(bytes).finish();
}

/**
 * @param frame one complete indication of the buttonless characteristic.
 * @throws MalformedFrameError when the bytes are no answer.
 */
export function decodeButtonlessAnswer(frame: Uint8Array): ButtonlessAnswer {
  const reader = new ByteReader(frame, 'buttonless answer');
  reader.expectU8(ButtonlessOpcode.Response, 'marker');
  const answer = { opcode: reader.u8(), result: reader.u8() };
  reader.expectEnd();
  return answer;
}
