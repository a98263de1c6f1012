import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import {
  isNewer,
  judgeInventory,
  judgePresence,
  OVERLAP_MARGIN_MS,
  withWitness,
  type EpochLife,
  type PresenceStamp,
} from './gateway-life.js';

const WILL = Number.MAX_SAFE_INTEGER;
const life = (epoch: string, fields: Partial<EpochLife> = {}): EpochLife => ({
  epoch,
  firstSeenMs: 0,
  heardMs: null,
  wasLive: true,
  connection: 1,
  sequence: 0,
  ...fields,
});
const stamp = (
  epoch: string,
  connection: number,
  sequence: number,
  fields: Partial<PresenceStamp> = {},
): PresenceStamp => ({
  epoch,
  connection,
  sequence,
  online: true,
  heardMs: null,
  ...fields,
});

describe('order of presence messages', () => {
  it.each([
    ['the first word of a gateway', [], null, stamp('a', 1, 0), { kind: 'apply', epochChanged: true }],
    ['the next message', [life('a')], 'a', stamp('a', 1, 1), { kind: 'apply', epochChanged: false }],
    ['a redelivery', [life('a', { sequence: 4 })], 'a', stamp('a', 1, 4), { kind: 'late' }],
    ['an overtaken message', [life('a', { sequence: 4 })], 'a', stamp('a', 1, 3), { kind: 'late' }],
    [
      'the last will of the connection',
      [life('a', { sequence: 4 })],
      'a',
      stamp('a', 1, WILL, { online: false }),
      { kind: 'apply', epochChanged: false },
    ],
    [
      'the last will of an older connection',
      [life('a', { connection: 2 })],
      'a',
      stamp('a', 1, WILL, { online: false }),
      { kind: 'late' },
    ],
    ['a restart', [life('a')], 'a', stamp('b', 1, 0), { kind: 'apply', epochChanged: true }],
    [
      'the last will of the run before',
      [life('a'), life('b')],
      'b',
      stamp('a', 1, WILL, { online: false }),
      { kind: 'late' },
    ],
    [
      'a last will of a run nobody heard of',
      [life('a')],
      'a',
      stamp('b', 1, WILL, { online: false }),
      { kind: 'late' },
    ],
    [
      'a late message of the run before',
      [life('a'), life('b', { firstSeenMs: 100 })],
      'b',
      stamp('a', 1, 7),
      { kind: 'late' },
    ],
  ] as const)('%s', (_, lives, current, message, verdict) => {
    expect(judgePresence(lives, current, message, 1_000)).toEqual(verdict);
  });

  it('returns to an epoch that proves that it outlived the other, which was handled late', () => {
    const lives = [life('a', { firstSeenMs: 0 }), life('b', { firstSeenMs: 100_000 })];
    expect(judgePresence(lives, 'b', stamp('a', 1, 7, { heardMs: 100_001 }), 200_000)).toEqual({
      kind: 'apply',
      epochChanged: true,
    });
  });
});

describe('two lives of one key', () => {
  it('are seen when each proves to have lived after the other began', () => {
    const lives = [life('a', { firstSeenMs: 0, heardMs: 90_000 }), life('b', { firstSeenMs: 50_000, heardMs: 60_000 })];
    const verdict = judgePresence(lives, 'b', stamp('b', 1, 9, { heardMs: 80_000 }), 95_000);
    expect(verdict).toEqual({ kind: 'two-lives', other: 'a' });
  });

  it('take a message of an epoch that was followed, with knowledge from after that, and an answer', () => {
    const a = life('a', { firstSeenMs: 0, heardMs: 90_000, sequence: 5 });
    const b = life('b', { firstSeenMs: 50_000, heardMs: 50_000 });
    // One message alone could be the older epoch handled late.
    expect(judgePresence([a, b], 'b', stamp('a', 1, 6, { heardMs: 91_000 }), 95_000).kind).toBe('apply');
    expect(judgePresence([a, b], 'a', stamp('b', 1, 6, { heardMs: 94_000 }), 95_000).kind).toBe('two-lives');
  });

  it('a stamp from the future proves nothing more than now', () => {
    expect(withWitness(life('a'), 'a', 10_000, 5_000).heardMs).toBe(5_000);
  });
});

/** One message of an agent's history: when it was sent, and what it knew. */
interface Sent {
  readonly atMs: number;
  readonly stamp: PresenceStamp;
}

/** Runs of one agent on one machine, one after the other, each with connections, messages and wills. */
const honestHistory = fc
  .array(
    fc.record({
      gapMs: fc.integer({ min: 0, max: 40_000 }),
      connections: fc.array(
        fc.record({
          messages: fc.array(fc.record({ afterMs: fc.integer({ min: 0, max: 30_000 }), hears: fc.boolean() }), {
            minLength: 1,
            maxLength: 4,
          }),
          will: fc.boolean(),
        }),
        { minLength: 1, maxLength: 3 },
      ),
    }),
    { minLength: 1, maxLength: 4 },
  )
  .map((runs) => {
    let atMs = 1;
    const sent: Sent[] = [];
    runs.forEach((run, index) => {
      atMs += run.gapMs;
      let heardMs: number | null = null;
      run.connections.forEach((connection, number) => {
        connection.messages.forEach((message, sequence) => {
          atMs += message.afterMs;
          // What it heard came from a signed answer: a stamp of the servers' clock from before this moment.
          if (message.hears) heardMs = atMs;
          sent.push({ atMs, stamp: stamp(`run${index}`, number + 1, sequence, { heardMs }) });
        });
        if (connection.will)
          sent.push({ atMs, stamp: stamp(`run${index}`, number + 1, WILL, { online: false, heardMs }) });
      });
    });
    return sent;
  });

