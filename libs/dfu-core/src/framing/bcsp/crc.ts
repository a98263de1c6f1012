/**
 * The CRC-16 of BCSP: polynomial 0x1021, started with 0xFFFF, bits taken least significant first, no final xor; then all
 * 16 bits are reversed. Sent high byte first. Check value: 0x89f6 for ASCII `123456789`.
 *
 * Source: BlueZ, tools/ubcsp.c; Linux, drivers/bluetooth/hci_bcsp.c.
 */
const TABLE = Uint16Array.from({ length: 256 }, (_, byte) => {
  let value = byte;
  for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ 0x8408 : value >>> 1;
  return value;
});

/** @returns 16 bits, as they are sent. */
export function bcspCrc(bytes: Uint8Array): number {
  let register = 0xffff;
  for (const byte of bytes) register = (register >>> 8) ^ (TABLE[(register ^ byte) & 0xff] ?? 0);
  let reversed = 0;
  for (let bit = 0; bit < 16; bit++) reversed |= ((register >>> bit) & 1) << (15 - bit);
  return reversed;
}
