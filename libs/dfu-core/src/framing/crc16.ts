/**
 * CRC-16/XMODEM: polynomial 0x1021, initial value 0, no reflection, no final xor.
 * Check value: 0x31c3 for ASCII `123456789`.
 *
 * Source: Zephyr `doc/services/device_mgmt/smp_transport.rst`; catalogue of CRC algorithms, "CRC-16/XMODEM".
 */
const TABLE = Uint16Array.from({ length: 256 }, (_, byte) => {
  let crc = byte << 8;
  for (let bit = 0; bit < 8; bit++) crc = crc & 0x8000 ? (crc << 1) ^ 0x1021 : crc << 1;
  return crc & 0xffff;
});

/**
 * @param initial the result over the bytes before, to go on from there.
 * @returns 16 bits. Over a message followed by its own CRC (big-endian) it is 0.
 */
export function crc16Xmodem(bytes: Uint8Array, initial = 0): number {
  let crc = initial;
  for (const byte of bytes) crc = ((crc << 8) ^ (TABLE[((crc >> 8) ^ byte) & 0xff] ?? 0)) & 0xffff;
  return crc;
}
