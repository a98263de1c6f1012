/**
 * The floor of a Secure DFU transfer over a serial line, computed apart from all session code: see `floor.ts` for what a
 * floor is.
 *
 * Source: nRF5 SDK 17, nrf_dfu_serial.c (frames), nrf_dfu_req_handler.c (what is answered); wire: 10 bits a byte.
 */
import type { FlashFigures, TransferFloor } from './floor.js';

export interface SecureDfuSerialFloorOptions {
  readonly image: Uint8Array;
  /** Length of the `.dat`. Default 141. */
  readonly initPacketBytes?: number;
  readonly baud: number;
  /** Longest frame on the line: 131 for UART, 2051 for USB CDC. */
  readonly mtu: number;
  readonly flash: FlashFigures;
  /** The target's time for any request. Default 0. */
  readonly answerMs?: number;
  /** The target's signature check. Default 0. */
  readonly verifyMs?: number;
  /** Default 4096. */
  readonly objectBytes?: number;
}

/** Bytes of a frame on the line: its escapes counted, one END behind it. */
function lineBytes(frame: Iterable<number>): number {
  let bytes = 1;
  for (const byte of frame) bytes += byte === 0xc0 || byte === 0xdb ? 2 : 1;
  return bytes;
}

/** Init packet and image, from Select to the last answer. A processor without a SoftDevice beside it stands still while it erases. */
export function secureDfuSerialFloor(options: SecureDfuSerialFloorOptions): TransferFloor {
  const { image, baud, flash } = options;
  const answerMs = options.answerMs ?? 0;
  const objectBytes = options.objectBytes ?? 4096;
  const half = Math.floor((options.mtu - 1) / 2) - 1;
  const unit = half - (half % 4);
  const byteMs = 10_000 / baud;
  // Requests and answers by their lengths: select 2/15, create 6/3, checksum 1/11, execute 1/3, each with its END.
  const turn = (request: number, answer: number): number => (request + 1 + answer + 1) * byteMs + answerMs;
  const create = turn(6, 3);
  const checksum = turn(1, 11);
  const execute = turn(1, 3);
  const select = turn(2, 15);
  const initBytes = options.initPacketBytes ?? 141;

  let linkMs = select + create + (initBytes + 2 * Math.ceil(initBytes / unit)) * byteMs + checksum + execute + select;
  let answers = 5;
  for (let at = 0; at < image.length; at += objectBytes) {
    const object = image.subarray(at, at + objectBytes);
    for (let from = 0; from < object.length; from += unit) {
      linkMs += lineBytes([0x08, ...object.subarray(from, from + unit)]) * byteMs;
    }
    linkMs += create + checksum + execute;
    answers += 3;
  }
  const eraseMs = Math.ceil(image.length / flash.pageBytes) * flash.eraseMsPerPage;
  const writeMs = (Math.ceil(image.length / 4) * flash.writeUsPerWord) / 1000;
  const verifyMs = options.verifyMs ?? 0;
  const answersMs = answers * answerMs;
  const wireMs = linkMs - answersMs;
  const totalMs = linkMs + eraseMs + writeMs + verifyMs;
  return {
    linkMs: wireMs,
    answersMs,
    targetMs: eraseMs + writeMs + verifyMs,
    totalMs,
    boundMs: verifyMs + eraseMs + Math.max(wireMs, writeMs),
    payloadBytes: image.length,
    bytesPerSecond: (image.length * 1000) / totalMs,
    bareBytesPerSecond: (unit * 1000) / ((unit + 2) * byteMs),
  };
}
