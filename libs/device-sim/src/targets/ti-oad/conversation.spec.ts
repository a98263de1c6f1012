/**
 * The host's session and the simulated target talk to each other in virtual time. Both were written apart from the same
 * documents, so what they agree on is the protocol and not a habit of ours.
 */
import { describe, expect, it } from '@jest/globals';
import { fileFor, identifyIt, runs, shaOf, steps, unit, update, VARIANTS, versionOf, what } from './conversation.fixture.js';

describe('an update from the application to the proof', () => {
  it.each(VARIANTS)('%s is proven, and the flash holds the image', (variant) => {
    const story = unit(variant);
    const file = fileFor(variant, 2);
    const progress: number[] = [];
    const result = update(story, file, {}, { onProgress: (sent) => progress.push(sent) });
    expect(result.outcome).toMatchObject({ outcome: 'proven', needsRescue: false, sentBytes: file.length });
    expect(runs(story)).toBe(shaOf(file));
    expect(result.framesDropped).toBe(0);
    expect(progress.at(-1)).toBe(file.length);
    expect(steps(result)).toContain('touched');
    expect(what(story)).toContain('activated');
    expect(identifyIt(story).running).toEqual([{ image: 0, version: versionOf(variant, 2) }]);
  });
});
