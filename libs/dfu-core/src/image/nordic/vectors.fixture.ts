/**
 * Worked values that did not come from this code: computed with a bitwise CRC, zlib and a separate P-256 with RFC 6979,
 * its hash checked against RFC 6979 A.2.5; the protobuf was encoded by hand from nRF5 SDK 17 dfu-cc.proto.
 * The key is the public test key of RFC 6979 A.2.5.
 */
import { fromHex } from '../../bytes/hex.js';

export const I16 = fromHex('000102030405060708090a0b0c0d0e0f');

export const RFC6979_PRIVATE_KEY = fromHex('c9afa9d845ba75166b5c215767b1d6934e50c3db36e89b127b8a622b120f6721');
/** x, y big-endian. */
export const RFC6979_PUBLIC_KEY = fromHex(
  '60fed4ba255a9d31c961eb74c6356d68c049b8923b61fa6ce669622e60f29fb6' +
    '7903fe1008b8bc99a41ae9e95628bc64f2f1b20c2d7e9f5177a3c294d4462299',
);

/** Application I16, fw_version 1, hw_version 52, sd_req [0x0101], one boot validation of type 1. */
export const INIT_COMMAND = fromHex(
  '08 01 10 34 1A 02 81 02 20 00 28 00 30 00 38 10 42 24 08 03 12 20 91 89 3A EE 28 99 A6 DB FE E5 DC A3 50 98 C6 43 ' +
    'FD F0 28 1A 84 84 E6 BD BE 36 BF 05 26 CB 45 BE 48 00 52 04 08 01 12 00',
);
export const UNSIGNED_PACKET = Uint8Array.of(...fromHex('0A 42 08 01 12 3E'), ...INIT_COMMAND);
export const UNSIGNED_PACKET_CRC32 = 0x68833970;

export const SIGNATURE_ON_WIRE = fromHex(
  '3134FAA4D0E5D8C47C9B30D2610A182F3E7499B12D0960E164DA5E06A733EF20' +
    'DEA6B2589036A848DB98DA560D7370E397DE66F2503FB06C04882C55E7948798',
);
export const SIGNED_PACKET = Uint8Array.of(
  ...fromHex('12 88 01 0A 42 08 01 12 3E'),
  ...INIT_COMMAND,
  ...fromHex('10 00 1A 40'),
  ...SIGNATURE_ON_WIRE,
);
export const SIGNED_PACKET_CRC32 = 0xd3bcf43f;
