import { describe, expect, it } from '@jest/globals';
import { clockWords, journalWords } from './self-words.js';

describe('what a gateway says of itself', () => {
  it.each([
    [400, 'right to the second'],
    [-999, 'right to the second'],
    [-42_000, '42 s slow'],
    [3_720_000, '1 h 2 min fast'],
    [-1_795_000_000_000, '20775 d 11 h slow'],
  ])('clock %i', (offset, words) => expect(clockWords(offset)).toBe(words));

  it('tells the length of its journal where it says it', () => {
    expect(journalWords(true, 70_000, 412)).toBe('can be written · 412 records, 70 kB');
    expect(journalWords(false, null, 1)).toBe('cannot be written · 1 record');
    expect(journalWords(true, null, null)).toBe('can be written');
  });
});
