/**
 * The floors of Silicon Labs transfers, computed from the vendor's documents and apart from all session code.
 *
 * - AppLoader: writes without response fill the link; only start and end are awaited.
 * - BGAPI and XMODEM: each unit is answered before the next one may leave, and flash is written before the answer.
 */
import { ATT_VALUE_HEADER_BYTES, exchangeUs, linkPacketsOf, type Phy } from './ble-air.js';
import type { FlashFigures, TransferFloor } from './floor.js';

const BITS_PER_BYTE = 10;

const flashMs = (bytes: number, flash: FlashFigures): number =>
  Math.ceil(bytes / flash.pageBytes) * flash.eraseMsPerPage + (Math.ceil(bytes / 4) * flash.writeUsPerWord) / 1000;

export interface AppLoaderFloorOptions {
  /** The whole file: all of it goes over the air. */
  readonly fileBytes: number;
  /** What of it is flashed. */
  readonly imageBytes: number;
  readonly intervalMs: number;
  readonly mtu: number;
  readonly linkPayloadBytes: number;
  readonly phy: Phy;
  readonly flash: FlashFigures;
  /** Start and end: 2; 0 for the data alone. Default 2. */
  readonly answers?: number;
}

/** OTA data over Bluetooth LE in writes without response, of a multiple of 4 bytes. */
export function appLoaderFloor(options: AppLoaderFloorOptions): TransferFloor {
  const { fileBytes, imageBytes, intervalMs, mtu, linkPayloadBytes, phy, flash } = options;
  const unit = Math.max(4, Math.floor((mtu - ATT_VALUE_HEADER_BYTES) / 4) * 4);
  const messageUs = (valueBytes: number): number =>
    linkPacketsOf(valueBytes + ATT_VALUE_HEADER_BYTES, linkPayloadBytes).reduce(
      (sum, packet) => sum + exchangeUs(packet, 0, phy),
      0,
    );
  const rest = fileBytes % unit;
  const answers = options.answers ?? 2;
  // A control write: one byte behind the ATT header and L2CAP, its response one opcode.
  const controlUs = exchangeUs(1 + 7, 5, phy);
  const linkUs =
    Math.floor(fileBytes / unit) * messageUs(unit) + (rest > 0 ? messageUs(rest) : 0) + answers * controlUs;
  const targetMs = flashMs(imageBytes, flash);
  const linkMs = linkUs / 1000;
  return summary({
    linkMs,
    answersMs: answers * intervalMs,
    targetMs,
    boundMs: Math.max(linkMs, targetMs),
    payloadBytes: fileBytes,
    bareBytesPerSecond: (unit * 1e6) / messageUs(unit),
  });
}

export interface StopAndWaitFloorOptions {
  readonly fileBytes: number;
  readonly imageBytes: number;
  readonly baud: number;
  readonly flash: FlashFigures;
}

/** BGAPI uploads: header and length byte before the data, six bytes back. @param chunkBytes data of one upload. */
export function bgapiUartFloor(options: StopAndWaitFloorOptions & { readonly chunkBytes: number }): TransferFloor {
  return stopAndWait(options, { dataBytes: options.chunkBytes, headerBytes: 5, answerBytes: 6, filled: false });
}

/** XMODEM-CRC: 133 bytes for 128, always full, one byte back. */
export function xmodemFloor(options: StopAndWaitFloorOptions): TransferFloor {
  return stopAndWait(options, { dataBytes: 128, headerBytes: 5, answerBytes: 1, filled: true });
}

function stopAndWait(
  { fileBytes, imageBytes, baud, flash }: StopAndWaitFloorOptions,
  unit: { dataBytes: number; headerBytes: number; answerBytes: number; filled: boolean },
): TransferFloor {
  const byteMs = (BITS_PER_BYTE * 1000) / baud;
  const units = Math.ceil(fileBytes / unit.dataBytes);
  const dataBytes = unit.filled ? units * unit.dataBytes : fileBytes;
  const linkMs = (dataBytes + units * (unit.headerBytes + unit.answerBytes)) * byteMs;
  const targetMs = flashMs(imageBytes, flash);
  return summary({
    linkMs,
    answersMs: 0, // the answer's own bytes are all that a wire makes wait for
    targetMs,
    boundMs: linkMs + targetMs,
    payloadBytes: fileBytes,
    bareBytesPerSecond: baud / BITS_PER_BYTE,
  });
}

function summary(parts: Omit<TransferFloor, 'totalMs' | 'bytesPerSecond'>): TransferFloor {
  const totalMs = parts.linkMs + parts.answersMs + parts.targetMs;
  return { ...parts, totalMs, bytesPerSecond: (parts.payloadBytes * 1000) / totalMs };
}
