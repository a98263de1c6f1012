/**
 * Nordic Legacy DFU over BLE: how it is spelled. All numbers little-endian.
 *
 * Requests go to the control point (write with response); answers are notifications `10 <opcode> <status>`, receipts
 * `11 <u32>`. Sizes, init packet and firmware go to the packet characteristic (write without response).
 *
 * Source: nRF5 SDK 11, components/ble/ble_services/ble_dfu/ble_dfu.c.
 */
import { ByteReader } from '../../bytes/byte-reader.js';
import { ByteWriter } from '../../bytes/byte-writer.js';
import { MalformedFrameError } from '../../errors.js';
import { type ImageSizes, type Notice, Opcode, type Request, Status } from './messages.js';

/** @returns one write to the control point. */
export function encodeRequest(request: Request): Uint8Array {
  const writer = new ByteWriter().u8(request.opcode);
  switch (request.opcode) {
    case Opcode.Start:
      return (request.types === undefined ? writer : writer.u8(request.types)).finish();
    case Opcode.Init:
      return (request.step === undefined ? writer : writer.u8(request.step === 'begin' ? 0 : 1)).finish();
    case Opcode.SetReceipts:
      return writer.u16le(request.packets).finish();
    default:
      return writer.finish();
  }
}

/** @returns the packet that announces the sizes: twelve bytes. */
export function encodeSizes(sizes: ImageSizes): Uint8Array {
  return new ByteWriter().u32le(sizes.softdevice).u32le(sizes.bootloader).u32le(sizes.application).finish();
}

/** As bootloaders of SDK 6.0 and older want it: four bytes, an application only. */
export function encodeApplicationSize(bytes: number): Uint8Array {
  return new ByteWriter().u32le(bytes).finish();
}

/**
 * @param bytes the twelve bytes of `encodeSizes`.
 * @throws MalformedFrameError
 */
export function decodeSizes(bytes: Uint8Array): ImageSizes {
  const reader = new ByteReader(bytes, 'image sizes');
  const sizes = { softdevice: reader.u32le(), bootloader: reader.u32le(), application: reader.u32le() };
  reader.expectEnd();
  return sizes;
}

/**
 * @param frame one complete notification of the control point, exactly as it left the link.
 * @throws MalformedFrameError when the bytes are no notice at all.
 */
export function decodeNotice(frame: Uint8Array): Notice {
  const reader = new ByteReader(frame, 'control point notice');
  const marker = reader.u8();
  if (marker === Opcode.Receipt) {
    const receivedBytes = reader.u32le();
    reader.expectEnd();
    return { kind: 'receipt', receivedBytes };
  }
  if (marker !== Opcode.Response) {
    throw new MalformedFrameError(`control point notice: it begins with 0x${marker.toString(16)}`);
  }
  const request = reader.u8();
  const status = reader.u8();
  if (request === Opcode.ReportReceived && status === Status.Success) {
    const receivedBytes = reader.u32le();
    reader.expectEnd();
    return { kind: 'received', receivedBytes };
  }
  reader.expectEnd();
  return { kind: 'response', request, status };
}

/**
 * @param bytes value of the revision characteristic.
 * @throws MalformedFrameError
 */
export function decodeRevision(bytes: Uint8Array): number {
  const reader = new ByteReader(bytes, 'DFU revision');
  const revision = reader.u16le();
  reader.expectEnd();
  return revision;
}
