/** Approvals that a later change made void, read off what was decided. */
import type { Decision, PlanVersion } from '@drydock/contracts';

const TAKEN_BACK = new Set(['campaign.withdrawn', 'campaign.declined', 'campaign.approval-expired']);

/** @param decisions newest first. @returns approvals that lie before the plan was last taken back, newest first, each person once. */
export function voidApprovals(decisions: readonly Decision[]): { by: string; at: string }[] {
  const back = decisions.findIndex(({ kind }) => TAKEN_BACK.has(kind));
  if (back < 0) return [];
  const before = decisions.slice(back + 1);
  // Only those of the plan that was taken back last; what was void before that is history.
  const end = before.findIndex(({ kind }) => TAKEN_BACK.has(kind));
  const named = new Map<string, string>();
  for (const { kind, at, by, params } of end < 0 ? before : before.slice(0, end)) {
    const person = by ?? (typeof params['by'] === 'string' ? params['by'] : undefined);
    if (kind === 'campaign.approved' && person !== undefined && !named.has(person)) named.set(person, at);
  }
  return [...named].map(([by, at]) => ({ by, at }));
}

/** The version of the plan that was up for approval at a moment. @param versions newest first. */
export function versionAt<T extends Pick<PlanVersion, 'usedAt'>>(versions: readonly T[], at: string): T | undefined {
  return versions.find(({ usedAt }) => usedAt !== null && Date.parse(usedAt) <= Date.parse(at));
}
