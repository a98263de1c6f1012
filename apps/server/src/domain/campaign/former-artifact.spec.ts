import { describe, expect, it } from '@jest/globals';
import { formerArtifact, type FormerCandidate } from './former-artifact.js';

const hashed = (id: string, hash: string, version = '1.0'): FormerCandidate => ({
  id,
  version,
  runningVersion: null,
  versionProves: false,
  images: [{ image: 0, runningHash: hash }],
});
const named = (id: string, version: string): FormerCandidate => ({
  id,
  version,
  runningVersion: version,
  versionProves: true,
  images: [{ image: 0 }],
});
const ran = (version?: string, hash?: string) => [
  { image: 0, ...(version !== undefined && { version }), ...(hash !== undefined && { hash }) },
];
const idOf = (before: ReturnType<typeof ran>, stored: FormerCandidate[]) => formerArtifact(before, stored)?.id;

describe('what a device ran before', () => {
  it.each([
    [
      'the hash decides, whatever the version says',
      ran('9.9', 'aa'),
      [hashed('a', 'aa'), hashed('b', 'bb', '9.9')],
      'a',
    ],
    ['a hash that nobody has is not overruled by a version', ran('1.0', 'cc'), [hashed('a', 'aa')], undefined],
    ['the version where no hash was read', ran('1.0'), [hashed('a', 'aa'), named('b', '2.0')], 'a'],
    ['the version where the artifact has no hash', ran('2.0', 'ff'), [named('b', '2.0')], 'b'],
    ['two of one version cannot be told apart', ran('1.0'), [hashed('a', 'aa'), named('b', '1.0')], undefined],
    ['nothing was read', [], [hashed('a', 'aa')], undefined],
    ['no version and no hash', ran(), [hashed('a', 'aa')], undefined],
  ])('%s', (_, before, stored, expected) => {
    expect(idOf(before, stored)).toBe(expected);
  });

  it('names nothing where not every image is the same', () => {
    const two = {
      ...hashed('a', 'aa'),
      images: [
        { image: 0, runningHash: 'aa' },
        { image: 1, runningHash: 'bb' },
      ],
    };
    expect(
      formerArtifact(
        [
          { image: 0, hash: 'aa' },
          { image: 1, hash: 'xx' },
        ],
        [two],
      ),
    ).toBeUndefined();
    expect(
      formerArtifact(
        [
          { image: 0, hash: 'aa' },
          { image: 1, hash: 'bb' },
        ],
        [two],
      ),
    ).toBe(two);
  });
});
