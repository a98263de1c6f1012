/** Worked files of the format, made apart from this code (Node's zlib and crypto, checked against third-party parsers). */
import { fromHex } from '../../bytes/hex.js';

/** Header and end: the smallest file. */
export const SMALLEST = fromHex('eb 17 a6 03 08 00 00 00 00 00 00 03 00 00 00 00 fc 04 04 fc 04 00 00 00 e9 4c 9a e0');
/** Application info (type 0x20, version 0x01020003, product 00..0f) and 00..0f at 0x4000. */
export const PLAIN = fromHex(
  'eb 17 a6 03 08 00 00 00 00 00 00 03 00 00 00 00 f4 0a 0a f4 1c 00 00 00 20 00 00 00 03 00 02 01 00 00 00 00 ' +
    '00 01 02 03 04 05 06 07 08 09 0a 0b 0c 0d 0e 0f fd 03 03 fd 14 00 00 00 00 40 00 00 ' +
    '00 01 02 03 04 05 06 07 08 09 0a 0b 0c 0d 0e 0f fc 04 04 fc 04 00 00 00 cb c4 63 ae',
);
/** The same with metadata `{"v":1}` before the end, and one byte of padding. */
export const WITH_METADATA_TAIL = fromHex(
  'f6 08 08 f6 07 00 00 00 7b 22 76 22 3a 31 7d fc 04 04 fc 04 00 00 00 da d3 5b 2c ff',
);
/** SHA-256 of the first 80 bytes of the plain file with header type 0x100. */
export const SIGNED_DIGEST = 'c4d72707771df6ed750cfe55eba12c5195117c50c9cc7651eb777739d97f616c';
export const AES_KEY = fromHex('000102030405060708090a0b0c0d0e0f');
export const NONCE = fromHex('a0a1a2a3a4a5a6a7a8a9aaab');
/** The plain file, encrypted. */
export const ENCRYPTED = fromHex(
  'eb 17 a6 03 08 00 00 00 00 00 00 03 01 00 00 00 fa 06 06 fa 10 00 00 00 40 00 00 00 ' +
    'a0 a1 a2 a3 a4 a5 a6 a7 a8 a9 aa ab f9 07 07 f9 40 00 00 00 5a b9 62 25 b9 3f ca 81 f2 c6 00 fd 99 30 db e2 ' +
    '4b f7 2f c9 b1 8a d8 03 8b d2 36 0b ad 25 e2 ce 20 e2 66 3e 58 7d c7 03 d7 eb 38 14 e1 63 57 77 ad 58 c8 5d ' +
    '05 6c 5d 80 ea a8 e7 2f b4 63 ae 7f fc 04 04 fc 04 00 00 00 32 c5 a3 56',
);
/** "application >= 1.2.0", as a whole tag. */
export const DEPENDENCY = fromHex('eb 17 a6 76 08 00 00 00 01 06 00 00 00 00 02 01');
