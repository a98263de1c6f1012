/**
 * The cryptographic functions of LE legacy pairing. All values lie as they go over the air, least significant byte first.
 *
 * Source: Bluetooth Core 5.2, Vol 3 Part H, 2.2.1 (e), 2.2.3 (c1), 2.2.4 (s1).
 */
import { aesBlock } from './aes.js';

export interface PairingParties {
  /** 6 bytes. */
  readonly initiator: Uint8Array;
  readonly initiatorIsRandom: boolean;
  readonly responder: Uint8Array;
  readonly responderIsRandom: boolean;
}

/** Confirm value: what commits a side to its random number. @param request, response the two pairing messages whole. */
export function c1(
  key: Uint8Array,
  random: Uint8Array,
  request: Uint8Array,
  response: Uint8Array,
  parties: PairingParties,
): Buffer {
  const types = [parties.initiatorIsRandom ? 1 : 0, parties.responderIsRandom ? 1 : 0];
  const p1 = Buffer.concat([Buffer.from(types), request, response]);
  const p2 = Buffer.concat([parties.responder, parties.initiator, Buffer.alloc(4)]);
  return e(key, xor(e(key, xor(random, p1)), p2));
}

/** Short term key from both random numbers. */
export function s1(key: Uint8Array, responderRandom: Uint8Array, initiatorRandom: Uint8Array): Buffer {
  return e(key, Buffer.concat([initiatorRandom.subarray(0, 8), responderRandom.subarray(0, 8)]));
}

/** AES-128 of one block. */
export function e(key: Uint8Array, data: Uint8Array): Buffer {
  return aesBlock(Buffer.from(key).reverse(), Buffer.from(data).reverse()).reverse();
}

function xor(left: Uint8Array, right: Uint8Array): Buffer {
  return Buffer.from(left.map((byte, at) => byte ^ (right[at] ?? 0)));
}
