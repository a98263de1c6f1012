/** Cryptographic functions by the specification's own sample data. */
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { aesCmac } from './aes.js';
import { c1, s1 } from './legacy-functions.js';
import { PairingKey } from './p256.js';
import { ah, isPrivate, isResolvable, isStatic, resolves } from './private-addresses.js';
import { f4, f5, f6, g2, typedAddress } from './secure-functions.js';

const hex = (text: string): Buffer => Buffer.from(text.replaceAll(' ', ''), 'hex');
/** The specification prints numbers most significant byte first; they go over the air the other way round. */
const bytes = (text: string): Buffer => hex(text).reverse();

const X_A = '20b003d2 f297be2c 5e2c83a7 e9f9a5b9 eff49111 acf4fddb cc030148 0e359de6';
const Y_A = 'dc809c49 652aeb6d 63329abf 5a52155c 766345c2 8fed3024 741c8ed0 1589d28b';
const X_B = '1ea1f0f0 1faf1d96 09592284 f19e4c00 47b58afd 8615a69f 559077b2 2faaa190';
const Y_B = '4c55f33e 429dad37 7356703a 9ab85160 472d1130 e28e3676 5f89aff9 15b1214a';
const PRIVATE_A = '3f49f6d4 a3c55f38 74c9b3e3 d2103f50 4aff607b eb40b799 5899b8a6 cd3c1abd';
const PRIVATE_B = '55188b3d 32f6bb9a 900afcfb eed4e72a 59cb9ac2 f19d7cfb 6b4fdd49 f47fc5fd';
const DH_KEY = 'ec0234a3 57c8ad05 341010a6 0a397d9b 99796b13 b4f866f1 868d34f3 73bfa698';
const N1 = 'd5cb8454 d177733e ffffb2ec 712baeab';
const N2 = 'a6e8e7cc 25a75f6e 216583f7 ff3dc4cf';
const A1 = typedAddress(bytes('561237 37bfce'), false);
const A2 = typedAddress(bytes('a71370 2dcfc1'), false);

describe('AES-CMAC, RFC 4493, 4', () => {
  const KEY = hex('2b7e1516 28aed2a6 abf71588 09cf4f3c');
  it.each([
    ['', 'bb1d6929 e9593728 7fa37d12 9b756746'],
    ['6bc1bee2 2e409f96 e93d7e11 7393172a', '070a16b4 6b4d4144 f79bdd9d d04a287c'],
    [
      '6bc1bee2 2e409f96 e93d7e11 7393172a ae2d8a57 1e03ac9c 9eb76fac 45af8e51 30c81c46 a35ce411',
      'dfa66747 de9ae630 30ca3261 1497c827',
    ],
    [
      '6bc1bee2 2e409f96 e93d7e11 7393172a ae2d8a57 1e03ac9c 9eb76fac 45af8e51 30c81c46 a35ce411 e5fbc119 1a0a52ef f69f2445 df4f9b17 ad2b417b e66c3710',
      '51f0bebf 7e3b9d92 fc497417 79363cfe',
    ],
  ])('of %p', (message, mac) => {
    expect(aesCmac(KEY, hex(message))).toEqual(hex(mac));
  });
});

describe('legacy pairing', () => {
  it('c1, Bluetooth Core 5.2, Vol 3 Part H, 2.2.3', () => {
    const confirm = c1(
      new Uint8Array(16),
      bytes('5783d521 56ad6f0e 6388274e c6702ee0'),
      bytes('07071000000101'),
      bytes('05000800000302'),
      {
        initiator: bytes('a1a2a3a4a5a6'),
        initiatorIsRandom: true,
        responder: bytes('b1b2b3b4b5b6'),
        responderIsRandom: false,
      },
    );
    expect(confirm).toEqual(bytes('1e1e3fef 878988ea d2a74dc5 bef13b86'));
  });

  it('s1, Vol 3 Part H, 2.2.4', () => {
    const responder = bytes('000f0e0d 0c0b0a09 11223344 55667788');
    const initiator = bytes('01020304 05060708 99aabbcc ddeeff00');
    expect(s1(new Uint8Array(16), responder, initiator)).toEqual(bytes('9a1fe1f0 e8b0f49b 5b4216ae 796da062'));
  });
});

