/**
 * Keys in the forms that Nordic's tools print: each number least significant byte first, as the bootloader keeps them.
 *
 * Source: pc-nrfutil, nordicsemi/dfu/signing.py; nRF5 SDK 17, examples/dfu/dfu_public_key.c.
 */
import { toHex } from '../../bytes/hex.js';
import { nordicPublicKey } from './signature.js';

/** @param publicKey 64 bytes x, y, or 65 bytes SEC1. */
export function nordicKeyHex(publicKey: Uint8Array): string {
  return toHex(nordicPublicKey(point(publicKey)));
}

/** @returns C source with `pk[64]`, to be compiled into the bootloader. */
export function nordicKeyCode(publicKey: Uint8Array): string {
  const bytes = nordicPublicKey(point(publicKey));
  const row = (part: Uint8Array): string => Array.from(part, (byte) => `0x${toHex(Uint8Array.of(byte))}`).join(', ');
  return [
    '/* Made by drydock-agent keys. */',
    '',
    '#include "stdint.h"',
    '#include "compiler_abstraction.h"',
    '',
    '/** @brief Public key used to verify DFU images */',
    '__ALIGN(4) const uint8_t pk[64] =',
    '{',
    `    ${row(bytes.subarray(0, 32))},`,
    `    ${row(bytes.subarray(32))}`,
    '};',
    '',
  ].join('\n');
}

const point = (key: Uint8Array): Uint8Array => (key.length === 65 ? key.subarray(1) : key);
