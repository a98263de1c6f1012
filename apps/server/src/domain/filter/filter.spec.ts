/** The filter language: what is read, what is refused and how, and what it says in words. */
import { describe, expect, it } from '@jest/globals';
import type { Selector } from '@drydock/contracts';
import fc from 'fast-check';
import { describeFilter } from './describe-filter.js';
import { FILTER_LIMITS, type Filter, type FilterError, type FilterFacts } from './filter.js';
import { filterToSql } from './filter-sql.js';
import { filterOfSelector } from './from-selector.js';
import { matches } from './matches.js';
import { parseFilter } from './parse-filter.js';

const NOW = Date.parse('2026-03-01T12:00:00Z');
const SITE = { id: '11111111-1111-4111-8111-111111111111', name: 'berlin' };
const PUMP: FilterFacts = {
  id: '22222222-2222-4222-8222-222222222222',
  model: 'sensor-2',
  name: 'pump *1*',
  identity: 'f0:11:9c:12:d0:0a',
  runningVersion: '1.4.0',
  tags: { floor: '3', vip: '' },
  site: SITE,
  gateway: null,
  group: null,
  links: [{ link: 'ble:AA', rssiDbm: -90 }, { link: 'ble:AB', rssiDbm: -60 }, { link: 'udp:h:1' }],
  lastSeenMs: NOW - 3_600_000,
  batteryPercent: 40,
  held: false,
};

function read(text: string): Filter {
  const parsed = parseFilter(text);
  if (!parsed.ok) throw new Error(parsed.errors.map(({ what }) => what).join(' '));
  return parsed.filter;
}
function errorsOf(text: string): readonly FilterError[] {
  const parsed = parseFilter(text);
  return parsed.ok ? [] : parsed.errors;
}
const holds = (text: string, device: FilterFacts = PUMP): boolean => matches(read(text), device, NOW);

describe('filters that hold and filters that do not', () => {
  it.each([
    ['model==sensor-2', true],
    ['model==sensor', false],
    ['model==sensor-*', true],
    ['model==*-2', true],
    ['model==s*s*2', true],
    ['model==sensor-2*2', false],
    ['model=in=(a,sensor-2)', true],
    ['model=out=(a,sensor-*)', false],
    ['model!=other', true],
    ["name=='pump \\\\*1\\\\*'", true],
    ["name=='pump \\\\*2*'", false],
    ['version==1.4.*', true],
    ['version<1.4.0', false],
    ['version<=v1.4', true],
    ['version=lt=1.10.0', true],
    ['version>1.4.0-rc.1', true],
    ["version=range='>=1.2 <2'", true],
    ["version=range='^1.5 || 3.x'", false],
    ['tag==floor', true],
    ['tag==floor:3', true],
    ['tag==floor:4', false],
    ['tag==fl*:*', true],
    ['tag=in=(a,vip)', true],
    ['tag!=floor:3', false],
    ['tag=out=(a,b:1)', true],
    ['site==berlin', true],
    [`site==${SITE.id}`, true],
    ['gateway==*', false],
    ['gateway!=*', true],
    ['link==ble', true],
    ['link=in=(serial,udp)', true],
    ['link!=udp', false],
    ['lastSeen<PT24H', true],
    ['lastSeen=lt=PT1H', false],
    ['lastSeen<=PT1H', true],
    ['lastSeen>2026-03-01T10:59:59.999Z', true],
    ['lastSeen<2026-03-01T12:00:00+01:00', false],
    ['lastSeen>=2026-03-01', true],
    ['battery>=40', true],
    ['battery<40', false],
    ['battery=in=(39,40)', true],
    ['signal>-61', true],
    ['signal<-60', false],
    [`device==${PUMP.id.toUpperCase()}`, true],
    [`device!=${PUMP.id}`, false],
    ['hold==false', true],
    ['identity==*:9c:12:*', true],
    ['identity==f0:11*', true],
    ['identity==F0:11*', false],
    ['identity!=f0:11:9c:12:d0:0a', false],
    ['hold!=true', true],
    // `and` binds closer than `or`.
    ['model==x;model==y,model==sensor-2', true],
    ['model==sensor-2,model==x;model==y', true],
    ['(model==sensor-2,model==x);model==y', false],
    ['model==sensor-2 and (hold==true or link==udp)', true],
  ])('%s is %s', (text, expected) => {
    expect(holds(text)).toBe(expected);
  });

  it('what is unknown matches no order, and the complement of every equality', () => {
    const unknown: FilterFacts = { ...PUMP, model: null, runningVersion: null, batteryPercent: null, links: [] };
    for (const text of ['version<9', 'version>=0', "version=range='*'", 'battery<101', 'signal<0', 'model==*']) {
      expect([text, errorsOf(text).length === 0 && holds(text, unknown)]).toEqual([text, false]);
    }
    for (const text of ['version!=9', 'battery!=1', 'signal=out=(1,2)', 'model!=a*', 'version!=*', 'link!=ble']) {
      expect([text, holds(text, unknown)]).toEqual([text, true]);
    }
    // A name that is no version has no place in the order.
    expect(holds('version<9', { ...PUMP, runningVersion: 'main-4f2a' })).toBe(false);
  });
});

