/**
 * The cryptographic toolbox of the security manager, as a device has it. Values lie as the specification prints them:
 * most significant byte first; who puts them on the air turns them round.
 *
 * Source: Bluetooth Core 5.2, Vol 3 Part H, 2.2; RFC 4493 (AES-CMAC); Vol 6 Part B, 1.3.2.2 (private addresses).
 */
import { createCipheriv, createECDH, type ECDH } from 'node:crypto';

const ZERO = Buffer.alloc(16);

/** Security function e. */
export function e(key: Buffer, plaintext: Buffer): Buffer {
  const cipher = createCipheriv('aes-128-ecb', key, null).setAutoPadding(false);
  return Buffer.concat([cipher.update(plaintext), cipher.final()]);
}

/** RFC 4493, 2.4, step by step. */
export function aesCmac(key: Buffer, message: Buffer): Buffer {
  const k1 = shifted(e(key, ZERO));
  const k2 = shifted(k1);
  const blocks = Math.max(1, Math.ceil(message.length / 16));
  let x: Buffer = ZERO;
  for (let i = 0; i < blocks; i += 1) {
    const block = message.subarray(16 * i, 16 * i + 16);
    if (i < blocks - 1) x = e(key, xor(x, block));
    else if (block.length === 16) x = e(key, xor(x, xor(block, k1)));
    else x = e(key, xor(x, xor(Buffer.concat([block, Buffer.from([0x80])], 16), k2)));
  }
  return x;
}

/** Confirm value of legacy pairing. @param preq, pres as printed: the code last. @param types initiator's, responder's. */
export function c1(
  k: Buffer,
  r: Buffer,
  preq: Buffer,
  pres: Buffer,
  types: readonly [number, number],
  ia: Buffer,
  ra: Buffer,
): Buffer {
  const p1 = Buffer.concat([pres, preq, Buffer.from([types[1], types[0]])]);
  const p2 = Buffer.concat([Buffer.alloc(4), ia, ra]);
  return e(k, xor(e(k, xor(r, p1)), p2));
}

/** Short term key. @param r1 the responder's random, @param r2 the initiator's. */
export function s1(k: Buffer, r1: Buffer, r2: Buffer): Buffer {
  return e(k, Buffer.concat([r1.subarray(8), r2.subarray(8)]));
}

export function f4(u: Buffer, v: Buffer, x: Buffer, z: number): Buffer {
  return aesCmac(x, Buffer.concat([u, v, Buffer.from([z])]));
}

/** @param a1, a2 type and address, 7 bytes. @returns MacKey and LTK. */
export function f5(w: Buffer, n1: Buffer, n2: Buffer, a1: Buffer, a2: Buffer): [Buffer, Buffer] {
  const t = aesCmac(Buffer.from('6c888391aaf5a53860370bdb5a6083be', 'hex'), w);
  const of = (counter: number): Buffer =>
    aesCmac(
      t,
      Buffer.concat([Buffer.from([counter]), Buffer.from('62746c65', 'hex'), n1, n2, a1, a2, Buffer.from([1, 0])]),
    );
  return [of(0), of(1)];
}

export function f6(w: Buffer, n1: Buffer, n2: Buffer, r: Buffer, ioCap: Buffer, a1: Buffer, a2: Buffer): Buffer {
  return aesCmac(w, Buffer.concat([n1, n2, r, ioCap, a1, a2]));
}

/** Six digits to compare. */
export function g2Digits(u: Buffer, v: Buffer, x: Buffer, y: Buffer): number {
  return aesCmac(x, Buffer.concat([u, v, y])).readUInt32BE(12) % 1_000_000;
}

export function ah(irk: Buffer, prand: Buffer): Buffer {
  return e(irk, Buffer.concat([Buffer.alloc(13), prand])).subarray(13);
}

/**
 * A resolvable private address.
 * @param irk 16 bytes, most significant first. @param random 22 bits.
 * @returns `aa:bb:cc:dd:ee:ff`
 */
export function resolvableAddress(irk: Uint8Array, random: number): string {
  const prand = Buffer.alloc(3);
  prand.writeUIntBE((random & 0x3fffff) | 0x400000, 0, 3);
  const address = Buffer.concat([prand, ah(Buffer.from(irk), prand)]);
  return [...address].map((byte) => byte.toString(16).padStart(2, '0')).join(':');
}

/** A key pair on P-256. */
export class EllipticKeys {
  readonly #ecdh: ECDH = createECDH('prime256v1');
  /** X and Y, 64 bytes. */
  readonly point: Buffer;

  constructor() {
    this.point = this.#ecdh.generateKeys().subarray(1);
  }

  get x(): Buffer {
    return this.point.subarray(0, 32);
  }

  /** @returns the DHKey; undefined for a point that is on no curve. */
  dhKey(other: Buffer): Buffer | undefined {
    try {
      return this.#ecdh.computeSecret(Buffer.concat([Buffer.from([4]), other]));
    } catch {
      return undefined;
    }
  }
}

/** Times two in GF(2^128). */
function shifted(block: Buffer): Buffer {
  const value = BigInt(`0x${block.toString('hex')}`) << 1n;
  const reduced = value >> 128n === 0n ? value : (value & ((1n << 128n) - 1n)) ^ 0x87n;
  return Buffer.from(reduced.toString(16).padStart(32, '0'), 'hex');
}

const xor = (left: Buffer, right: Buffer): Buffer => Buffer.from(left.map((byte, at) => byte ^ (right[at] ?? 0)));
