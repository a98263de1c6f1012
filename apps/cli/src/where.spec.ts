import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { CliError } from './errors/cli-error.js';
import { keptBy, plainWhere } from './where.js';

const FIELDS = ['model', 'version', 'action'] as const;
const failure = (text: string): [string, string | undefined, number] => {
  try {
    plainWhere(text, FIELDS);
  } catch (error) {
    if (error instanceof CliError) return [error.message, error.more.fix, error.exit];
  }
  throw new Error(`${text} was taken`);
};

describe('--where of plain lists', () => {
  it.each([
    [undefined, {}],
    ['  ', {}],
    ['model==sensor-*', { model: 'sensor-*' }],
    [`model=="new york"; version=='1.0 \\'x\\''`, { model: 'new york', version: "1.0 'x'" }],
  ])('%s', (text, values) => expect(plainWhere(text, FIELDS)).toEqual(values));

  it('keeps the rows that have every value; * stands for anything', () => {
    const row = { name: 'pager-duty', kind: ['campaign.halted', 'gateway.away'] };
    const kept = ['pager-duty', 'PAGER-*', '*duty', '*r-d*', 'p*g*y', '*'].filter((name) => keptBy({ name }, row));
    expect(kept).toHaveLength(6);
    expect(
      ['pager', 'x*', '*x', 'pager-duty*duty', 'p*x*y', 'p*duty*y'].filter((name) => keptBy({ name }, row)),
    ).toEqual([]);
    expect([keptBy({}, row), keptBy({ name: undefined }, row)]).toEqual([true, true]);
    expect(['campaign.*', 'gateway.away', 'device.*'].map((kind) => keptBy({ kind }, row))).toEqual([
      true,
      true,
      false,
    ]);
    expect(keptBy({ name: '*', kind: 'device.*' }, row)).toBe(false);
  });

  it('says what to write instead, and ends with 3', () => {
    expect(failure('modl==x')).toEqual(['There is no field modl here.', 'did you mean model?', 3]);
    expect(failure('colour==x')[1]).toBe('fields are model, version, action');
    expect(failure('version<2')).toEqual(['version has no operator < in this list.', 'use ==', 3]);
    expect(failure('model==a;model==b')[0]).toBe('model is named twice.');
    expect(failure('model==a,model==b')[0]).toMatch(/is no comparison/);
  });

  it('ends for any text', () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        try {
          plainWhere(text, FIELDS);
          return true;
        } catch (error) {
          return error instanceof CliError;
        }
      }),
    );
  });
});
