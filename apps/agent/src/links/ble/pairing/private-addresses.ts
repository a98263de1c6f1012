/**
 * Resolvable private addresses: whose they are, by the identity resolving key of a bond.
 *
 * Source: Bluetooth Core 5.2, Vol 3 Part H, 2.2.2 (ah); Vol 6 Part B, 1.3.2.2 (format), 1.3.2.3 (resolution).
 */
import { e } from './legacy-functions.js';

/** Hash of the random part of an address. @param irk 16 bytes, @param prand 3 bytes, least significant first. @returns 3 bytes. */
export function ah(irk: Uint8Array, prand: Uint8Array): Buffer {
  return e(irk, Buffer.concat([prand, Buffer.alloc(13)])).subarray(0, 3);
}

/** The two most significant bits are 01. @param address 6 bytes, least significant first. */
export function isResolvable(address: Uint8Array): boolean {
  return (address[5] ?? 0) >> 6 === 0b01;
}

/** Neither public nor static: it changes. @param address 6 bytes of a random address, least significant first. */
export function isPrivate(address: Uint8Array): boolean {
  return (address[5] ?? 0) >> 6 !== 0b11;
}

/** Whether the address was made with that key. A key of zeros says that its owner has no private addresses. */
export function resolves(irk: Uint8Array, address: Uint8Array): boolean {
  if (!isResolvable(address) || irk.every((byte) => byte === 0)) return false;
  return ah(irk, address.subarray(3, 6)).equals(address.subarray(0, 3));
}

/** A random address that stays: its two most significant bits are 11 (1.3.2.1). @param address 6 bytes, as above. */
export function isStatic(address: Uint8Array): boolean {
  return (address[5] ?? 0) >> 6 === 0b11;
}
