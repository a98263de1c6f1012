/** How long links have been held for updates up to now. */
import { laneOfUse } from '../deployments/air-time.js';
import type { Deployments } from '../deployments/deployments.js';

/** @returns what attempts that ended have used, and what those that run have used so far. */
export function airTimeNow(
  deployments: Pick<Deployments, 'airTime' | 'attempts'>,
  nowMs: number,
): ReadonlyMap<string, number> {
  const held = new Map(deployments.airTime.usage());
  for (const { phase, grant, startedAtMs } of deployments.attempts) {
    if (phase !== 'running' || startedAtMs === undefined) continue;
    const lane = laneOfUse(grant);
    held.set(lane, (held.get(lane) ?? 0) + Math.max(0, nowMs - startedAtMs));
  }
  return held;
}
