import { describe, expect, it } from '@jest/globals';
import type { ConversationLine } from '@drydock/contracts';
import { conversationText, MOST_LINES, newestLast, withRate } from './conversation-lines.js';

const line = (kind: string, more: Partial<ConversationLine> = {}): ConversationLine => ({
  at: '2026-11-20T14:25:03.000Z',
  saidAt: null,
  campaign: { id: 'c', name: 'bond-fix' },
  deploymentId: 'd',
  attempt: 2,
  gateway: { id: 'g', name: '' },
  kind,
  disposition: 'applied',
  note: null,
  sentence: 'All bytes are over.',
  ...more,
});

describe('a conversation', () => {
  it('is read from the oldest line on, at most a thousand', () => {
    const many = Array.from({ length: MOST_LINES + 5 }, (_, index) => line(String(index)));
    expect([newestLast(many).length, newestLast(many).at(-1)!.kind]).toEqual([MOST_LINES, '0']);
  });

  it('is text with the gateway’s own time where it knew it, and says what was not accepted', () => {
    expect(
      conversationText([
        line('granted'),
        line('complete', { saidAt: '2026-11-20T14:24:59.000Z', gateway: { id: 'g', name: 'gw-1' } }),
        line('ended', { disposition: 'refused', note: 'not-its-own' }),
      ]),
    ).toBe(
      [
        '2026-11-20T14:25:03.000Z  bond-fix#2  g  granted  All bytes are over.',
        '2026-11-20T14:24:59.000Z  bond-fix#2  gw-1  complete  All bytes are over.',
        '2026-11-20T14:25:03.000Z  bond-fix#2  g  ended  All bytes are over. (not accepted: not-its-own)',
      ].join('\n'),
    );
  });

  it('says no rate that is not known', () => {
    expect([withRate(undefined), withRate(null), withRate(18_412.4)]).toEqual(['', '', ' · 18.4 kB/s']);
  });
});
