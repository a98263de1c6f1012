/**
 * What the air alone would take for the image of a Secure DFU update, computed apart from link and session code.
 *
 * Air times: Bluetooth Core 5.2, Vol 6 Part B, 2.1 and 4.1. Messages: nRF5 SDK 17, nrf_dfu_ble.c. Objects of 4096 bytes,
 * each: create, its answer; 17 packets; execute, receipt and answer. The answers to create and execute are awaited.
 */
import { ATT_VALUE_HEADER_BYTES, exchangeUs, L2CAP_HEADER_BYTES, type Phy } from '@drydock/device-sim';

export const INTERVAL_MS = 15;
const OBJECT_BYTES = 4096;
const PACKET_BYTES = 244;
const CREATE_BYTES = 6;
const EXECUTE_BYTES = 1;
const ANSWER_BYTES = 3;
const RECEIPT_BYTES = 11;

const linkBytes = (valueBytes: number): number => valueBytes + ATT_VALUE_HEADER_BYTES + L2CAP_HEADER_BYTES;
const toDeviceMs = (valueBytes: number, phy: Phy): number => exchangeUs(linkBytes(valueBytes), 0, phy) / 1000;
const toHostMs = (valueBytes: number, phy: Phy): number => exchangeUs(0, linkBytes(valueBytes), phy) / 1000;
/** A write response is one byte of ATT. */
const responseMs = (phy: Phy): number => exchangeUs(0, L2CAP_HEADER_BYTES + 1, phy) / 1000;

function* packetsOf(imageBytes: number): Generator<readonly number[]> {
  for (let at = 0; at < imageBytes; at += OBJECT_BYTES) {
    const left = Math.min(OBJECT_BYTES, imageBytes - at);
    yield Array.from({ length: Math.ceil(left / PACKET_BYTES) }, (_, i) =>
      Math.min(PACKET_BYTES, left - i * PACKET_BYTES),
    );
  }
}

/**
 * The floor: messages leave in connection events, whole, as many as an event holds, by a host that is never late. An
 * answer comes in the event after its request (the target thinks for longer than the event stays open), and what it was
 * awaited for leaves in the event after that. No host can do better on such a link, and still await both answers.
 */
export function eventFloorMs(imageBytes: number, phy: Phy): number {
  let events = 0;
  for (const packets of packetsOf(imageBytes)) {
    events += 2; // create; its answer
    let freeMs = 0;
    for (const bytes of [...packets, EXECUTE_BYTES]) {
      const airMs = toDeviceMs(bytes, phy);
      if (airMs > freeMs) {
        events++;
        freeMs = INTERVAL_MS;
      }
      freeMs -= airMs;
    }
    events += 1; // the answer to execute
  }
  return events * INTERVAL_MS;
}

/**
 * The bound without the grid of events: the air time of every message, each packet filled, and one interval for each
 * answer that has to be awaited. Below what a link with events can reach.
 */
export function airFloorMs(imageBytes: number, phy: Phy): number {
  let totalMs = 0;
  for (const packets of packetsOf(imageBytes)) {
    for (const bytes of [...packets, CREATE_BYTES, EXECUTE_BYTES]) totalMs += toDeviceMs(bytes, phy);
    for (const bytes of [ANSWER_BYTES, RECEIPT_BYTES, ANSWER_BYTES]) totalMs += toHostMs(bytes, phy);
    totalMs += 2 * responseMs(phy) + 2 * INTERVAL_MS;
  }
  return totalMs;
}

/** Write commands of that many bytes: as many whole ones as an interval holds, or one after the other without gap. */
export function bareFloorBytesPerSecond(valueBytes: number, phy: Phy, how: 'events' | 'back-to-back'): number {
  const oneMs = toDeviceMs(valueBytes, phy);
  if (how === 'back-to-back') return (valueBytes / oneMs) * 1000;
  return ((Math.floor(INTERVAL_MS / oneMs) * valueBytes) / INTERVAL_MS) * 1000;
}
