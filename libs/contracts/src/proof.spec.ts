import { describe, expect, it } from '@jest/globals';
import { type ArtifactProof, canBeProven, compareRunning, whyNotRunning } from './proof.js';
import type { RunningImageFact } from './wire/device-facts.js';

const HASH = 'aa'.repeat(32);
const OTHER = 'bb'.repeat(32);
const hashed: ArtifactProof = { images: [{ image: 0, runningHash: HASH }], runningVersion: null, versionProves: false };
const versioned: ArtifactProof = { images: [{ image: 0 }], runningVersion: '2.0', versionProves: true };
const run = (fields: Partial<RunningImageFact>): RunningImageFact[] => [{ image: 0, ...fields }];

describe('P1: a proof', () => {
  it.each<[string, RunningImageFact[], RunningImageFact[], ArtifactProof, string | undefined]>([
    ['the hash', run({ hash: OTHER }), run({ hash: HASH }), hashed, undefined],
    ['the hash, although it ran before', run({ hash: HASH }), run({ hash: HASH }), hashed, undefined],
    ['no hash', run({}), run({ version: '2.0' }), hashed, 'image-not-readable'],
    [
      'no hash, but the version that a person said it would state',
      run({ version: '1.0' }),
      run({ version: '2.0' }),
      { ...hashed, runningVersion: '2.0', versionProves: true },
      undefined,
    ],
    [
      'no hash, although it stated one before',
      run({ version: '1.0', hash: OTHER }),
      run({ version: '2.0' }),
      { ...hashed, runningVersion: '2.0', versionProves: true },
      'image-not-readable',
    ],
    [
      'no hash, and the version that it stated before',
      run({ version: '2.0' }),
      run({ version: '2.0' }),
      { ...hashed, runningVersion: '2.0', versionProves: true },
      'version-unchanged',
    ],
    [
      'no hash, and a version that others carry too',
      run({ version: '1.0' }),
      run({ version: '2.0' }),
      { ...hashed, runningVersion: '2.0' },
      'version-ambiguous',
    ],
    [
      'no hash, and another version',
      run({ version: '1.0' }),
      run({ version: '1.5' }),
      { ...hashed, runningVersion: '2.0', versionProves: true },
      'image-differs',
    ],
    [
      'another hash, whatever the version says',
      run({ version: '1.0' }),
      run({ version: '2.0', hash: OTHER }),
      { ...hashed, runningVersion: '2.0', versionProves: true },
      'image-differs',
    ],
    ['a trial that is not confirmed', [], run({ hash: HASH, confirmed: false }), hashed, 'not-confirmed'],
    ['another image number', [], [{ image: 1, hash: HASH }], hashed, 'image-not-readable'],
    ['a version that changed', run({ version: '1.0' }), run({ version: '2.0' }), versioned, undefined],
    [
      'a version that was there before',
      run({ version: '2.0' }),
      run({ version: '2.0' }),
      versioned,
      'version-unchanged',
    ],
    [
      'a version that another artifact has',
      run({ version: '1.0' }),
      run({ version: '2.0' }),
      { ...versioned, versionProves: false },
      'version-ambiguous',
    ],
    ['no version before', [], run({ version: '2.0' }), versioned, 'version-not-readable'],
    [
      'two images of which one can be read',
      run({ hash: OTHER }),
      run({ hash: HASH }),
      { ...hashed, images: [...hashed.images, { image: 1, runningHash: OTHER }] },
      'image-not-readable',
    ],
    [
      'one of two files of one image, linked for different slots',
      run({ hash: OTHER }),
      run({ hash: 'cc'.repeat(32) }),
      { ...hashed, images: [...hashed.images, { image: 0, runningHash: 'cc'.repeat(32) }] },
      undefined,
    ],
    [
      'neither of them',
      run({ hash: 'cc'.repeat(32) }),
      run({ hash: OTHER }),
      { ...hashed, images: [...hashed.images, { image: 0, runningHash: 'cc'.repeat(32) }] },
      'image-differs',
    ],
    [
      'two images that only versions name',
      run({ version: '1.0' }),
      run({ version: '2.0' }),
      { ...versioned, images: [{ image: 0 }, { image: 0 }] },
      'image-not-readable',
    ],
    ['an artifact without images', [], run({ hash: HASH }), { ...hashed, images: [] }, 'image-not-readable'],
  ])('%s', (_, before, after, artifact, why) => {
    expect(whyNotRunning(before, after, artifact)).toBe(why);
  });

  it('is known to be impossible where nothing could name the image', () => {
    expect(canBeProven(hashed)).toBe(true);
    expect(canBeProven(versioned)).toBe(true);
    expect(canBeProven({ ...versioned, versionProves: false })).toBe(false);
    expect(canBeProven({ ...versioned, runningVersion: null })).toBe(false);
  });
});

describe('what runs, compared with an artifact whose hash the device does not state', () => {
  const known: ArtifactProof = { ...hashed, runningVersion: '2.0', versionProves: true };
  it.each<[RunningImageFact[], ArtifactProof, string]>([
    [run({ version: '2.0' }), known, 'same-by-version'],
    [run({ version: '1.0' }), known, 'other'],
    [run({ version: '2.0' }), hashed, 'unknown'],
    [run({ version: '1.0', hash: HASH }), known, 'same-by-hash'],
    [run({}), known, 'unknown'],
  ])('%j', (running, artifact, expected) => {
    expect(compareRunning(running, artifact)).toBe(expected);
  });
});
