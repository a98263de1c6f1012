/** The specification's own sample data, and RFC 4493's. */
import { describe, expect, it } from '@jest/globals';
import { aesCmac, ah, c1, f4, f5, f6, g2Digits, resolvableAddress, s1 } from './toolbox.js';

const hex = (text: string): Buffer => Buffer.from(text.replaceAll(' ', ''), 'hex');

const U = hex('20b003d2 f297be2c 5e2c83a7 e9f9a5b9 eff49111 acf4fddb cc030148 0e359de6');
const V = hex('55188b3d 32f6bb9a 900afcfb eed4e72a 59cb9ac2 f19d7cfb 6b4fdd49 f47fc5fd');
const X = hex('d5cb8454 d177733e ffffb2ec 712baeab');
const Y = hex('a6e8e7cc 25a75f6e 216583f7 ff3dc4cf');
const W = hex('ec0234a3 57c8ad05 341010a6 0a397d9b 99796b13 b4f866f1 868d34f3 73bfa698');
const A1 = hex('00561237 37bfce');
const A2 = hex('00a71370 2dcfc1');

describe('toolbox of the simulated device', () => {
  it.each([
    ['', 'bb1d6929 e9593728 7fa37d12 9b756746'],
    ['6bc1bee2 2e409f96 e93d7e11 7393172a', '070a16b4 6b4d4144 f79bdd9d d04a287c'],
    [
      '6bc1bee2 2e409f96 e93d7e11 7393172a ae2d8a57 1e03ac9c 9eb76fac 45af8e51 30c81c46 a35ce411',
      'dfa66747 de9ae630 30ca3261 1497c827',
    ],
  ])('AES-CMAC of %p, RFC 4493, 4', (message, mac) => {
    expect(aesCmac(hex('2b7e1516 28aed2a6 abf71588 09cf4f3c'), hex(message))).toEqual(hex(mac));
  });

  it('c1 and s1, Bluetooth Core 5.2, Vol 3 Part H, 2.2.3 and 2.2.4', () => {
    const confirm = c1(
      Buffer.alloc(16),
      hex('5783d521 56ad6f0e 6388274e c6702ee0'),
      hex('07071000000101'),
      hex('05000800000302'),
      [1, 0],
      hex('a1a2a3a4a5a6'),
      hex('b1b2b3b4b5b6'),
    );
    expect(confirm).toEqual(hex('1e1e3fef 878988ea d2a74dc5 bef13b86'));
    const r1 = hex('000f0e0d 0c0b0a09 11223344 55667788');
    const r2 = hex('01020304 05060708 99aabbcc ddeeff00');
    expect(s1(Buffer.alloc(16), r1, r2)).toEqual(hex('9a1fe1f0 e8b0f49b 5b4216ae 796da062'));
  });

  it('f4, f5, f6, g2 and ah, Vol 3 Part H, appendix D', () => {
    expect(f4(U, V, X, 0)).toEqual(hex('f2c916f1 07a9bd1c f1eda1be a974872d'));
    const [macKey, ltk] = f5(W, X, Y, A1, A2);
    expect([macKey, ltk]).toEqual([
      hex('2965f176 a1084a02 fd3f6a20 ce636e20'),
      hex('69867911 69d7cd23 980522b5 94750a38'),
    ]);
    const r = hex('12a3343b b453bb54 08da42d2 0c2d0fc8');
    expect(f6(macKey, X, Y, r, hex('010102'), A1, A2)).toEqual(hex('e3c47398 9cd0e8c5 d26c0b09 da958f61'));
    expect(g2Digits(U, V, X, Y)).toBe(0x2f9ed5ba % 1_000_000);
    const irk = hex('ec0234a3 57c8ad05 341010a6 0a397d9b');
    expect(ah(irk, hex('708194'))).toEqual(hex('0dfbaa'));
    expect(resolvableAddress(irk, 0x308194)).toBe('70:81:94:0d:fb:aa');
  });
});
