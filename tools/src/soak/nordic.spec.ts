import { expect, it } from '@jest/globals';
import { nordicRound } from './nordic.js';

it('a few rounds of the Nordic soak', () => {
  for (let seed = 100; seed < 112; seed += 1) {
    const { story, broken } = nordicRound(seed);
    expect([story, broken]).toEqual([story, []]);
  }
}, 30_000);
