/**
 * The floor of a TI OAD transfer, computed from TI's documents and apart from all session code; see `floor.ts` for what a
 * floor is.
 *
 * TI's procedure obliges the host to await one answer for each block: the block request.
 *
 * Source: TI BLE5-Stack User's Guide, "BLE-Stack OAD Profile"; TI BLE-Stack 2.x User's Guide, OAD.
 */
import { ATT_VALUE_HEADER_BYTES, exchangeUs, linkPacketsOf, type Phy } from './ble-air.js';
import type { FlashFigures, TransferFloor } from './floor.js';

export interface TiOadFloorOptions {
  readonly imageBytes: number;
  /** `enhanced`: blocks filled to the MTU, u32 numbers; `classic`: 16 bytes, u16 numbers. */
  readonly kind: 'enhanced' | 'classic';
  readonly intervalMs: number;
  readonly mtu: number;
  readonly linkPayloadBytes: number;
  readonly phy: Phy;
  readonly flash: FlashFigures;
  /** The target's check of the whole image. Default 0. */
  readonly verifyMs?: number;
}

const L2CAP_AND_ATT_BYTES = 7;

/** Bytes of one block, its number included, and of its number and its request. */
function unitOf({ kind, mtu }: Pick<TiOadFloorOptions, 'kind' | 'mtu'>): {
  block: number;
  number: number;
  request: number;
} {
  if (kind === 'classic') return { block: 18, number: 2, request: 2 };
  return { block: Math.max(20, Math.min(244, (mtu - ATT_VALUE_HEADER_BYTES) & ~3)), number: 4, request: 6 };
}

/** From the first block to the answer to the last one; identify and start are a handful of messages before. */
export function tiOadFloor(options: TiOadFloorOptions): TransferFloor {
  const { imageBytes, intervalMs, linkPayloadBytes, phy, flash } = options;
  const { block, number, request } = unitOf(options);
  const data = block - number;
  const writeUs = (valueBytes: number): number =>
    linkPacketsOf(valueBytes + ATT_VALUE_HEADER_BYTES, linkPayloadBytes).reduce(
      (sum, packet) => sum + exchangeUs(packet, 0, phy),
      0,
    );
  const requestUs = exchangeUs(0, request + L2CAP_AND_ATT_BYTES, phy);
  const blocks = Math.ceil(imageBytes / data);
  const rest = imageBytes % data;
  const blocksUs = Math.floor(imageBytes / data) * writeUs(block) + (rest > 0 ? writeUs(rest + number) : 0);
  const linkMs = (blocksUs + blocks * requestUs) / 1000;
  const answersMs = blocks * intervalMs;
  const flashMs =
    Math.ceil(imageBytes / flash.pageBytes) * flash.eraseMsPerPage +
    (Math.ceil(imageBytes / 4) * flash.writeUsPerWord) / 1000;
  const targetMs = flashMs + (options.verifyMs ?? 0);
  const totalMs = linkMs + answersMs + targetMs;
  return {
    linkMs,
    answersMs,
    targetMs,
    totalMs,
    boundMs: (options.verifyMs ?? 0) + Math.max(linkMs, flashMs),
    payloadBytes: imageBytes,
    bytesPerSecond: (imageBytes * 1000) / totalMs,
    bareBytesPerSecond: (data * 1e6) / writeUs(block),
  };
}
