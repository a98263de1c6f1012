/**
 * Key agreement on P-256, with a key pair for one pairing only. Coordinates lie least significant byte first.
 *
 * A public key is looked at before it is used: one that is not on the curve would tell our private key, one that is our
 * own would let a stranger answer with what we said ourselves, and the debug key is known to everybody.
 *
 * Source: Bluetooth Core 5.2, Vol 3 Part H, 2.3.5.6.1 (keys, debug key), 2.3.5.6.2; FIPS 186-4, D.1.2.3 (the curve).
 */
import { createECDH, type ECDH } from 'node:crypto';

const FIELD = 0xffffffff00000001000000000000000000000000ffffffffffffffffffffffffn;
const B = 0x5ac635d8aa3a93e7b3ebbd55769886bc651d06b0cc53b0f63bce3c3e27d2604bn;
const COORDINATE = 32;
/** X of the public debug key. */
const DEBUG_X = Buffer.from('20b003d2f297be2c5e2c83a7e9f9a5b9eff49111acf4fddbcc0301480e359de6', 'hex').reverse();

export class PairingKey {
  readonly #ecdh: ECDH;
  /** X and Y, 64 bytes. */
  readonly publicKey: Buffer;

  /** @param privateKey most significant byte first; only examples of the specification name it. */
  constructor(privateKey?: Uint8Array) {
    this.#ecdh = createECDH('prime256v1');
    if (privateKey) this.#ecdh.setPrivateKey(privateKey);
    else this.#ecdh.generateKeys();
    // 04, X, Y; most significant byte first.
    const point = this.#ecdh.getPublicKey();
    this.publicKey = Buffer.concat([
      Buffer.from(point.subarray(1, 1 + COORDINATE)).reverse(),
      Buffer.from(point.subarray(1 + COORDINATE)).reverse(),
    ]);
  }

  get x(): Buffer {
    return this.publicKey.subarray(0, COORDINATE);
  }

  /** @returns what is wrong with the public key of the other side; undefined when it may be used. */
  objection(peer: Uint8Array): string | undefined {
    if (peer.length !== 2 * COORDINATE) return 'its public key has the wrong length';
    const x = peer.subarray(0, COORDINATE);
    if (Buffer.compare(x, DEBUG_X) === 0) return 'it uses the debug key, which everybody knows';
    if (Buffer.compare(x, this.x) === 0) return 'it answered with our own public key';
    return isOnCurve(integer(x), integer(peer.subarray(COORDINATE))) ? undefined : 'its public key is on no curve';
  }

  /** DHKey, 32 bytes. @param peer a public key without objection. */
  agree(peer: Uint8Array): Buffer {
    const x = Buffer.from(peer.subarray(0, COORDINATE)).reverse();
    const y = Buffer.from(peer.subarray(COORDINATE)).reverse();
    return this.#ecdh.computeSecret(Buffer.concat([Buffer.from([0x04]), x, y])).reverse();
  }
}

/** y² = x³ - 3x + b. The point at infinity has no coordinates, and (0, 0) is not on this curve. */
function isOnCurve(x: bigint, y: bigint): boolean {
  if (x >= FIELD || y >= FIELD) return false;
  return (y * y - x * x * x + 3n * x - B) % FIELD === 0n;
}

const integer = (littleEndian: Uint8Array): bigint =>
  BigInt(`0x${Buffer.from(littleEndian).reverse().toString('hex')}`);
