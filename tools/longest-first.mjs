/**
 * The order of the spec files: those that take long begin first, so that no worker is left alone with one at the end.
 * Jest remembers how long each took, but not in a fresh clone: there `test-seconds.json` says it for the longest ones
 * (seconds on a quiet machine of two cores; only the order depends on them), and the size of the file for the rest.
 */
import { readFileSync } from 'node:fs';
import { relative, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import Sequencer from '@jest/test-sequencer';

const root = fileURLToPath(new URL('..', import.meta.url));
const expected = JSON.parse(readFileSync(new URL('test-seconds.json', import.meta.url), 'utf8'));

export default class LongestFirst extends Sequencer {
  /** @param {import('@jest/test-result').Test} test @returns {number} milliseconds */
  time(test) {
    const seconds = expected[relative(root, test.path).split(sep).join('/')];
    // Of an unknown file only its size is known: two seconds for 20 kB.
    const guess = test.context.hasteFS.getSize(test.path) ?? 0;
    return super.time(test) ?? (seconds === undefined ? guess / 10 : seconds * 1000);
  }
}
