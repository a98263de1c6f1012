/**
 * CRC-32/ISO-HDLC (the one of zlib, zip and Nordic Secure DFU): reflected polynomial 0xEDB88320,
 * start and final XOR 0xFFFFFFFF. Check value over ASCII `123456789`: 0xCBF43926.
 *
 * Sources: nRF5 SDK 17, components/libraries/crc32/crc32.c; PKWARE APPNOTE 6.3.10, 4.4.7.
 */
const TABLE = makeTable();

function makeTable(): Uint32Array {
  const table = new Uint32Array(256);
  for (let byte = 0; byte < 256; byte++) {
    let value = byte;
    for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ 0xedb88320 : value >>> 1;
    table[byte] = value;
  }
  return table;
}

/**
 * @param previous result of an earlier call: the checksum then runs on over both pieces (as `zlib.crc32(data, prev)`).
 * @returns an unsigned 32-bit number.
 */
export function crc32(bytes: Uint8Array, previous = 0): number {
  let crc = ~previous;
  for (let i = 0; i < bytes.length; i++) crc = (crc >>> 8) ^ TABLE[(crc ^ bytes[i]!) & 0xff]!;
  return ~crc >>> 0;
}