/** Hands messages to the rules as a server does, at the times given. */
function play(deliveries: readonly { sent: Sent; atMs: number }[]): {
  verdicts: string[];
  current: string | null;
  online: boolean;
} {
  const lives = new Map<string, EpochLife>();
  let current: string | null = null;
  let online = false;
  const verdicts = deliveries.map(({ sent, atMs }) => {
    const { stamp: message } = sent;
    const own = lives.get(message.epoch);
    const verdict = judgePresence([...lives.values()], current, message, atMs);
    const newest = own && !isNewer(message, own) ? own : message;
    lives.set(message.epoch, {
      ...withWitness(own, message.epoch, message.heardMs, atMs),
      wasLive: (own?.wasLive ?? false) || verdict.kind === 'apply',
      connection: newest.connection,
      sequence: newest.sequence,
    });
    if (verdict.kind === 'apply') [current, online] = [message.epoch, message.online];
    return verdict.kind;
  });
  return { verdicts, current, online };
}

describe('properties', () => {
  it('no loss, repetition, delay or reordering of the messages of one agent ever looks like two', () => {
    const scrambled = honestHistory.chain((sent) =>
      fc
        .array(fc.record({ which: fc.nat({ max: sent.length - 1 }), delayMs: fc.integer({ min: 0, max: 200_000 }) }), {
          maxLength: 40,
        })
        .map((picks) =>
          picks
            .map(({ which, delayMs }) => ({ sent: sent[which]!, atMs: sent[which]!.atMs + delayMs }))
            .sort((a, b) => a.atMs - b.atMs),
        ),
    );
    fc.assert(
      fc.property(scrambled, (deliveries) => {
        expect(play(deliveries).verdicts).not.toContain('two-lives');
      }),
      { numRuns: 2_000 },
    );
  });

  it('delivered in order, the last message of the last run decides', () => {
    fc.assert(
      fc.property(honestHistory, (sent) => {
        const { current, online } = play(sent.map((one) => ({ sent: one, atMs: one.atMs })));
        expect(current).toBe(sent.at(-1)!.stamp.epoch);
        expect(online).toBe(sent.at(-1)!.stamp.online);
      }),
      { numRuns: 500 },
    );
  });

  it('redelivery in any order of what was handled changes nothing', () => {
    fc.assert(
      fc.property(honestHistory, fc.infiniteStream(fc.nat()), (sent, picks) => {
        const inOrder = sent.map((one) => ({ sent: one, atMs: one.atMs }));
        const end = sent.at(-1)!.atMs;
        const again = [...picks.take(20)].map((pick, index) => ({
          sent: sent[pick % sent.length]!,
          atMs: end + index,
        }));
        const once = play(inOrder);
        const twice = play([...inOrder, ...again]);
        expect([twice.current, twice.online]).toEqual([once.current, once.online]);
      }),
      { numRuns: 500 },
    );
  });

  it('two agents that both go on hearing the server are found', () => {
    fc.assert(
      fc.property(fc.array(fc.boolean(), { minLength: 4, maxLength: 30 }), (turns) => {
        const seen = new Map<string, number>();
        const deliveries = turns.map((first, index) => {
          const epoch = first ? 'a' : 'b';
          const atMs = (index + 1) * 2 * OVERLAP_MARGIN_MS;
          const sequence = (seen.get(epoch) ?? -1) + 1;
          seen.set(epoch, sequence);
          return { sent: { atMs, stamp: stamp(epoch, 1, sequence, { heardMs: atMs - 1 }) }, atMs };
        });
        // a … b … a … b: each spoke, knowing the present, after the other had begun and spoken again.
        const flips = turns.filter((turn, index) => index > 0 && turn !== turns[index - 1]).length;
        const verdicts = play(deliveries).verdicts;
        if (flips >= 3) expect(verdicts).toContain('two-lives');
        if (flips <= 1) expect(verdicts).not.toContain('two-lives');
      }),
    );
  });
});

describe('order of inventories', () => {
  const lives = [
    { epoch: 'a', wasLive: true },
    { epoch: 'b', wasLive: true },
  ];
  it.each([
    [
      'the next one',
      'b',
      { epoch: 'b', sequence: 3 },
      { epoch: 'b', sequence: 4 },
      { kind: 'apply', epochChanged: false },
    ],
    ['the same again', 'b', { epoch: 'b', sequence: 3 }, { epoch: 'b', sequence: 3 }, { kind: 'late' }],
    [
      'the first after a restart',
      'b',
      { epoch: 'a', sequence: 9 },
      { epoch: 'b', sequence: 1 },
      { kind: 'apply', epochChanged: false },
    ],
    ['one of a run that is over', 'b', { epoch: 'b', sequence: 3 }, { epoch: 'a', sequence: 10 }, { kind: 'late' }],
    [
      'one that comes before the first presence',
      'b',
      { epoch: 'b', sequence: 3 },
      { epoch: 'c', sequence: 1 },
      { kind: 'apply', epochChanged: true },
    ],
  ] as const)('%s', (_, current, last, message, verdict) => {
    expect(judgeInventory(lives, current, last, message)).toEqual(verdict);
  });
});
