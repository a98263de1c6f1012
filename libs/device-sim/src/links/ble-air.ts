/**
 * What Bluetooth LE packets cost on the air, unencrypted.
 *
 * Source: Bluetooth Core 5.x, Vol 6 Part B, 2.1 (packet format) and 4.1 (inter-frame space).
 * Cross-check: 251-byte payload on 1M is 2088 us, on 2M 1048 us; 27-byte payload on 1M is 296 us.
 */
export type Phy = 1 | 2;

/** Time between the end of one packet and the start of the next, microseconds. */
export const INTER_FRAME_SPACE_US = 150;
/** L2CAP basic header in front of every ATT message. */
export const L2CAP_HEADER_BYTES = 4;
/** Opcode and handle in front of the value of a write, a write command or a notification. */
export const ATT_VALUE_HEADER_BYTES = 3;

/** @param payloadBytes link-layer payload, 0 (empty packet) to 251. @returns microseconds on the air. */
export function linkPacketAirUs(payloadBytes: number, phy: Phy): number {
  // preamble (1 octet on 1M, 2 on 2M) + access address 4 + header 2 + payload + CRC 3
  return phy === 1 ? (10 + payloadBytes) * 8 : (11 + payloadBytes) * 4;
}

/** Link-layer payload sizes of one ATT message of that length: full packets and the rest. */
export function linkPacketsOf(attBytes: number, linkPayloadBytes: number): number[] {
  const sizes: number[] = [];
  for (let left = attBytes + L2CAP_HEADER_BYTES; left > 0; left -= linkPayloadBytes) {
    sizes.push(Math.min(left, linkPayloadBytes));
  }
  return sizes;
}

/** One exchange inside a connection event: central's packet, peripheral's packet, and both pauses. Microseconds. */
export function exchangeUs(centralPayloadBytes: number, peripheralPayloadBytes: number, phy: Phy): number {
  return (
    linkPacketAirUs(centralPayloadBytes, phy) +
    INTER_FRAME_SPACE_US +
    linkPacketAirUs(peripheralPayloadBytes, phy) +
    INTER_FRAME_SPACE_US
  );
}
