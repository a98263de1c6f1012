/**
 * What the air alone would take, computed apart from link and session code.
 *
 * Air times: Bluetooth Core 5.2, Vol 6 Part B, 2.1 and 4.1. Messages of Secure DFU: nRF5 SDK 17, nrf_dfu_ble.c.
 */
import { ATT_VALUE_HEADER_BYTES, exchangeUs, L2CAP_HEADER_BYTES, type Phy } from '@drydock/device-sim';

const INTERVAL_MS = 15;
const OBJECT_BYTES = 4096;
const PACKET_BYTES = 244;
/** Requests and answers of one data object, value bytes: create, its answer; receipt; execute, its answer. */
const REQUEST_BYTES = [6, 1];
const NOTIFICATION_BYTES = [3, 11, 3];
/** Answers that must be seen before the next message may leave: to create and to execute. */
const AWAITED_PER_OBJECT = 2;

const linkBytes = (valueBytes: number): number => valueBytes + ATT_VALUE_HEADER_BYTES + L2CAP_HEADER_BYTES;
const toDeviceMs = (valueBytes: number, phy: Phy): number => exchangeUs(linkBytes(valueBytes), 0, phy) / 1000;
const toHostMs = (valueBytes: number, phy: Phy): number => exchangeUs(0, linkBytes(valueBytes), phy) / 1000;

/**
 * Air time of every message of the image's transfer, each packet filled, and one connection event for each answer that
 * has to be awaited.
 */
export function secureDfuFloorMs(imageBytes: number, phy: Phy): number {
  let totalMs = 0;
  for (let at = 0; at < imageBytes; at += OBJECT_BYTES) {
    const objectBytes = Math.min(OBJECT_BYTES, imageBytes - at);
    for (let sent = 0; sent < objectBytes; sent += PACKET_BYTES) {
      totalMs += toDeviceMs(Math.min(PACKET_BYTES, objectBytes - sent), phy);
    }
    for (const bytes of REQUEST_BYTES) {
      // The write response is one byte of ATT.
      totalMs += toDeviceMs(bytes, phy) + exchangeUs(0, L2CAP_HEADER_BYTES + 1, phy) / 1000;
    }
    for (const bytes of NOTIFICATION_BYTES) totalMs += toHostMs(bytes, phy);
    totalMs += AWAITED_PER_OBJECT * INTERVAL_MS;
  }
  return totalMs;
}

/** Write commands of that many bytes: as many whole ones as an interval holds, or one after the other without gap. */
export function bareFloorBytesPerSecond(valueBytes: number, phy: Phy, how: 'events' | 'back-to-back'): number {
  const oneMs = toDeviceMs(valueBytes, phy);
  if (how === 'back-to-back') return (valueBytes / oneMs) * 1000;
  return ((Math.floor(INTERVAL_MS / oneMs) * valueBytes) / INTERVAL_MS) * 1000;
}
