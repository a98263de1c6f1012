import { Policy } from '@drydock/contracts';
import { expect, it } from '@jest/globals';
import { changedFields, fieldsOf, steeringOf } from './pace-fields.js';

const policy = Policy.parse({});

it('changes what was typed and nothing else, and takes an empty limit away', () => {
  const { steering, faults } = steeringOf(policy, { max: '40', site: ' 8 ', first: '10' });
  expect(faults).toEqual({});
  expect(steering.pace).toEqual({ ...policy.pace, maxPerMinute: 40 });
  expect(steering.limits).toEqual({ ...policy.limits, perSite: 8 });
  expect(changedFields(policy, { max: '40', first: '10' })).toEqual([{ flag: '--up-to', text: '40' }]);
  expect(steeringOf(steering, { site: '' }).steering.limits).toEqual(policy.limits);
});

it('says what is no number, and keeps the plan where it is', () => {
  const { steering, faults } = steeringOf(policy, { max: 'many', gateway: '1.5', start: '' });
  expect(faults).toEqual({ max: 'Write a number.', gateway: 'Write a whole number.', start: 'Write a number.' });
  expect(steering).toEqual({ pace: policy.pace, limits: policy.limits });
});

it('shows the fields of its kind of pace', () => {
  const steps = Policy.parse({ pace: { kind: 'steps', startPerMinute: 5, everyProven: 100 } });
  expect(fieldsOf(steps).map(({ key }) => key)).toContain('every');
  expect(fieldsOf(policy).map(({ key }) => key)).not.toContain('every');
  expect(steeringOf(steps, { every: '50' }).steering.pace).toMatchObject({ kind: 'steps', everyProven: 50 });
});
