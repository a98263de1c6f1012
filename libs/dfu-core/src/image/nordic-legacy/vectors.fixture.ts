/**
 * Worked values that did not come from this code: CRC-16 computed bit by bit, hashes by another implementation, fields
 * laid out by hand as in nrfutil 0.5.3, init_packet.py. The image is the bytes 00..0f.
 */
import { fromHex } from '../../bytes/hex.js';

export const I16 = fromHex('000102030405060708090a0b0c0d0e0f');
export const I16_CRC16 = 0x3b37;
export const I16_SHA256 = 'be45cb2605bf36bebde684841a28f0fd43c69850a3dce5fedba69928ee3a8991';

/** Any device, any SoftDevice, no version: what gen_dat makes. */
export const DAT_05 = fromHex('FF FF FF FF FF FF FF FF 01 00 FE FF 37 3B');
/** Type 0x0052, revision 52840, version 1, SoftDevices 0x00B6 and 0x0101. */
export const DAT_05_NAMED = fromHex('52 00 68 CE 01 00 00 00 02 00 B6 00 01 01 37 3B');
export const DAT_06 = fromHex('FF FF FF FF FF FF FF FF 01 00 FE FF 00 00 00 00 37 3B');
export const DAT_07 = fromHex(
  'FF FF FF FF FF FF FF FF 01 00 FE FF 01 00 00 00 10 00 00 00 BE 45 CB 26 05 BF 36 BE BD E6 84 84 1A 28 F0 FD 43 C6 98 50 A3 DC E5 FE DB A6 99 28 EE 3A 89 91',
);
