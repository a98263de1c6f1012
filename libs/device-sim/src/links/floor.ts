/**
 * The floor of a transfer, computed from the vendors' documents and apart from all
 * session code: what the transfer benches divide by.
 *
 * Floor = wire or air time of every byte that the protocol makes both sides send, each unit filled,
 * + the wait for the next connection event, or the turn-around, after each answer that it obliges the host to await
 * + the target's own time (erase, write, signature) as far as the link cannot carry on meanwhile.
 *
 * `totalMs` is that sum, and no host can be faster: an answer is counted as coming in the connection event in which it
 * was asked for wherever it fits there (a whole event for each answer would count one too many), and flash is written
 * while the link carries on. `boundMs` leaves the waits for answers out as well.
 */
import { ATT_VALUE_HEADER_BYTES, exchangeUs, linkPacketsOf, type Phy } from './ble-air.js';
import { ConnectionEvents } from './connection-events.js';

export interface FlashFigures {
  readonly pageBytes: number;
  readonly eraseMsPerPage: number;
  readonly writeUsPerWord: number;
}

export interface TransferFloor {
  /** Bytes of both sides on the link. */
  readonly linkMs: number;
  /** Waits for the next connection event, or turn-arounds, after awaited answers. */
  readonly answersMs: number;
  /** Erasing, writing, checking on the target; what of it runs beside the link is in both. */
  readonly targetMs: number;
  /** What a host can reach at best. */
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
  /**
   * Create, checksum, Execute: what is awaited per data object. Default 3, as in the vendor's hosts; 2 where the receipt
   * of the object stands for its checksum and is not waited for.
   */
  readonly answersPerObject?: number;
  /**
   * The target's time from a request to its answer: the connection event ends meanwhile, unless a receipt on its way
   * keeps it open (a host can be a few per cent faster then). Default 0.
   */
  readonly answerMs?: number;
}

/** nRF5 SDK Secure DFU over Bluetooth LE, init packet and image, from Select to the last answer. */
export function secureDfuBleFloor(options: SecureDfuBleFloorOptions): TransferFloor {
  const { imageBytes, intervalMs, mtu, linkPayloadBytes, phy, flash } = options;
  const objectBytes = options.objectBytes ?? 4096;
  const unit = Math.max(4, Math.floor((mtu - ATT_VALUE_HEADER_BYTES) / 4) * 4);
  const packetsUs = (valueBytes: number): number[] =>
    linkPacketsOf(valueBytes + ATT_VALUE_HEADER_BYTES, linkPayloadBytes).map((packet) => exchangeUs(packet, 0, phy));
  const events = new ConnectionEvents(intervalMs);
  let linkUs = 0;
  const exchange = (us: number): void => {
    linkUs += us;
    events.exchange(us);
  };
  // A request: the write with its ATT response (1 + 4 bytes), then the notification on an empty packet.
  const request = (requestBytes: number, answerBytes: number): void => {
    exchange(exchangeUs(requestBytes + 7, 5, phy));
    events.wait(options.answerMs ?? 0);
    exchange(exchangeUs(0, answerBytes + 7, phy));
    events.nextEvent();
  };
  const data = (bytes: number): void => {
    for (let at = 0; at < bytes; at += unit) packetsUs(Math.min(unit, bytes - at)).forEach(exchange);
  };
  const create = (): void => request(6, 3);
  const checksum = (): void => request(1, 11);
  const execute = (): void => request(1, 3);
  const select = (): void => request(2, 15);

  select();
  create();
  data(options.initPacketBytes ?? 141);
  checksum();
  execute();
  select();
  const answersPerObject = options.answersPerObject ?? 3;
  for (let at = 0; at < imageBytes; at += objectBytes) {
    if (answersPerObject > 0) create();
    data(Math.min(objectBytes, imageBytes - at));
    if (answersPerObject > 1) checksum();
    if (answersPerObject > 2) execute();
  }
  const flashMs = eraseMs(imageBytes, flash) + writeMs(imageBytes, flash);
  const verifyMs = options.verifyMs ?? 0;
  const linkMs = linkUs / 1000;
  return summary({
    linkMs,
    answersMs: events.atMs - linkMs,
    targetMs: flashMs + verifyMs,
    totalMs: verifyMs + Math.max(events.atMs, flashMs),
    boundMs: verifyMs + Math.max(linkMs, flashMs),
    payloadBytes: imageBytes,
    bareBytesPerSecond: (unit * 1e6) / packetsUs(unit).reduce((sum, us) => sum + us, 0),
  });
}