describe('what is wrong is named with its place, the nearest word and the mend', () => {
  it.each<[string, number, number, string | undefined, RegExp]>([
    ['modle==a', 0, 5, 'model', /no field modle/],
    ['model==a;verison<1', 9, 7, 'version', /no field verison/],
    ['(model==a);(tags==b)', 12, 4, 'tag', /no field tags/],
    ["name=='tags==b' and last==1", 20, 4, undefined, /no field last/],
    ['name=="a\\"<b>\\"";last==1', 17, 4, undefined, /no field last/],
    ['version=rnage=1', 7, 7, '=range=', /no operator =rnage=/],
    ['model<a', 5, 1, undefined, /cannot be compared by </],
    ['lastSeen==PT1H', 8, 2, undefined, /cannot be compared by ==/],
    ['link==bel', 6, 3, 'ble', /no kind of link bel/],
    ['link=in=(ble,usb)', 8, 9, undefined, /no kind of link usb/],
    ["version=range='>>1'", 14, 5, undefined, /no range/],
    ['version<latest', 8, 6, undefined, /no version that has an order/],
    ['battery<120', 8, 3, undefined, /no battery in percent/],
    ['signal>strong', 7, 6, undefined, /no signal in dBm/],
    ['lastSeen<P1M', 9, 3, undefined, /neither a duration nor a moment/],
    ['lastSeen<P', 9, 1, undefined, /neither a duration nor a moment/],
    ['lastSeen<P1DT', 9, 4, undefined, /neither a duration nor a moment/],
    ['lastSeen<2026-02-30', 9, 10, undefined, /neither a duration nor a moment/],
    ['device==pump', 8, 4, undefined, /no id/],
    ['hold==maybe', 6, 5, undefined, /neither true nor false/],
    ['tag==:x', 5, 2, undefined, /needs a key/],
    ['model==(a,b)', 7, 5, undefined, /takes one value/],
    ['', 0, 0, undefined, /empty/],
    ['model==a;', 9, 0, undefined, /ends where more is expected/],
    ['(model==a', 0, 1, undefined, /parenthesis is not closed/],
    ["name=='a", 6, 2, undefined, /quoted text does not end/],
    ['model==a model==b', 9, 5, undefined, /not expected/],
    ['model==;x', 7, 1, undefined, /value is missing/],
    ['model==a\u0000', 8, 1, undefined, /U\+0000/],
    ['model==\ud800', 7, 1, undefined, /U\+D800/],
  ])('%s', (text, at, length, nearest, what) => {
    const [error] = errorsOf(text);
    expect({ at: error?.at, length: error?.length, nearest: error?.nearest }).toEqual({ at, length, nearest });
    expect(error?.what).toMatch(what);
    expect(error?.mend).toMatch(/^[A-Z].*[.,):]$/s);
  });

  it('every wrong comparison is named, not only the first', () => {
    expect(errorsOf('modle==a;(link==bel,battery<x)').map(({ at }) => at)).toEqual([0, 16, 28]);
  });

  it('length, depth, comparisons and values are limited', () => {
    const { lengthChars, depth, comparisons, values } = FILTER_LIMITS;
    expect(errorsOf(`name==${'a'.repeat(lengthChars)}`)[0]?.what).toMatch(/characters/);
    const nested = (levels: number) => `${'('.repeat(levels)}name==a${')'.repeat(levels)}`;
    expect(errorsOf(nested(depth))).toEqual([]);
    expect(errorsOf(nested(depth + 1))[0]?.what).toMatch(/nested/);
    const chain = (count: number) => Array.from({ length: count }, () => 'name==a').join(';');
    expect(errorsOf(chain(comparisons))).toEqual([]);
    expect(errorsOf(chain(comparisons + 1))[0]).toMatchObject({ at: comparisons * 8 });
    const listed = (count: number) => `name=in=(${Array.from({ length: count }, () => 'a').join(',')})`;
    expect(errorsOf(listed(values))).toEqual([]);
    expect(errorsOf(listed(values + 1))[0]?.what).toMatch(/values/);
  });

  it('survives any text, and every place lies within it', () => {
    const word = fc.constantFrom(
      'model',
      '==',
      '=in=',
      '(',
      ')',
      ',',
      ';',
      "'",
      '"',
      '\\',
      ' and ',
      'a',
      '<',
      '=',
      '\n',
      '*',
    );
    const text = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.array(word, { maxLength: 24 }).map((words) => words.join('')),
    );
    fc.assert(
      fc.property(text, (any) => {
        for (const { at, length } of errorsOf(any)) {
          expect(at).toBeGreaterThanOrEqual(0);
          expect(at + length).toBeLessThanOrEqual(any.length);
        }
      }),
      { numRuns: 2000 },
    );
  });
});

