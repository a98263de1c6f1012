/**
 * The floor of a TI OAD transfer, computed from TI's documents and apart from all session code; see `floor.ts` for what a
 * floor is.
 *
 * A block request answers each block. The target takes blocks ahead of its requests as far as its queue goes, so that with
 * more than one under way nothing is awaited but the first and the last request: the others ride on the packets of later
 * blocks, and the air is the bound. One at a time, each request is awaited, and ends its connection event.
 *
 * Source: TI BLE5-Stack User's Guide, "BLE-Stack OAD Profile"; TI BLE-Stack 2.x User's Guide, OAD.
 */
import { ATT_VALUE_HEADER_BYTES, exchangeUs, L2CAP_HEADER_BYTES, linkPacketsOf, type Phy } from './ble-air.js';
import { ConnectionEvents } from './connection-events.js';
import type { FlashFigures, TransferFloor } from './floor.js';

export interface TiOadFloorOptions {
  readonly imageBytes: number;
  /** `enhanced`: blocks filled to the MTU, u32 numbers; `classic`: 16 bytes, u16 numbers. */
  readonly kind: 'enhanced' | 'classic';
  /** Blocks that may be under way; 1: each request is awaited. */
  readonly window: number;
  readonly intervalMs: number;
  readonly mtu: number;
  readonly linkPayloadBytes: number;
  readonly phy: Phy;
  readonly flash: FlashFigures;
  /** The target's check of the whole image. Default 0. */
  readonly verifyMs?: number;
}

const NOTIFICATION_HEAD_BYTES = L2CAP_HEADER_BYTES + ATT_VALUE_HEADER_BYTES;

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
  const requestBytes = request + NOTIFICATION_HEAD_BYTES;
  const isWindowed = options.window > 1;
  const events = new ConnectionEvents(intervalMs);
  let linkUs = 0;
  const exchange = (centralBytes: number, peripheralBytes: number): void => {
    const us = exchangeUs(centralBytes, peripheralBytes, phy);
    linkUs += us;
    events.exchange(us);
  };
  let isAsked = false;
  for (let at = 0; at < imageBytes; at += data) {
    const bytes = Math.min(data, imageBytes - at);
    for (const packet of linkPacketsOf(bytes + number + ATT_VALUE_HEADER_BYTES, linkPayloadBytes)) {
      exchange(packet, isAsked ? requestBytes : 0);
      isAsked = false;
    }
    const isAwaited = !isWindowed || at === 0 || at + data >= imageBytes;
    if (isAwaited) {
      exchange(0, requestBytes);
      events.nextEvent();
    } else isAsked = true;
  }
  const erase = Math.ceil(imageBytes / flash.pageBytes) * flash.eraseMsPerPage;
  const write = (Math.ceil(imageBytes / 4) * flash.writeUsPerWord) / 1000;
  const verifyMs = options.verifyMs ?? 0;
  const linkMs = linkUs / 1000;
  const totalMs = verifyMs + Math.max(events.atMs, erase + write);
  return {
    linkMs,
    answersMs: events.atMs - linkMs,
    targetMs: erase + write + verifyMs,
    totalMs,
    boundMs: verifyMs + Math.max(linkMs, erase + write),
    payloadBytes: imageBytes,
    bytesPerSecond: (imageBytes * 1000) / totalMs,
    bareBytesPerSecond:
      (data * 1e6) /
      linkPacketsOf(block + ATT_VALUE_HEADER_BYTES, linkPayloadBytes).reduce(
        (sum, packet) => sum + exchangeUs(packet, 0, phy),
        0,
      ),
  };
}
