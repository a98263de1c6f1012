import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { completionAt, filterValue, rewriteBareWords, tokenize, topLevelParts, withComparison } from './filter-text.js';

const kinds = (text: string) => tokenize(text).map((token) => [token.kind, token.text]);

describe('tokens', () => {
  it('tell field, operator and value apart, also in lists and quotes', () => {
    expect(kinds('state=in=(failed,reverted);site=="Oslo; east"')).toEqual([
      ['field', 'state'],
      ['operator', '=in='],
      ['joint', '('],
      ['value', 'failed'],
      ['joint', ','],
      ['value', 'reverted'],
      ['joint', ')'],
      ['joint', ';'],
      ['field', 'site'],
      ['operator', '=='],
      ['value', '"Oslo; east"'],
    ]);
  });

  it('hold every character once, of any text', () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        expect(
          tokenize(text)
            .map((token) => token.text)
            .join(''),
        ).toBe(text);
      }),
    );
  });
});

describe('completion', () => {
  it.each([
    ['', 'field', ''],
    ['sta', 'field', 'sta'],
    ['state==', 'value', ''],
    ['state==fai', 'value', 'fai'],
    ['state==failed;', 'field', ''],
    ['state==failed;si', 'field', 'si'],
    ['state=in=(failed,', 'value', ''],
    ['state=in=(failed,re', 'value', 're'],
    ['(state==failed', 'value', 'failed'],
  ])('after %p wants a %p that begins with %p', (text, wants, typed) => {
    expect(completionAt(text, text.length)).toMatchObject({ wants, typed });
  });

  it('knows whose values are wanted', () => {
    expect(completionAt('model==a;site==os', 17)).toEqual({ from: 15, wants: 'value', typed: 'os', field: 'site' });
  });
});

describe('writing filters', () => {
  it('makes bare words a search, and leaves comparisons alone', () => {
    expect(rewriteBareWords('ee:41', ['id', 'name'])).toBe('id==*ee:41*,name==*ee:41*');
    expect(rewriteBareWords('a b', ['name'])).toBe('(name==*a*);(name==*b*)');
    expect(rewriteBareWords('state==failed', ['name'])).toBe('state==failed');
  });

  it('adds with "and", around an "or", and quotes what needs it', () => {
    expect(withComparison('', 'site', '==', 'oslo')).toBe('site==oslo');
    expect(withComparison('a==1,b==2', 'site', '!=', 'north hall')).toBe('(a==1,b==2);site!="north hall"');
    expect(filterValue('say "hi"')).toBe('"say \\"hi\\""');
  });
});
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
