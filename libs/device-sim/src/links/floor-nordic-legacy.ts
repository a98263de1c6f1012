/**
 * The floors of Nordic's legacy transfers, computed apart from all session code: see `floor.ts` for what a floor is.
 *
 * Both run from the moment the init packet is accepted to the answer that the last byte is taken; erasing comes before.
 *
 * Sources: nRF5 SDK 11, ble_dfu.c (20 bytes a packet), dfu_transport_ble.c (what is answered); hci_transport.c (frames,
 * one under way); wire: 10 bits a byte.
 */
import { ATT_VALUE_HEADER_BYTES, exchangeUs, linkPacketsOf } from './ble-air.js';
import type { FlashFigures, TransferFloor } from './floor.js';

export interface LegacyBleFloorOptions {
  readonly imageBytes: number;
  readonly intervalMs: number;
  readonly flash: FlashFigures;
  /** Packet length of the bootloader. Default 20. */
  readonly packetBytes?: number;
}

/** Payload of a link packet before Bluetooth 4.2, which these chips stay below. */
const LINK_PAYLOAD_BYTES = 27;

/**
 * Legacy DFU over Bluetooth LE at 1 Mbit/s: packets back to back, as receipts are the host's own choice, and three answers
 * that it must await (receipt interval, begin of the image, end of the image).
 */
export function legacyBleFloor(options: LegacyBleFloorOptions): TransferFloor {
  const { imageBytes, intervalMs, flash } = options;
  const unit = options.packetBytes ?? 20;
  const messageUs = (valueBytes: number): number =>
    linkPacketsOf(valueBytes + ATT_VALUE_HEADER_BYTES, LINK_PAYLOAD_BYTES).reduce(
      (sum, packet) => sum + exchangeUs(packet, 0, 1),
      0,
    );
  // A request is a write with its response (1 + 4 bytes); the last answer a notification of three bytes.
  const requestUs = (bytes: number): number => exchangeUs(bytes + 7, 5, 1);
  const rest = imageBytes % unit;
  const dataUs = Math.floor(imageBytes / unit) * messageUs(unit) + (rest > 0 ? messageUs(rest) : 0);
  const linkMs = (requestUs(3) + requestUs(1) + dataUs + exchangeUs(0, 3 + 7, 1)) / 1000;
  const writeMs = (Math.ceil(imageBytes / 4) * flash.writeUsPerWord) / 1000;
  return summary({
    linkMs,
    answersMs: 3 * intervalMs,
    targetMs: writeMs,
    boundMs: Math.max(linkMs, writeMs),
    payloadBytes: imageBytes,
    bareBytesPerSecond: (unit * 1e6) / messageUs(unit),
  });
}

export interface LegacySerialFloorOptions {
  readonly image: Uint8Array;
  readonly baud: number;
  readonly flash: FlashFigures;
  /** Firmware bytes of one frame. Default 512. */
  readonly frameBytes?: number;
}

const ACKNOWLEDGEMENT_BYTES = 6;
/** Two ENDs, four bytes of header, packet type, CRC. */
const FRAME_OVERHEAD_BYTES = 2 + 4 + 4 + 2;

/** Legacy DFU over a UART: each frame and its acknowledgement, one after the other, escapes of the image counted. */
export function legacySerialFloor(options: LegacySerialFloorOptions): TransferFloor {
  const { image, baud, flash } = options;
  const unit = options.frameBytes ?? 512;
  const byteMs = 10_000 / baud;
  let wireBytes = 0;
  let acknowledgements = 0;
  for (let at = 0; at < image.length; at += unit) {
    const frame = image.subarray(at, at + unit);
    wireBytes += FRAME_OVERHEAD_BYTES;
    for (const byte of frame) wireBytes += byte === 0xc0 || byte === 0xdb ? 2 : 1;
    acknowledgements += 1;
  }
  const linkMs = wireBytes * byteMs;
  const answersMs = acknowledgements * ACKNOWLEDGEMENT_BYTES * byteMs;
  const writeMs = (Math.ceil(image.length / 4) * flash.writeUsPerWord) / 1000;
  return summary({
    linkMs,
    answersMs,
    targetMs: writeMs,
    boundMs: Math.max(linkMs + answersMs, writeMs),
    payloadBytes: image.length,
    bareBytesPerSecond: 1000 / byteMs,
  });
}

function summary(parts: Omit<TransferFloor, 'totalMs' | 'bytesPerSecond'>): TransferFloor {
  const totalMs = parts.linkMs + parts.answersMs + parts.targetMs;
  return { ...parts, totalMs, bytesPerSecond: (parts.payloadBytes * 1000) / totalMs };
}
