import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { faultOfRule, judgeOf, type AffectedRule } from './affected.js';

const rule = (fields: Partial<AffectedRule>): AffectedRule => ({
  affected: null,
  affectedVersions: [],
  unaffectedVersions: [],
  ...fields,
});

describe('whether a version is affected', () => {
  const judge = judgeOf(rule({ affected: '>=1.2.0 <1.4.3' }));
  it.each([
    ['1.2.0', 'affected'],
    ['v1.4.2', 'affected'],
    ['1.4.3', 'unaffected'],
    ['1.4.3-rc.1', 'affected'],
    ['1.1.99', 'unaffected'],
    ['1.4.2+77', 'affected'],
    ['1.4.2.77', 'affected'],
    ['1.3', 'affected'],
    ['01.3.0', 'affected'],
    ['2', 'unaffected'],
    ['', 'unknown'],
    ['build-2026-01-01', 'unknown'],
    ['1.2.3.4.5', 'unknown'],
    ['99999999999999999999.0.0', 'unknown'],
    [null, 'unknown'],
  ])('%s is %s', (version, verdict) => expect(judge(version)).toBe(verdict));

  it('lists go before the range, and tell builds apart that a range cannot', () => {
    const listed = judgeOf(
      rule({ affected: '<=2.0.0', affectedVersions: ['factory'], unaffectedVersions: ['2.0.0+5', 'lab'] }),
    );
    expect(listed('2.0.0+4')).toBe('affected');
    expect(listed('2.0.0+5')).toBe('unaffected');
    expect(listed('2.0.0.5')).toBe('unaffected');
    expect(listed('factory')).toBe('affected');
    expect(listed('lab')).toBe('unaffected');
    expect(listed('other')).toBe('unknown');
  });

  it('with a list alone, what is not on it is not affected, and a device that says nothing stays unknown', () => {
    const listed = judgeOf(rule({ affectedVersions: ['a'] }));
    expect([listed('a'), listed('b'), listed(null)]).toEqual(['affected', 'unaffected', 'unknown']);
  });

  it('answers anything with one of three words, and never calls silence safe', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.constant(null)), (version) => {
        expect(['affected', 'unaffected', 'unknown']).toContain(judge(version));
        if (version === null || version.trim() === '') expect(judge(version)).toBe('unknown');
      }),
    );
  });

  it('agrees with plain comparison of numbers', () => {
    const part = fc.nat({ max: 5 });
    fc.assert(
      fc.property(part, part, part, (a, b, c) => {
        const below = a < 1 || (a === 1 && (b < 4 || (b === 4 && c < 3)));
        const above = a > 1 || (a === 1 && b >= 2);
        expect(judge(`${a}.${b}.${c}`)).toBe(below && above ? 'affected' : 'unaffected');
      }),
    );
  });
});

describe('rules that cannot work', () => {
  it.each([
    [rule({}), 'names no version'],
    [rule({ affected: 'before 1.4' }), 'no range'],
    [rule({ affectedVersions: ['1.0'], unaffectedVersions: ['v1.0.0'] }), 'both lists'],
  ])('%j: %s', (wrong, why) => expect(faultOfRule(wrong)).toContain(why));
  it('a good one has none', () => expect(faultOfRule(rule({ affected: '^1.2 || 3.x' }))).toBeUndefined());
});
