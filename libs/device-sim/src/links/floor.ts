/**
 * The floor of a transfer, computed from the vendors' documents and apart from all
 * session code: what the transfer benches divide by.
 *
 * Floor = wire or air time of every byte that the protocol makes both sides send, each unit filled,
 * + one connection event or turn-around for each answer that it obliges the host to await
 * + the target's own time (erase, write, signature).
 *
 * `totalMs` is that sum. It is not a strict bound: flash is written while the link carries on, and an
 * answer may still come in the connection event in which it was asked for. `boundMs` is strict: no
 * host can be faster.
 */
import { ATT_VALUE_HEADER_BYTES, exchangeUs, linkPacketsOf, type Phy } from './ble-air.js';

export interface FlashFigures {
  readonly pageBytes: number;
  readonly eraseMsPerPage: number;
  readonly writeUsPerWord: number;
}

export interface TransferFloor {
  /** Bytes of both sides on the link. */
  readonly linkMs: number;
  /** Connection events or turn-arounds of awaited answers. */
  readonly answersMs: number;
  /** Erasing, writing, checking on the target. */
  readonly targetMs: number;
  readonly totalMs: number;
  readonly boundMs: number;
  readonly payloadBytes: number;
  /** Payload bytes per second at `totalMs`. */
  readonly bytesPerSecond: number;
  /** The bare link: full units back to back, nothing awaited. Bytes per second. */
  readonly bareBytesPerSecond: number;
}

const eraseMs = (bytes: number, flash: FlashFigures): number =>
  Math.ceil(bytes / flash.pageBytes) * flash.eraseMsPerPage;
const writeMs = (bytes: number, flash: FlashFigures): number => (Math.ceil(bytes / 4) * flash.writeUsPerWord) / 1000;

export interface SecureDfuBleFloorOptions {
  readonly imageBytes: number;
  /** Length of the `.dat`. Default 141. */
  readonly initPacketBytes?: number;
  readonly intervalMs: number;
  readonly mtu: number;
  readonly linkPayloadBytes: number;
  readonly phy: Phy;
  readonly flash: FlashFigures;
  /** The target's signature check. Default 0. */
  readonly verifyMs?: number;
  /** Default 4096. */
  readonly objectBytes?: number;
  /** Create, checksum, Execute: what the vendor's procedure awaits per data object. Default 3. */
  readonly answersPerObject?: number;
}

/** nRF5 SDK Secure DFU over Bluetooth LE, init packet and image, from Select to the last answer. */
export function secureDfuBleFloor(options: SecureDfuBleFloorOptions): TransferFloor {
  const { imageBytes, intervalMs, mtu, linkPayloadBytes, phy, flash } = options;
  const objectBytes = options.objectBytes ?? 4096;
  const unit = Math.max(4, Math.floor((mtu - ATT_VALUE_HEADER_BYTES) / 4) * 4);
  const messageUs = (valueBytes: number): number =>
    linkPacketsOf(valueBytes + ATT_VALUE_HEADER_BYTES, linkPayloadBytes).reduce(
      (sum, packet) => sum + exchangeUs(packet, 0, phy),
      0,
    );
  const dataUs = (bytes: number): number =>
    Math.floor(bytes / unit) * messageUs(unit) + (bytes % unit > 0 ? messageUs(bytes % unit) : 0);
  // A request: the write with its ATT response (1 + 4 bytes), then the notification on an empty packet.
  const requestUs = (requestBytes: number, answerBytes: number): number =>
    exchangeUs(requestBytes + 7, 5, phy) + exchangeUs(0, answerBytes + 7, phy);
  const create = requestUs(6, 3);
  const checksum = requestUs(1, 11);
  const execute = requestUs(1, 3);
  const select = requestUs(2, 15);

  const initBytes = options.initPacketBytes ?? 141;
  let linkUs = select + create + dataUs(initBytes) + checksum + execute + select;
  let answers = 5;
  for (let at = 0; at < imageBytes; at += objectBytes) {
    linkUs += create + dataUs(Math.min(objectBytes, imageBytes - at)) + checksum + execute;
    answers += options.answersPerObject ?? 3;
  }
  const flashMs = eraseMs(imageBytes, flash) + writeMs(imageBytes, flash);
  const verifyMs = options.verifyMs ?? 0;
  const linkMs = linkUs / 1000;
  const answersMs = answers * intervalMs;
  return summary({
    linkMs,
    answersMs,
    targetMs: flashMs + verifyMs,
    boundMs: verifyMs + Math.max(linkMs, flashMs),
    payloadBytes: imageBytes,
    bareBytesPerSecond: (unit * 1e6) / messageUs(unit),
  });
}

