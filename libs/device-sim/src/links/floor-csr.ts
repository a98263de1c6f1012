/**
 * The floor of a CSR DFU transfer over BCSP, computed apart from all session code: see `floor.ts` for what a floor is.
 *
 * Wire: 11 bits a byte (8E1). For each block: the request and its response, one status request and its answer, and the
 * flash work that the loader announces. Acknowledgements ride on requests and responses.
 * Sources: BlueZ, tools/ubcsp.c (frames), tools/dfutool.c (blocks, status after each); request heads of five bytes and
 * response heads of four are those of the simulated loader.
 */
import type { FlashFigures, TransferFloor } from './floor.js';
import { peerCrc } from '../targets/csr-bc127/bcsp-peer.js';

export interface CsrBcspFloorOptions {
  /** The file without its suffix. */
  readonly body: Uint8Array;
  readonly baud: number;
  /** Default 1023. */
  readonly blockBytes?: number;
  readonly flash: FlashFigures;
  /** The loader's check at the end. Default 200. */
  readonly manifestMs?: number;
}

const STATUS_BYTES = 6;
const escaped = (bytes: readonly number[]): number =>
  bytes.reduce((sum, byte) => sum + (byte === 0xc0 || byte === 0xdb ? 2 : 1), 0);

/** Bytes of a frame on the line; numbers of the header vary, so its escapes are not counted. */
function frameBytes(payload: readonly number[]): number {
  return 2 + 4 + escaped(payload) + peerCrc(payload).length;
}

/** All blocks, from the first to the answer of the check. */
export function csrBcspFloor(options: CsrBcspFloorOptions): TransferFloor {
  const { body, flash } = options;
  const blockBytes = options.blockBytes ?? 1023;
  const byteMs = 11_000 / options.baud;
  const head = (length: number): number[] => [1, 0, 0, length & 0xff, length >> 8];
  const status = frameBytes([3, 0, 0, STATUS_BYTES, 0]) + frameBytes(new Array<number>(4 + STATUS_BYTES).fill(0));
  const response = frameBytes([0x81, 0, 0, 0]);
  let bytes = 0;
  let writeMs = 0;
  for (let at = 0; at < body.length; at += blockBytes) {
    const block = body.subarray(at, at + blockBytes);
    bytes += frameBytes([...head(block.length), ...block]) + response + status;
    writeMs += (Math.ceil(block.length / 4) * flash.writeUsPerWord) / 1000;
  }
  bytes += frameBytes(head(0)) + response + status;
  const linkMs = bytes * byteMs;
  const targetMs =
    Math.ceil(body.length / flash.pageBytes) * flash.eraseMsPerPage + writeMs + (options.manifestMs ?? 200);
  const totalMs = linkMs + targetMs;
  return {
    linkMs,
    answersMs: 0,
    targetMs,
    totalMs,
    boundMs: Math.max(linkMs, targetMs),
    payloadBytes: body.length,
    bytesPerSecond: (body.length * 1000) / totalMs,
    bareBytesPerSecond: (blockBytes * 1000) / ((blockBytes + 13) * byteMs),
  };
}
