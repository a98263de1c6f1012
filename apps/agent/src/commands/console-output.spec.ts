import { describe, expect, it } from '@jest/globals';
import type { UpdateOutcome } from '@drydock/dfu-core';
import { exitStatusOfOutcome } from './console-output.js';

const nothingSent = { sentBytes: 0, needsRescue: false };
const refused: UpdateOutcome = { outcome: 'failed', code: 'artifact.signature', params: {}, ...nothingSent };

describe('exit status of an update', () => {
  it.each<[UpdateOutcome, boolean, number]>([
    [{ outcome: 'proven', ...nothingSent }, true, 0],
    [{ outcome: 'skipped', reason: 'already-running', ...nothingSent }, false, 0],
    [{ outcome: 'unproven', reason: 'version-not-readable', ...nothingSent }, true, 3],
    [{ outcome: 'failed', code: 'link.timeout', params: {}, ...nothingSent }, false, 1],
    [{ outcome: 'reverted', ...nothingSent }, true, 1],
    [{ outcome: 'cancelled', ...nothingSent }, false, 1],
  ])('%j', (outcome, touched, status) => {
    expect(exitStatusOfOutcome(outcome, touched)).toBe(status);
  });

  it('"refused" is only what touched nothing: a device in its bootloader that refuses the file is a failure', () => {
    expect(exitStatusOfOutcome(refused, false)).toBe(2);
    expect(exitStatusOfOutcome(refused, true)).toBe(1);
  });
});
