/**
 * The session by hand: a bootloader in a few lines, and everything that can happen at any effect. The conversation itself
 * is told in the specs of the simulated units.
 */
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { fromHex, toHex } from '../../bytes/hex.js';
import { DrydockError } from '../../errors.js';
import { describeArtifact } from '../../image/describe.js';
import { PLAIN } from '../../image/silabs/vectors.fixture.js';
import type { UpdateOutcome, UpdateRequest } from '../../session/protocol.js';
import { type Effect, type Input, type LinkInfo, SERIAL_CHANNEL, type Session } from '../../session/session.js';
import { bgapiDfu } from './session.js';

const SLOW = 38_400;
const FAST = 115_200;
const LINK: LinkInfo = {
  kind: 'serial',
  maxWriteBytes: 4096,
  channels: [SERIAL_CHANNEL],
  identity: { kind: 'port-path', value: '/dev/x' },
};
const OPTIONS = { baud: String(SLOW), bootbaud: String(FAST) };
const REQUEST: UpdateRequest = {
  artifact: describeArtifact(PLAIN),
  allowDowngrade: false,
  confirm: 'after-proof',
  versionProves: true,
  expectVersion: '2.0.0.0',
  returnWithinMs: 5_000,
  linkOptions: OPTIONS,
};

/** What a unit says to a packet, as hex, at which speed it listens. Only a bootloader, unless `application`. */
const BOOTLOADER: readonly (readonly [begin: string, answer: string])[] = [
  ['20010101', 'a004000001000402'],
  ['20040001', '200200010000'],
  ['20..0002', '200200020000'],
  ['20000003', '200200030000'],
];

interface Run {
  readonly baud: number;
  readonly isOpen: boolean;
  readonly effects: number;
  readonly sent: readonly string[];
  readonly outcome?: UpdateOutcome;
  readonly error?: unknown;
}

/** Plays the link; at the effect with this number it answers something else instead. */
function play(session: Session<unknown>, at = -1, instead: Input = { kind: 'done' }, answers = BOOTLOADER): Run {
  let baud = SLOW;
  let isOpen = true;
  let effects = 0;
  let waiting = '';
  const sent: string[] = [];
  const perform = (effect: Effect): Input => {
    effects += 1;
    if (effects > 5_000) throw new Error('it never ends');
    if (effects === at) {
      if (instead.kind === 'closed') isOpen = false;
      return instead;
    }
    if (!isOpen && effect.kind !== 'reconnect' && effect.kind !== 'mark' && effect.kind !== 'progress') {
      return { kind: 'closed' };
    }
    switch (effect.kind) {
      case 'reconnect':
        isOpen = true;
        baud = effect.as.line?.baud ?? SLOW;
        return { kind: 'opened', link: LINK };
      case 'configure':
        baud = effect.line.baud;
        return { kind: 'done' };
      case 'send': {
        const text = toHex(effect.bytes);
        sent.push(text);
        const known = answers.find(([begin]) => new RegExp(`^${begin}`).test(text));
        if (known && baud === FAST && text !== '2001010100') waiting = known[1];
        return { kind: 'done' };
      }
      case 'await': {
        if (waiting === '') return { kind: 'timeout' };
        const bytes = fromHex(waiting);
        waiting = '';
        return { kind: 'frame', channel: SERIAL_CHANNEL, bytes };
      }
      case 'read':
        return { kind: 'data', bytes: PLAIN.slice(effect.offset, effect.offset + effect.length) };
      case 'close':
        isOpen = false;
        return { kind: 'done' };
      default:
        return { kind: 'done' };
    }
  };
  try {
    let next = session.next();
    while (!next.done) next = session.next(perform(next.value));
    return { baud, isOpen, effects, sent, outcome: next.value as UpdateOutcome };
  } catch (error) {
    return { baud, isOpen, effects, sent, error };
  }
}

describe('the speed of the line', () => {
  it('is the one before after an identification, whoever answered', () => {
    const found = play(bgapiDfu.identify(LINK, OPTIONS));
    expect([found.baud, found.error]).toEqual([SLOW, undefined]);
    const nobody = play(bgapiDfu.identify(LINK, OPTIONS), -1, undefined, []);
    expect(nobody.baud).toBe(SLOW);
    expect(nobody.error).toMatchObject({ code: 'link.timeout' });
  });

  it('is the one before after an update that ends where no application starts', () => {
    const run = play(bgapiDfu.update(LINK, REQUEST));
    expect(run.outcome).toMatchObject({ outcome: 'failed', needsRescue: true, sentBytes: PLAIN.length });
    expect(run.sent).toContain('20000003');
    expect(run.baud).toBe(SLOW);
  });

  it.each<[string, Input]>([
    ['a cancellation', { kind: 'cancel' }],
    ['a time-out', { kind: 'timeout' }],
    ['a fence', { kind: 'failed', code: 'fence.finish-by' }],
    ['a failure', { kind: 'failed', code: 'link.corrupt' }],
    ['the end of the link', { kind: 'closed' }],
    ['noise', { kind: 'frame', channel: SERIAL_CHANNEL, bytes: fromHex('20a0ff00') }],
  ])('is restored whatever happens, at any effect: %s', (_, instead) => {
    const effects = play(bgapiDfu.update(LINK, REQUEST)).effects;
    fc.assert(
      fc.property(fc.integer({ min: 1, max: effects }), (at) => {
        const { outcome, error, baud, isOpen } = play(bgapiDfu.update(LINK, REQUEST), at, instead);
        expect(error).toBeUndefined();
        expect(outcome).toBeDefined();
        // Once it is closed the next opening sets it; refused by a fence, nothing may be done any more but close.
        if (isOpen) expect(baud).toBe(SLOW);
      }),
      { numRuns: 60 },
    );
  });
});

it('an identification that fails throws a typed error', () => {
  expect(play(bgapiDfu.identify(LINK, { generation: 'x' })).error).toBeInstanceOf(DrydockError);
});
