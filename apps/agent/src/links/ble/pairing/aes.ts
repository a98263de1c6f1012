/**
 * AES-128 of one block and AES-CMAC. Most significant byte first, as their own documents write them.
 *
 * Source: FIPS 197; RFC 4493 (the AES-CMAC algorithm).
 */
import { createCipheriv } from 'node:crypto';
import { cmac } from '@noble/ciphers/aes.js';

/** @param key, block 16 bytes. */
export function aesBlock(key: Uint8Array, block: Uint8Array): Buffer {
  const cipher = createCipheriv('aes-128-ecb', key, null);
  cipher.setAutoPadding(false);
  return Buffer.concat([cipher.update(block), cipher.final()]);
}

/** @param key 16 bytes. @returns 16 bytes. */
export function aesCmac(key: Uint8Array, message: Uint8Array): Buffer {
  return Buffer.from(cmac(message, key));
}