describe('a filter in other forms', () => {
  it.each([
    ['model==sensor-*', 'Devices whose model is sensor-*.'],
    ['version<1.4.0;site=in=(a,b)', 'Devices whose running version is known and older than 1.4.0, and site is a or b.'],
    [
      'hold==false;(battery>=30,link!=ble)',
      'Devices whose hold is off, and (battery is known and at least 30 %, or links do not include ble).',
    ],
    [
      'lastSeen<P1DT2H,name!=x',
      'Devices whose last sighting is less than 1 day 2 hours ago, or name is not x (or unknown).',
    ],
    ['gateway!=*', 'Devices whose gateway is not known.'],
    ['tag=in=(a:1,b,c,d,e,f,g)', 'Devices whose tags include a:1, b, c, d, e or 2 more.'],
  ])('%s in words', (text, sentence) => {
    expect(describeFilter(read(text))).toBe(sentence);
  });

  it('nothing that a person wrote is in the text of the SQL', () => {
    const mark = 'zq9';
    const text = `model==${mark},name==*${mark}*,tag==${mark}:${mark}*,site==${mark},version=range='>1.0.0-${mark}'`;
    const values: unknown[] = [];
    const sql = filterToSql(read(text), { add: (value) => `$${values.push(value)}` }, NOW);
    expect(sql).not.toContain(mark);
    expect(JSON.stringify(values)).toContain(mark);
  });

  it('the selector of a campaign means the same filter', () => {
    const selected = (selector: Selector): Filter => {
      const parsed = filterOfSelector(selector);
      if (!parsed.ok) throw new Error(parsed.errors[0]!.what);
      return parsed.filter;
    };
    const filter = selected({
      models: ['sensor-2'],
      tags: { floor: '3', vip: '' },
      sites: ['berlin', 'a*'],
      runningVersions: ['1.4.0'],
      devices: [PUMP.id],
    });
    expect(matches(filter, PUMP, NOW)).toBe(true);
    expect(matches(filter, { ...PUMP, tags: { floor: '3' } }, NOW)).toBe(false);
    // A star in a selector is a star, no wildcard.
    expect(matches(filter, { ...PUMP, site: { ...SITE, name: 'abc' } }, NOW)).toBe(false);
    expect(matches(selected({}), PUMP, NOW)).toBe(true);
    expect(matches(selected({ models: [] }), PUMP, NOW)).toBe(false);
    expect(matches(selected({ models: ['sensor-2'], filter: 'hold==true' }), PUMP, NOW)).toBe(false);
    expect(filterOfSelector({ filter: 'holt==true' })).toMatchObject({
      ok: false,
      errors: [{ at: 0, nearest: 'hold' }],
    });
  });
});
