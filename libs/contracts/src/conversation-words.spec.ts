import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { conversationSentence } from './conversation-words.js';

describe('what a gateway said', () => {
  it.each([
    ['touched', { before: [{ image: 0, version: '6.1.1' }] }, 'First touch of the device, which ran 6.1.1.'],
    [
      'ended',
      { outcome: 'proven', after: [{ version: '6.1.2' }, { hash: 'ab'.repeat(32) }] },
      'Proven: it reads back 6.1.2 + abababababab….',
    ],
    ['ended', { outcome: 'failed', code: 'x.new', sentBytes: 96 }, 'Failed after 96 bytes: x.new.'],
    [
      'ended',
      { outcome: 'unproven', reason: 'cannot-be-asked' },
      'Unproven: what it runs cannot be asked (cannot-be-asked).',
    ],
    ['withdrawn', { why: 'superseded' }, 'It was not started and never will be: a newer order left it out.'],
    ['from-the-future', {}, 'from-the-future.'],
  ])('%s %j', (kind, facts, sentence) => expect(conversationSentence(kind, facts)).toBe(sentence));

  it('says the code with its numbers', () => {
    expect(conversationSentence('ended', { outcome: 'failed', code: 'link.lost' })).toMatch(/^Failed: link\.lost: /);
  });

  it('survives whatever was stored', () => {
    fc.assert(
      fc.property(
        fc.constantFrom('ended', 'touched', 'withdrawn', 'granted'),
        fc.dictionary(
          fc.constantFrom('outcome', 'code', 'params', 'before', 'after', 'why', 'reason', 'sentBytes'),
          fc.jsonValue(),
        ),
        (kind, facts) => typeof conversationSentence(kind, facts) === 'string',
      ),
    );
  });
});
