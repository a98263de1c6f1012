import { expect, it } from '@jest/globals';
import { conflictFields, ownChanges } from './own-changes.js';

const BEFORE = { name: 'pump 4', model: null, tags: { hall: '7' } };

it('names only what was changed: a field that was left alone is nobody’s change', () => {
  expect(ownChanges(BEFORE, { name: 'pump 4', model: null, tags: { hall: '7' } })).toEqual({});
  expect(ownChanges(BEFORE, { name: 'pump 5', model: null, tags: {} })).toEqual({ name: 'pump 5', tags: {} });
  expect(ownChanges(BEFORE, { name: null, model: 'P-2', tags: { hall: '7' } })).toEqual({ name: null, model: 'P-2' });
});

it('sets theirs beside mine in words, for what was changed alone', () => {
  const mine = ownChanges(BEFORE, { name: null, model: null, tags: { hall: '8', old: '' } });
  expect(
    conflictFields(mine, { ...BEFORE, name: 'pump four' }, { name: 'Name', model: 'Model', tags: 'Tags' }),
  ).toEqual([
    { label: 'Name', theirs: 'pump four', mine: '' },
    { label: 'Tags', theirs: 'hall: 7', mine: 'hall: 8, old' },
  ]);
  expect(conflictFields({ roles: ['viewer', 'admin'] }, { roles: [] }, { roles: 'Roles' })).toEqual([
    { label: 'Roles', theirs: '', mine: 'viewer, admin' },
  ]);
});
