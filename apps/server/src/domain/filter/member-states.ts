/** Which states and stages the members that match a filter can be in, so that only those are read; and when that is all it asks. */
import type { DeploymentState } from '@drydock/contracts';
import { DEPLOYMENT_STATES } from '@drydock/contracts';
import { isJoin, type Filter } from './filter.js';
import { matchesPattern } from './text-pattern.js';

/** @returns states outside of which nothing can match; all of them where the filter does not say. */
export function statesOf(filter: Filter): DeploymentState[] {
  if (isJoin(filter)) {
    const parts = filter.parts.map((part) => new Set(statesOf(part)));
    return DEPLOYMENT_STATES.filter((state) =>
      filter.kind === 'and' ? parts.every((part) => part.has(state)) : parts.some((part) => part.has(state)),
    );
  }
  if (filter.kind !== 'member' || filter.field !== 'state') return [...DEPLOYMENT_STATES];
  return DEPLOYMENT_STATES.filter(
    (state) => filter.any.some((pattern) => matchesPattern(pattern, state)) !== filter.negated,
  );
}

/** Whether counters by stage and state alone can say how many match. */
export function asksOnlyForPlace(filter: Filter): boolean {
  if (isJoin(filter)) return filter.parts.every(asksOnlyForPlace);
  return filter.kind === 'member' && (filter.field === 'state' || filter.field === 'stage');
}
