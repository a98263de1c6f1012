import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { filterValue } from './filter-text.js';
import { readPlainFilter } from './plain-filter.js';

const FIELDS = ['name', 'site'];

describe('a filter of fixed fields', () => {
  it.each([
    ['', {}],
    ['name==gw-*', { name: 'gw-*' }],
    ['name==gw-1;site==oslo', { name: 'gw-1', site: 'oslo' }],
    ['name=="new york";site==oslo', { name: 'new york', site: 'oslo' }],
  ])('reads %s', (text, values) => {
    expect(readPlainFilter(text, FIELDS)).toEqual({ values });
  });

  it.each([
    ['color==red', /no field color.*name, site/],
    ['name!=a', /no operator !=/],
    ['name=in=(a,b)', /no operator =in=/],
    ['name==a,site==b', /joined by ;/],
    ['name==a;name==b', /once/],
    ['name', /no comparison/],
    ['name==', /no comparison/],
  ])('refuses %s', (text, fault) => {
    expect(readPlainFilter(text, FIELDS).fault).toMatch(fault);
  });

  it('reads back every value that the bar writes', () => {
    fc.assert(
      fc.property(fc.string({ minLength: 1 }), (value) => {
        expect(readPlainFilter(`name==${filterValue(value)}`, FIELDS)).toEqual({ values: { name: value } });
      }),
    );
  });
});
