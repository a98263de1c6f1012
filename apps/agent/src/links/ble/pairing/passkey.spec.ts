import { inspect } from 'node:util';
import { describe, expect, it } from '@jest/globals';
import { Passkey } from './passkey.js';

describe('passkey', () => {
  it('is six digits, as a key and as bits', () => {
    const passkey = Passkey.parse('012345', 'test');
    expect(passkey.toKey().toString('hex')).toBe(`3930${'00'.repeat(14)}`);
    expect(
      Array.from({ length: 20 }, (_, at) => passkey.bit(at))
        .reverse()
        .join(''),
    ).toBe('00000011000000111001');
    expect(Passkey.parse('999999', 'test').toKey().readUInt32LE(0)).toBe(999_999);
  });

  it('shows itself nowhere', () => {
    const passkey = Passkey.parse('123456', 'test');
    expect(
      [`${passkey}`, JSON.stringify({ passkey }), inspect({ passkey }), inspect(passkey, { showHidden: true })].join(),
    ).not.toMatch(/123456|1e240|123_456/);
  });

  it.each(['', '12345', '1234567', '12345a', ' 12345', '１２３４５６', '-12345', '1e5   '])('is not %j', (text) => {
    expect(() => Passkey.parse(text, 'the field')).toThrow(expect.objectContaining({ code: 'settings.invalid' }));
    expect(() => Passkey.parse(text, 'the field')).toThrow('the field');
  });
});
