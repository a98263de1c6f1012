import { describe, expect, it } from '@jest/globals';
import { ApiProblemError } from '@drydock/api-client';
import { CampaignDraft } from '@drydock/contracts';
import { pathOf } from '../../format/paths.js';
import {
  emptyForm,
  faultsOf,
  keysOf,
  nextName,
  ownFaults,
  stepOf,
  suggestedName,
  valueAt,
  withValue,
} from './plan-form.js';

const whole = { ...emptyForm(), name: 'a', artifactId: '00000000-0000-4000-8000-000000000000' };

describe('a value', () => {
  it('is read and written at the path that an error names; what is not touched stays the same', () => {
    const path = 'policy.stages[1].gate.minKnown';
    const next = withValue(whole, path, 7);
    expect(valueAt(next, path)).toBe(7);
    expect(next.policy.stages[0]).toBe(whole.policy.stages[0]);
    expect(valueAt(whole, path)).toBe(1);
    expect(pathOf(keysOf(path))).toBe(path);
  });

  it('goes away with undefined, so that a strict server takes the rest', () => {
    const filtered = withValue(whole, 'selector.filter', 'model==x');
    expect(withValue(filtered, 'selector.filter', undefined).selector).toEqual({});
    expect(valueAt(whole, 'policy.urgent.advisory')).toBeUndefined();
    expect(withValue(whole, 'policy.limits.perSite', 4).policy.limits.perSite).toBe(4);
  });
});

describe('faults', () => {
  it('name place and mend; a whole form has none and is what the server takes', () => {
    expect(ownFaults(emptyForm()).map(({ path }) => path)).toEqual(['name', 'artifactId']);
    expect(ownFaults(whole)).toEqual([]);
    expect(CampaignDraft.parse(whole)).toEqual(whole);
    const wrong = withValue(withValue(whole, 'policy.brake.limit', 2), 'name', 'No Capitals');
    expect(ownFaults(wrong)).toEqual([
      { path: 'name', message: expect.stringContaining('Lower-case') as unknown as string },
      { path: 'policy.brake.limit', message: 'At most 0.5.' },
    ]);
  });

  it('of the server keep their place; other errors are none', () => {
    const problem = {
      type: 'x',
      title: 'x',
      status: 422,
      detail: 'x',
      code: 'campaign.policy',
      params: {},
      errors: [{ path: 'body.draft.selector.filter', message: 'No such field.', nearest: 'version' }],
    };
    expect(faultsOf(new ApiProblemError(problem as never))).toEqual([
      { path: 'selector.filter', message: 'No such field. Did you mean version?' },
    ]);
    expect(faultsOf(new Error('x'))).toBeUndefined();
    expect(['name', 'selector.filter', 'policy.allowDowngrade', 'policy.stages[0]'].map(stepOf)).toEqual([
      'what',
      'which',
      'which',
      'how',
    ]);
  });
});

it('names that are proposed are names that the server takes', () => {
  expect(suggestedName('DRY SENSOR', '2.0.0')).toBe('dry-sensor-2.0.0');
  expect(suggestedName('Ärger', '1')).toBe('rger-1');
  expect([nextName('x'), nextName('x-2'), nextName('fix-9')]).toEqual(['x-2', 'x-3', 'fix-10']);
});
