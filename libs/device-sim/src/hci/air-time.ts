/**
 * How long LE link packets occupy the air.
 *
 * Source: Bluetooth Core 5.2, Vol 6 Part B, 2.1 (uncoded packet format: preamble, access address, header,
 * payload, CRC; a MIC is not sent on unencrypted links) and 4.1 (T_IFS = 150 µs).
 */
export type Phy = '1m' | '2m';

/** Inter-frame space, µs. */
export const T_IFS_US = 150;
/** Smallest and largest link-layer payload, bytes. */
export const MIN_LINK_PAYLOAD = 27;
export const MAX_LINK_PAYLOAD = 251;

/** Air time of one link packet with so many payload bytes, µs. */
export function packetAirUs(payloadBytes: number, phy: Phy): number {
  return phy === '2m' ? (2 + 4 + 2 + payloadBytes + 3) * 4 : (1 + 4 + 2 + payloadBytes + 3) * 8;
}

/** One exchange: the central's packet, the peripheral's answer, and the space after each, µs. */
export function exchangeAirUs(toDeviceBytes: number, toHostBytes: number, phy: Phy): number {
  return packetAirUs(toDeviceBytes, phy) + T_IFS_US + packetAirUs(toHostBytes, phy) + T_IFS_US;
}
