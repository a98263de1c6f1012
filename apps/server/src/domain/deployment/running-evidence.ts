/** What a later sighting of the running image means for a result (corrections of design section 3). */
import { type RunningImageFact, compareRunning, type ArtifactProof } from '@drydock/contracts';
import { moveTo, type DeploymentFacts } from './deployment.js';

/**
 * @param running what the application of the unit said, read after the result was reported.
 * @returns the corrected deployment, or undefined where nothing changes. Only a hash counts as late proof: a
 *   version could have been there before.
 */
export function correctByEvidence(
  facts: DeploymentFacts,
  running: readonly RunningImageFact[],
  artifact: ArtifactProof,
  nowMs: number,
): DeploymentFacts | undefined {
  // A step on the way says nothing of the campaign's artifact.
  if (running.length === 0 || facts.step?.kind === 'stone') return undefined;
  const seen = compareRunning(running, artifact);
  switch (facts.state) {
    case 'proven':
      if (seen !== 'other') return undefined;
      break;
    case 'unproven':
      if (facts.corrected || (seen !== 'other' && seen !== 'same-by-hash')) return undefined;
      // What was unproven because the same other image was read then is no revert now.
      if (seen === 'other' && compareRunning(facts.afterRunning ?? [], artifact) === 'other') return undefined;
      if (seen === 'same-by-hash' && compareRunning(facts.beforeRunning ?? [], artifact) !== 'other') return undefined;
      break;
    case 'lost':
    case 'cancelled':
      if (facts.corrected || seen !== 'same-by-hash' || facts.touchedAtMs === null) return undefined;
      if (compareRunning(facts.beforeRunning ?? [], artifact) !== 'other') return undefined;
      break;
    default:
      return undefined;
  }
  const restored = facts.step?.kind === 'restore' && seen !== 'other';
  const to = seen === 'other' || restored ? 'reverted' : 'proven';
  const next = moveTo(facts, to, nowMs, true);
  if (!next) return undefined;
  return {
    ...next,
    outcomeCode: seen === 'other' ? 'target.reverted' : null,
    outcomeReason: restored ? 'restored' : seen === 'other' ? null : 'seen-later',
    outcomeParams: null,
    afterRunning: running,
    atRisk: seen !== 'other' ? false : facts.atRisk,
    atRiskAtMs: seen !== 'other' ? null : facts.atRiskAtMs,
  };
}
