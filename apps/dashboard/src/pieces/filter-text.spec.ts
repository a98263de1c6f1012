import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { tokenize, topLevelParts } from './filter-text.js';

describe('the parts of a filter', () => {
  it.each([
    ['', []],
    ['model==a', ['model==a']],
    ['model==a;site==b', ['model==a', 'site==b']],
    ['model=in=(a,b);site==b', ['model=in=(a,b)', 'site==b']],
    ['(model==a;site==c,tag==x);site==b', ['(model==a;site==c,tag==x)', 'site==b']],
    ['name=="a;b,c";site==b', ['name=="a;b,c"', 'site==b']],
    // "or" binds less: nothing can be dropped from it alone.
    ['model==a;site==b,tag==x', ['model==a;site==b,tag==x']],
    ['model==a;', ['model==a']],
  ])('%s', (text, parts) => {
    expect(topLevelParts(text)).toEqual(parts);
  });

  it('survives any text, and pieces hold every character', () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 60, unit: fc.constantFrom(...'ab=()";,\\ !<\'') }), (text) => {
        expect(
          tokenize(text)
            .map((token) => token.text)
            .join(''),
        ).toBe(text);
        expect(topLevelParts(text).length).toBeLessThanOrEqual(text.length);
      }),
    );
  });
});
