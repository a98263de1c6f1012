import { describe, expect, it } from '@jest/globals';
import type { ArtifactProof, DeploymentState, RunningImageFact } from '@drydock/contracts';
import type { DeploymentFacts } from './deployment.js';
import { correctByEvidence } from './running-evidence.js';

const HASH = 'aa'.repeat(32);
const OTHER = 'bb'.repeat(32);
const hashed: ArtifactProof = { images: [{ image: 0, runningHash: HASH }], runningVersion: null, versionProves: false };
const run = (fields: Partial<RunningImageFact>): RunningImageFact[] => [{ image: 0, ...fields }];

describe('later evidence', () => {
  const facts = (state: DeploymentState, fields: Partial<DeploymentFacts> = {}) =>
    ({
      state,
      corrected: false,
      touchedAtMs: 1,
      beforeRunning: run({ hash: OTHER }),
      afterRunning: run({ hash: HASH }),
      ...fields,
    }) as DeploymentFacts;
  it.each<[DeploymentState, string, Partial<DeploymentFacts>, DeploymentState | undefined]>([
    ['proven', OTHER, {}, 'reverted'],
    ['proven', HASH, {}, undefined],
    ['unproven', HASH, {}, 'proven'],
    ['unproven', HASH, { beforeRunning: run({ hash: HASH }) }, undefined],
    ['unproven', OTHER, { afterRunning: run({ hash: OTHER }) }, undefined],
    ['lost', HASH, {}, 'proven'],
    ['lost', HASH, { touchedAtMs: null }, undefined],
    ['lost', OTHER, {}, undefined],
    ['cancelled', HASH, { corrected: true }, undefined],
    ['failed', HASH, {}, undefined],
    ['reverted', HASH, {}, undefined],
  ])('%s, then %s', (state, hash, fields, expected) => {
    expect(correctByEvidence(facts(state, fields), run({ hash }), hashed, 5)?.state).toBe(expected);
  });
});
