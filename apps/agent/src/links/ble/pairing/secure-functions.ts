/**
 * The cryptographic functions of LE Secure Connections. All values lie as they go over the air, least significant byte
 * first.
 *
 * Source: Bluetooth Core 5.2, Vol 3 Part H, 2.2.6 (f4), 2.2.7 (f5), 2.2.8 (f6), 2.2.9 (g2).
 */
import { aesCmac } from './aes.js';

/** The salt of f5, as the specification prints it. */
const SALT = Buffer.from('6c888391aaf5a53860370bdb5a6083be', 'hex');
const KEY_ID = Buffer.from('btle', 'ascii');
/** 256: the bits that f5 yields. */
const LENGTH = Buffer.from([0x01, 0x00]);

/** Confirm value. @param u, v x coordinates, 32 bytes. @param x 16 bytes. @param z one byte: 0, or a bit of the passkey with 0x80. */
export function f4(u: Uint8Array, v: Uint8Array, x: Uint8Array, z: number): Buffer {
  return mac(x, turned(u), turned(v), Buffer.from([z]));
}

/** The key of the checks and the key of the link. @param w DHKey, 32 bytes. @param a1, a2 addresses, 7 bytes. */
export function f5(
  w: Uint8Array,
  n1: Uint8Array,
  n2: Uint8Array,
  a1: Uint8Array,
  a2: Uint8Array,
): { readonly macKey: Buffer; readonly ltk: Buffer } {
  const key = aesCmac(SALT, turned(w));
  const derive = (counter: number): Buffer => {
    const parts = [Buffer.from([counter]), KEY_ID, turned(n1), turned(n2), turned(a1), turned(a2), LENGTH];
    return aesCmac(key, Buffer.concat(parts)).reverse();
  };
  return { macKey: derive(0), ltk: derive(1) };
}

/** The check of a whole pairing. @param ioCap IO capability, OOB flag and authentication requirements, in that order. */
export function f6(
  w: Uint8Array,
  n1: Uint8Array,
  n2: Uint8Array,
  r: Uint8Array,
  ioCap: Uint8Array,
  a1: Uint8Array,
  a2: Uint8Array,
): Buffer {
  return mac(w, turned(n1), turned(n2), turned(r), turned(ioCap), turned(a1), turned(a2));
}

/** What people compare; its last six decimal digits are shown. */
export function g2(u: Uint8Array, v: Uint8Array, x: Uint8Array, y: Uint8Array): number {
  return mac(x, turned(u), turned(v), turned(y)).readUInt32LE(0);
}

/** An address as f5 and f6 take it: six bytes and its type. */
export function typedAddress(address: Uint8Array, isRandom: boolean): Buffer {
  return Buffer.concat([address, Buffer.from([isRandom ? 1 : 0])]);
}

/** @param parts most significant byte first. */
function mac(key: Uint8Array, ...parts: readonly Uint8Array[]): Buffer {
  return aesCmac(turned(key), Buffer.concat(parts)).reverse();
}

const turned = (value: Uint8Array): Buffer => Buffer.from(value).reverse();