export interface SmpConsoleFloorOptions {
  readonly imageBytes: number;
  readonly baud: number;
  /** As the target's `params` say; messages are 4 bytes shorter. */
  readonly bufSize: number;
  /** Requests that may be under way: `buf_count - 1`, at least 1. */
  readonly window: number;
  readonly flash: FlashFigures;
  /** The target's time for any request. Default 0. */
  readonly processMs?: number;
}

const cborHeadBytes = (value: number): number => (value < 24 ? 1 : value < 0x100 ? 2 : value < 0x10000 ? 3 : 5);

/** Wire bytes of one message on an SMP console: base64 of length, message and CRC, three bytes more per line of 124. */
export function consoleWireBytes(messageBytes: number): number {
  const base64Bytes = 4 * Math.ceil((messageBytes + 4) / 3);
  return base64Bytes + 3 * Math.ceil(base64Bytes / 124);
}

/** Largest data that fits a continuation (or first) upload request of `limit` bytes. */
export function smpChunkBytes(limit: number, off: number, imageBytes: number): number {
  const first = off === 0 ? 4 + cborHeadBytes(imageBytes) + 4 + 2 + 32 : 0;
  const fixed = 8 + 1 + 5 + 4 + cborHeadBytes(off) + first;
  let data = limit - fixed - 1;
  while (data > 0 && fixed + cborHeadBytes(data) + data > limit) data -= 1;
  return Math.max(0, data);
}

/** SMP image upload over a UART console: all chunks and their answers, erase included. */
export function smpConsoleFloor(options: SmpConsoleFloorOptions): TransferFloor {
  const { imageBytes, baud, flash } = options;
  const processMs = options.processMs ?? 0;
  const limit = options.bufSize - 4;
  const byteMs = 10_000 / baud;
  let requestMs = 0;
  let answerMs = 0;
  let chunks = 0;
  let firstAnswerMs = 0;
  let lastAnswerMs = 0;
  for (let off = 0; off < imageBytes;) {
    const data = Math.min(smpChunkBytes(limit, off, imageBytes), imageBytes - off);
    if (data <= 0) throw new RangeError(`a buffer of ${options.bufSize} bytes holds no chunk`);
    const overhead = smpChunkOverhead(off, data, imageBytes);
    requestMs += consoleWireBytes(overhead + data) * byteMs;
    off += data;
    // Answer: header, map, "off", number, end of map.
    lastAnswerMs = consoleWireBytes(8 + 1 + 4 + cborHeadBytes(off) + 1) * byteMs;
    answerMs += lastAnswerMs;
    if (chunks === 0) firstAnswerMs = lastAnswerMs;
    chunks += 1;
  }
  const erase = eraseMs(imageBytes, flash);
  const write = writeMs(imageBytes, flash);
  const isWindowed = options.window > 1;
  // Both directions run at once: with several requests under way only the first answer (it comes
  // after the erase) and the last one are waited for.
  const linkMs = requestMs + (isWindowed ? firstAnswerMs + (chunks > 1 ? lastAnswerMs : 0) : answerMs);
  const answersMs = (isWindowed ? Math.min(2, chunks) : chunks) * processMs;
  const alongside = isWindowed ? Math.max(linkMs, write) : linkMs + write;
  const fullChunk = smpChunkBytes(limit, 0x10000, imageBytes);
  return summary({
    linkMs,
    answersMs,
    targetMs: erase + write,
    boundMs: erase + answersMs + alongside,
    payloadBytes: imageBytes,
    bareBytesPerSecond: (fullChunk * 1000) / (consoleWireBytes(limit) * byteMs),
  });
}

/** Bytes of an upload request besides its data. */
function smpChunkOverhead(off: number, data: number, imageBytes: number): number {
  const first = off === 0 ? 4 + cborHeadBytes(imageBytes) + 4 + 2 + 32 : 0;
  return 8 + 1 + 5 + cborHeadBytes(data) + 4 + cborHeadBytes(off) + first;
}

function summary(parts: Omit<TransferFloor, 'totalMs' | 'bytesPerSecond'>): TransferFloor {
  const totalMs = parts.linkMs + parts.answersMs + parts.targetMs;
  return { ...parts, totalMs, bytesPerSecond: (parts.payloadBytes * 1000) / totalMs };
}
