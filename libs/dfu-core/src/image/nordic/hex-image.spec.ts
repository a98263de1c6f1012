import { describe, expect, it } from '@jest/globals';
import { toHex } from '../../bytes/hex.js';
import { nordicImageFromHex } from './hex-image.js';
import { nordicKeyCode, nordicKeyHex } from './key-forms.js';
import { RFC6979_PUBLIC_KEY } from './vectors.fixture.js';

const segment = (address: number, ...bytes: number[]): { address: number; bytes: Uint8Array } => ({
  address,
  bytes: Uint8Array.from(bytes),
});
const image = (...segments: { address: number; bytes: Uint8Array }[]): string =>
  toHex(nordicImageFromHex({ segments }));
/** 0x51b1e5db, the mark of a SoftDevice's info struct. */
const MAGIC = [0xdb, 0xe5, 0xb1, 0x51];

describe('an image from Intel HEX', () => {
  it('leaves out the MBR and UICR, fills gaps and the last word', () => {
    expect(image(segment(0, 1, 2), segment(0x1000, 3), segment(0x1004, 4, 5), segment(0x1000_1000, 9))).toBe(
      '03ffffff0405ffff',
    );
  });

  it('cuts a segment that begins in the MBR', () => {
    expect(image(segment(0x0ffe, 1, 2, 3, 4))).toBe('0304ffff');
  });

  it('begins where its first byte lies', () => {
    expect(image(segment(0x26000, 1, 2, 3, 4))).toBe('01020304');
  });

  it('knows the longer MBR part of older SoftDevices by their mark', () => {
    expect(image(segment(0x2ffc, 1, 1, 1, 1, 7, 7, 7, 7), segment(0x4004, ...MAGIC)).slice(0, 8)).toBe('07070707');
    expect(image(segment(0x2ffc, 1, 1, 1, 1), segment(0x3004, ...MAGIC)).slice(0, 8)).toBe('01010101');
  });

  it('refuses what lies nowhere in the flash, or spans more than any chip', () => {
    expect(() => nordicImageFromHex({ segments: [segment(0, 1)] })).toThrow('between the MBR');
    expect(() => nordicImageFromHex({ segments: [] })).toThrow('between the MBR');
    expect(() => nordicImageFromHex({ segments: [segment(0x1000, 1), segment(0x0fff_0000, 1)] })).toThrow('limit');
  });
});

describe('a public key as Nordic writes it', () => {
  // x and y of RFC 6979 A.2.5, each turned round outside this code.
  const hex =
    'b69ff2602e6269e66cfa613b92b849c0686d35c674eb61c9319d5a25bad4fe60' +
    '992246d494c2a377519f7e2d0cb2f1f264bc2856e9e91aa499bcb80810fe0379';

  it('in hex, in C, from either form of the point', () => {
    expect(nordicKeyHex(RFC6979_PUBLIC_KEY)).toBe(hex);
    expect(nordicKeyHex(Uint8Array.of(4, ...RFC6979_PUBLIC_KEY))).toBe(hex);
    const code = nordicKeyCode(RFC6979_PUBLIC_KEY);
    const bytes = [...code.matchAll(/0x([0-9a-f]{2})/g)].map(([, digits]) => digits).join('');
    expect(bytes).toBe(hex);
    expect(code).toContain('const uint8_t pk[64]');
  });
});
