import { describe, expect, it, jest } from '@jest/globals';
import { hashPassword, isPassword } from './password-hash.js';

jest.setTimeout(60_000);

describe('a kept password', () => {
  it('is the scrypt of RFC 7914, section 12', async () => {
    const key = Buffer.from(
      '7023bdcb3afd7348461c06cd81fd38ebfda8fbba904f8e3ea9b543f6545da1f2' +
        'd5432955613f0fcf62d49705242a9af9e61e85dc0d651e40dfcf017b45575887',
      'hex',
    );
    const kept = `scrypt$14$8$1$${Buffer.from('SodiumChloride').toString('base64url')}$${key.toString('base64url')}`;
    expect(await isPassword('pleaseletmein', kept)).toBe(true);
    expect(await isPassword('pleaseletmeIn', kept)).toBe(false);
  });

  it('has a salt of its own, and is the same however the characters are composed', async () => {
    const [one, two] = await Promise.all([
      hashPassword('k\u00f6nig der \u00c5land'),
      hashPassword('k\u00f6nig der \u00c5land'),
    ]);
    expect(one).not.toBe(two);
    expect(await isPassword('ko\u0308nig der A\u030aland', one)).toBe(true);
    expect(one).toMatch(/^scrypt\$15\$8\$3\$/);
  });

  it('is nobody’s where there is none, or where the text is damaged', async () => {
    const kept = await hashPassword('long enough to be one');
    for (const text of [null, '', 'scrypt', kept.slice(0, 30), kept.replace('scrypt', 'md5')]) {
      expect(await isPassword('long enough to be one', text)).toBe(false);
    }
  });

  it('is compared also when many ask at once', async () => {
    const kept = await hashPassword('long enough to be one');
    const answers = await Promise.all(
      Array.from({ length: 8 }, (_, i) => isPassword(i % 2 === 0 ? 'long enough to be one' : 'another', kept)),
    );
    expect(answers).toEqual([true, false, true, false, true, false, true, false]);
  });
});