describe('Secure Connections, Vol 3 Part H, appendix D', () => {
  it('f4', () => {
    expect(f4(bytes(X_A), bytes(PRIVATE_B), bytes(N1), 0)).toEqual(bytes('f2c916f1 07a9bd1c f1eda1be a974872d'));
  });

  it('f5', () => {
    expect(f5(bytes(DH_KEY), bytes(N1), bytes(N2), A1, A2)).toEqual({
      macKey: bytes('2965f176 a1084a02 fd3f6a20 ce636e20'),
      ltk: bytes('69867911 69d7cd23 980522b5 94750a38'),
    });
  });

  it('f6', () => {
    const macKey = bytes('2965f176 a1084a02 fd3f6a20 ce636e20');
    const r = bytes('12a3343b b453bb54 08da42d2 0c2d0fc8');
    expect(f6(macKey, bytes(N1), bytes(N2), r, bytes('010102'), A1, A2)).toEqual(
      bytes('e3c47398 9cd0e8c5 d26c0b09 da958f61'),
    );
  });

  it('g2', () => {
    expect(g2(bytes(X_A), bytes(PRIVATE_B), bytes(N1), bytes(N2))).toBe(0x2f9ed5ba);
  });

  it('keys on P-256, Vol 2 Part G, 7.1.2.1', () => {
    const a = new PairingKey(hex(PRIVATE_A));
    const b = new PairingKey(hex(PRIVATE_B));
    expect(a.publicKey).toEqual(Buffer.concat([bytes(X_A), bytes(Y_A)]));
    expect(b.publicKey).toEqual(Buffer.concat([bytes(X_B), bytes(Y_B)]));
    expect(a.agree(b.publicKey)).toEqual(bytes(DH_KEY));
    expect(b.agree(a.publicKey)).toEqual(bytes(DH_KEY));
  });
});

describe('a public key', () => {
  const own = new PairingKey();
  const B = Buffer.concat([bytes(X_B), bytes(Y_B)]);

  it('is taken when it is on the curve and nobody else can know its private half', () => {
    expect(own.objection(B)).toBeUndefined();
    expect(own.objection(new PairingKey().publicKey)).toBeUndefined();
  });

  it.each([
    ['the debug key', Buffer.concat([bytes(X_A), bytes(Y_A)]), 'debug key'],
    ['our own', own.publicKey, 'our own'],
    ['our own with another y', Buffer.concat([own.x, bytes(Y_B)]), 'our own'],
    ['zeros', Buffer.alloc(64), 'no curve'],
    ['beyond the field', Buffer.alloc(64, 0xff), 'no curve'],
    ['too short', B.subarray(1), 'length'],
    ['x of one and y of another', Buffer.concat([bytes(X_B), bytes(Y_A)]), 'no curve'],
  ])('that is %s is refused', (_, key, why) => {
    expect(own.objection(key)).toContain(why);
  });

  it('of any bytes is refused or can be used', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ minLength: 0, maxLength: 70, size: 'max' }),
        fc.integer({ min: 0, max: 511 }),
        (noise, bit) => {
          expect(typeof own.objection(noise)).toBe('string');
          const flipped = Buffer.from(B);
          flipped[bit >> 3] = (flipped[bit >> 3] ?? 0) ^ (1 << (bit & 7));
          expect(own.objection(flipped)).toContain('no curve');
        },
      ),
      { numRuns: 200 },
    );
  });
});

describe('private addresses', () => {
  const IRK = bytes(DH_KEY.slice(0, 35));

  it('ah, Vol 3 Part H, appendix D', () => {
    expect(ah(IRK, bytes('708194'))).toEqual(bytes('0dfbaa'));
    expect(resolves(IRK, bytes('708194 0dfbaa'))).toBe(true);
    expect(resolves(IRK, bytes('708194 0dfbab'))).toBe(false);
  });

  it('are told by their two highest bits', () => {
    const kinds = ['3f', '40', '7f', '80', 'bf', 'c0', 'ff'].map((top) => {
      const address = bytes(`${top}0000000000`);
      return [isResolvable(address), isPrivate(address), isStatic(address)];
    });
    const [gone, resolvable, fixed] = [
      [false, true, false],
      [true, true, false],
      [false, false, true],
    ];
    // 10 is reserved: it is not one that stays.
    expect(kinds).toEqual([gone, resolvable, resolvable, gone, gone, fixed, fixed]);
  });

  it('are nobody’s by a key of zeros, which says that there are none', () => {
    const zeros = Buffer.alloc(16);
    const prand = bytes('412345');
    expect(resolves(zeros, Buffer.concat([ah(zeros, prand), prand]))).toBe(false);
  });
});