export interface SmpBleFloorOptions {
  readonly imageBytes: number;
  readonly intervalMs: number;
  readonly mtu: number;
  readonly linkPayloadBytes: number;
  readonly phy: Phy;
  /** As the target's `params` say. */
  readonly bufSize: number;
  /** Requests that may be under way: `buf_count - 1`, at least 1. */
  readonly window: number;
  readonly flash: FlashFigures;
  /** The target's time for any request. Default 0. */
  readonly processMs?: number;
}

/**
 * SMP image upload over Bluetooth LE, all chunks and their answers, erase included. With a window the answers ride on
 * the packets of later requests, and only the first and the last one are awaited.
 */
export function smpBleFloor(options: SmpBleFloorOptions): TransferFloor {
  const { imageBytes, intervalMs, mtu, linkPayloadBytes, phy, bufSize, flash } = options;
  const processMs = options.processMs ?? 0;
  const fragment = mtu - ATT_VALUE_HEADER_BYTES;
  const isWindowed = options.window > 1;
  const events = new ConnectionEvents(intervalMs);
  let linkUs = 0;
  let waitedMs = 0;
  let answerBytes = 0;
  const exchange = (centralBytes: number, peripheralBytes: number): void => {
    const us = exchangeUs(centralBytes, peripheralBytes, phy);
    linkUs += us;
    events.exchange(us);
  };
  for (let off = 0; off < imageBytes;) {
    const bytes = Math.min(smpChunkBytes(bufSize, off, imageBytes), imageBytes - off);
    if (bytes <= 0) throw new RangeError(`a buffer of ${bufSize} bytes holds no chunk`);
    const message = smpChunkOverhead(off, bytes, imageBytes) + bytes;
    for (let at = 0; at < message; at += fragment) {
      for (const packet of linkPacketsOf(Math.min(fragment, message - at) + ATT_VALUE_HEADER_BYTES, linkPayloadBytes)) {
        exchange(packet, answerBytes);
        answerBytes = 0;
      }
    }
    const isFirst = off === 0;
    off += bytes;
    // Answer: header, map, "off", number, end of map; as a notification in one link packet.
    answerBytes = 8 + 1 + 4 + cborHeadBytes(off) + 1 + ATT_VALUE_HEADER_BYTES + 4;
    if (!isWindowed || isFirst || off === imageBytes) {
      const ownMs = processMs + (isFirst ? eraseMs(imageBytes, flash) : 0) + (isWindowed ? 0 : writeMs(bytes, flash));
      waitedMs += ownMs;
      events.wait(ownMs);
      exchange(0, answerBytes);
      answerBytes = 0;
      events.nextEvent();
    }
  }
  const linkMs = linkUs / 1000;
  const erase = eraseMs(imageBytes, flash);
  const write = writeMs(imageBytes, flash);
  return summary({
    linkMs,
    answersMs: events.atMs - linkMs - waitedMs,
    targetMs: erase + write,
    totalMs: isWindowed ? erase + Math.max(events.atMs - erase, write) : events.atMs,
    boundMs: erase + (isWindowed ? Math.max(linkMs, write) : linkMs + write),
    payloadBytes: imageBytes,
    bareBytesPerSecond:
      (fragment * 1e6) /
      linkPacketsOf(mtu, linkPayloadBytes).reduce((sum, packet) => sum + exchangeUs(packet, 0, phy), 0),
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
    totalMs: erase + answersMs + alongside,
    boundMs: erase + alongside,
    payloadBytes: imageBytes,
    bareBytesPerSecond: (fullChunk * 1000) / (consoleWireBytes(limit) * byteMs),
  });
}

/** Bytes of an upload request besides its data. */
function smpChunkOverhead(off: number, data: number, imageBytes: number): number {
  const first = off === 0 ? 4 + cborHeadBytes(imageBytes) + 4 + 2 + 32 : 0;
  return 8 + 1 + 5 + cborHeadBytes(data) + 4 + cborHeadBytes(off) + first;
}

function summary(parts: Omit<TransferFloor, 'bytesPerSecond'>): TransferFloor {
  return { ...parts, bytesPerSecond: (parts.payloadBytes * 1000) / parts.totalMs };
}
