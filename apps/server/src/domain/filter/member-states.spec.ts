import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { DEPLOYMENT_STATES, type DeploymentState } from '@drydock/contracts';
import { gatheringOf } from '../rates/gathering.js';
import type { Filter, FilterFacts } from './filter.js';
import { matches } from './matches.js';
import { asksOnlyForPlace, statesOf } from './member-states.js';
import { parseFilter } from './parse-filter.js';

const read = (text: string): Filter => {
  const parsed = parseFilter(text, 'member');
  if (!parsed.ok) throw new Error(parsed.errors[0]!.what);
  return parsed.filter;
};
const device: Omit<FilterFacts, 'member'> = {
  id: 'a',
  identity: 'i',
  model: 'm',
  name: null,
  runningVersion: null,
  tags: {},
  site: { id: 's', name: 'oslo' },
  gateway: null,
  group: null,
  links: [],
  lastSeenMs: 0,
  batteryPercent: null,
  held: false,
};

describe('states that a filter over members can match', () => {
  it('are read off it', () => {
    expect(statesOf(read('state==lost,state==unproven'))).toEqual(['unproven', 'lost']);
    expect(statesOf(read('site==oslo;state=in=(failed,lost)'))).toEqual(['failed', 'lost']);
    expect(statesOf(read('state!=proven'))).toHaveLength(DEPLOYMENT_STATES.length - 1);
    expect(statesOf(read('site==oslo,state==lost'))).toHaveLength(DEPLOYMENT_STATES.length);
    expect(asksOnlyForPlace(read('state==lost;stage==canary'))).toBe(true);
    expect(asksOnlyForPlace(read('state==lost;code==link.*'))).toBe(false);
  });

  it('never leave out one that matches', () => {
    const test = fc.constantFrom(
      'state==pro*',
      'state!=lost',
      'state=out=(failed,lost)',
      'stage==a',
      'site==oslo',
      'site==rom',
    );
    const text = fc
      .tuple(
        fc.array(test, { minLength: 1, maxLength: 4 }),
        fc.array(fc.constantFrom(';', ','), { minLength: 4, maxLength: 4 }),
      )
      .map(([tests, joins]) => tests.map((one, at) => (at === 0 ? one : `${joins[at]}${one}`)).join(''));
    fc.assert(
      fc.property(
        text,
        fc.constantFrom<DeploymentState>(...DEPLOYMENT_STATES),
        fc.constantFrom('a', 'b'),
        (filter, state, stage) => {
          const member = { ...device, member: { state, stage, code: null, from: null } };
          if (matches(read(filter), member, 0)) expect(statesOf(read(filter))).toContain(state);
        },
      ),
    );
  });

  it('are no field of a selector', () => {
    expect(parseFilter('state==lost')).toMatchObject({ ok: false, errors: [{ at: 0, length: 5 }] });
  });
});

describe('gathering', () => {
  it('is credible where the likely range lies above the rest, and more than one failed', () => {
    // The example of a sick gateway: 3 of 3 there, 17 of 1 792 elsewhere.
    expect(gatheringOf({ n: 3, of: 3 }, { n: 17, of: 1792 })).toMatchObject({ credible: true });
    expect(gatheringOf({ n: 3, of: 3 }, { n: 17, of: 1792 }).excess).toBeCloseTo(2.97, 2);
    expect(gatheringOf({ n: 5, of: 31 }, { n: 15, of: 1764 }).credible).toBe(true);
    expect(gatheringOf({ n: 1, of: 1 }, { n: 17, of: 1792 }).credible).toBe(false);
    expect(gatheringOf({ n: 3, of: 412 }, { n: 17, of: 1383 }).credible).toBe(false);
    expect(gatheringOf({ n: 3, of: 3 }, { n: 0, of: 0 })).toEqual({ excess: 0, credible: false });
  });
});
