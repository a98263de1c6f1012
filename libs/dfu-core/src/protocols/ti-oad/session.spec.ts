/** The session against a link that answers anything: it ends, in an outcome, and never writes before `touched`. */
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { describeArtifact } from '../../image/describe.js';
import { makeTiOadImage } from '../../image/ti-oad/make.js';
import type { UpdateOutcome } from '../../session/protocol.js';
import type { Effect, Input, LinkInfo } from '../../session/session.js';
import { CONTROL, IMAGE_BLOCK, IMAGE_COUNT, IMAGE_IDENTIFY, RESET } from './messages.js';
import { tiOad } from './session.js';

const FILE = makeTiOadImage({ code: new Uint8Array(700).fill(3), softwareVersion: '0002' });
const MAX_EFFECTS = 50_000;

const link = (channels: readonly string[]): LinkInfo => ({
  kind: 'ble',
  maxWriteBytes: 244,
  channels,
  identity: { kind: 'ble-address', value: '54:6c:0e:01:02:03' },
});

const channelSets = fc.constantFrom(
  [IMAGE_IDENTIFY, IMAGE_BLOCK, CONTROL],
  [IMAGE_IDENTIFY, IMAGE_BLOCK, IMAGE_COUNT],
  [IMAGE_IDENTIFY, IMAGE_BLOCK],
  [RESET],
  [],
);

const bytes = fc.oneof(
  fc.uint8Array({ maxLength: 8 }),
  // Close to what is meant, so that the conversation gets somewhere.
  fc
    .constantFrom(
      [0x01, 0x14, 0x00],
      [0x07, 0x30, 0x30, 0x30, 0x31],
      [0x10, 0x0b, 0x04, 0x15, 0xff],
      [0x11, 0x01, 0xff, 0xfe, 0x07, 0x00],
      [0x00],
      [0x12, 0x00, 0x00, 0x00, 0x00, 0x00],
      [0x12, 0x00, 0x01, 0x00, 0x00, 0x00],
      [0x12, 0x0e, 0x00, 0x00, 0x00, 0x00],
      [0x04, 0x00],
    )
    .map((values) => Uint8Array.from(values)),
);

interface Played {
  readonly outcome: UpdateOutcome;
  readonly effects: number;
  readonly wroteBeforeTouched: boolean;
}

function play(channels: readonly string[], frames: readonly Uint8Array[], troubles: readonly number[]): Played {
  const session = tiOad.update(link(channels), {
    artifact: describeArtifact(FILE),
    allowDowngrade: false,
    confirm: 'after-proof',
    versionProves: true,
    returnWithinMs: 1000,
  });
  let step = session.next();
  let effects = 0;
  let touched = false;
  let wroteBeforeTouched = false;
  while (!step.done && effects < MAX_EFFECTS) {
    const effect: Effect = step.value;
    expect(Number.isFinite(effect.withinMs) && effect.withinMs >= 0).toBe(true);
    if (effect.kind === 'mark' && effect.step === 'touched') touched = true;
    if (effect.kind === 'send' && effect.channel === IMAGE_BLOCK && !touched) wroteBeforeTouched = true;
    step = session.next(answer(effect, effects, channels, frames, troubles));
    effects += 1;
  }
  if (!step.done) throw new Error('the session does not end');
  return { outcome: step.value, effects, wroteBeforeTouched };
}

function answer(
  effect: Effect,
  index: number,
  channels: readonly string[],
  frames: readonly Uint8Array[],
  troubles: readonly number[],
): Input {
  const trouble = troubles[index % troubles.length]!;
  if (trouble === 1 && effect.kind !== 'mark') return { kind: 'timeout' };
  if (trouble === 2 && effect.kind !== 'mark') return { kind: 'closed' };
  // A driver gives it once.
  if (trouble === 3 && index === troubles.indexOf(3)) return { kind: 'cancel' };
  switch (effect.kind) {
    case 'read':
      return { kind: 'data', bytes: FILE.subarray(effect.offset, effect.offset + effect.length) };
    case 'query':
      return { kind: 'frame', channel: effect.channel, bytes: frames[index % frames.length]! };
    case 'await':
      return { kind: 'frame', channel: effect.channels[0]!, bytes: frames[index % frames.length]! };
    case 'reconnect':
      return { kind: 'opened', link: link(channels) };
    default:
      return { kind: 'done' };
  }
}

describe('a link that answers anything', () => {
  it('the session ends in an outcome, every effect has an end, and no block leaves before touched', () => {
    fc.assert(
      fc.property(
        channelSets,
        fc.array(bytes, { minLength: 1, maxLength: 12 }),
        fc.array(fc.constantFrom(0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3), { minLength: 1, maxLength: 40 }),
        (channels, frames, troubles) => {
          const { outcome, wroteBeforeTouched } = play(channels, frames, troubles);
          expect(wroteBeforeTouched).toBe(false);
          expect(['proven', 'unproven', 'skipped', 'failed', 'cancelled']).toContain(outcome.outcome);
          if (outcome.outcome === 'failed') expect(outcome.code).not.toBe('internal.invariant');
        },
      ),
      { numRuns: 300 },
    );
  });
});
