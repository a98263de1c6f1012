import { statSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from '@jest/globals';
import { Home } from '../testing.fixture.js';
import { PendingKeys } from './pending-keys.js';

let home: Home;
beforeEach(() => {
  home = new Home();
});
afterEach(() => home.remove());

const keys = () => new PendingKeys(home.config, () => home.now);
const request = { token: 't', url: 'https://x/api/v1/campaigns/1/start', body: '{}' };

it('sends the key of an unanswered request again, to the same words alone', () => {
  const first = keys();
  expect(first.begin(request, 'one')).toBe('one');
  first.keepOpen();
  expect(statSync(join(home.config, 'pending.json')).mode & 0o777).toBe(0o600);
  expect(keys().begin({ ...request, body: '{"reason":"x"}' }, 'two')).toBe('two');
  expect(keys().begin({ ...request, token: 'u' }, 'two')).toBe('two');
  expect(keys().begin(request, 'two')).toBe('one');
});

it('forgets it once an answer came, and after a while', () => {
  const first = keys();
  first.begin(request, 'one');
  first.keepOpen();
  const second = keys();
  second.answered(second.begin(request, 'two'));
  second.keepOpen();
  expect(keys().begin(request, 'three')).toBe('three');
  const third = keys();
  third.begin(request, 'three');
  third.keepOpen();
  home.now += 6 * 60_000;
  expect(keys().begin(request, 'four')).toBe('four');
});
