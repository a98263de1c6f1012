import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import {
  complementOf,
  completionAt,
  filterValue,
  hasChip,
  pressChip,
  rewriteBareWords,
  tokenize,
  topLevelParts,
  withComparison,
  withPart,
} from './filter-text.js';

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

describe('chips', () => {
  const press = (text: string, value: string, excludes = false) => pressChip(text, 'state', value, excludes);

  it('want one value, give way to another, and go when pressed again', () => {
    expect(press('', 'halted')).toBe('state==halted');
    expect(press('model==a;state==halted', 'running')).toBe('model==a;state==running');
    expect(press('state=in=(a,b);model==a', 'running')).toBe('model==a;state==running');
    expect(press('state==halted', 'halted')).toBe('');
    expect(hasChip('model==a;state==halted', 'state', 'halted', false)).toBe(true);
    expect(hasChip('state!=halted', 'state', 'halted', false)).toBe(false);
  });

  it('exclude with Alt, one after the other, and keep what is joined by or', () => {
    expect(press('state==halted', 'draft', true)).toBe('state!=draft');
    expect(press('state!=draft', 'aborted', true)).toBe('state!=draft;state!=aborted');
    expect(press('state!=draft;state!=aborted', 'draft', true)).toBe('state!=aborted');
    expect(press('name==a,name==b', 'draft', true)).toBe('(name==a,name==b);state!=draft');
    expect(complementOf('state=in=(failed,reverted)')).toBe('state=out=(failed,reverted)');
    expect(complementOf('state==proven')).toBe('state!=proven');
    expect(withPart('site==a,site==b', 'state!=lost')).toBe('(site==a,site==b);state!=lost');
    expect(withPart('state!=lost', 'state!=lost')).toBe('state!=lost');
  });

  it('survive any text', () => {
    fc.assert(
      fc.property(fc.string(), fc.boolean(), (text, excludes) => {
        expect(typeof press(text, 'x', excludes)).toBe('string');
      }),
    );
  });
});
