/** P3 and P8: what silence means, and when the end of an attempt is known. */
import { CLOCK_MARGIN_MS } from '../clock-margin.js';
import { holdsGrant, moveTo, type DeploymentFacts } from './deployment.js';

/** From this moment on nothing of the attempt can touch the device, whatever the gateway does. */
export function overAt(facts: Pick<DeploymentFacts, 'finishByMs'>): number {
  return (facts.finishByMs ?? 0) + CLOCK_MARGIN_MS;
}

/** @returns the deployment as `lost`, or undefined while its end is still awaited. */
export function loseSilent(facts: DeploymentFacts, nowMs: number): DeploymentFacts | undefined {
  if (!holdsGrant(facts.state) || nowMs < overAt(facts)) return undefined;
  const lost = moveTo(facts, 'lost', nowMs);
  return lost && { ...lost, outcomeCode: 'deployment.lost', outcomeReason: null, outcomeParams: null };
}

/** P3: no live attempt, and the end of the last one is known. */
export function mayGrantNext(facts: DeploymentFacts, fencedUntilMs: number | null, nowMs: number): boolean {
  if (facts.state !== 'planned' && facts.state !== 'rescue') return false;
  if (facts.notBeforeMs !== null && facts.notBeforeMs > nowMs) return false;
  return fencedUntilMs === null || fencedUntilMs <= nowMs;
}
