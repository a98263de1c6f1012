/** The sums of design section 3, in one place: for gates, API and screens. */
import { DEPLOYMENT_STATES, type DeploymentState } from '@drydock/contracts';

export type Counts = Readonly<Partial<Record<DeploymentState, number>>>;

/** Counts that are not states. */
export interface RiskCounts {
  /**
   * At risk, its gateway heard since, and lost, overdue or last try failed; among planned, granted, running,
   * rescue and lost. Proven, failed and reverted devices are known and never suspect.
   */
  readonly suspect: number;
}

export interface Sums {
  readonly total: number;
  readonly planned: number;
  readonly granted: number;
  readonly running: number;
  readonly rescue: number;
  readonly proven: number;
  readonly unproven: number;
  readonly failed: number;
  readonly reverted: number;
  readonly cancelled: number;
  readonly skipped: number;
  readonly lost: number;
  readonly known: number;
  readonly suspect: number;
  /** Neither known nor suspect, and it may still become so: not finished, or lost. */
  readonly unresolved: number;
  /** Members whose deployment has not ended. */
  readonly unfinished: number;
  readonly failureShare: number | null;
  readonly successRate: number | null;
}

export function sumsOf(counts: Counts, risk: RiskCounts, options: { acceptUnproven: boolean }): Sums {
  const n = (state: DeploymentState): number => counts[state] ?? 0;
  const granted = n('granted') + n('downloading');
  const running = n('transferring') + n('activating') + n('proving') + n('cancelling');
  const unfinished = n('planned') + granted + running + n('rescue');
  const known = n('proven') + n('failed') + n('reverted') + (options.acceptUnproven ? n('unproven') : 0);
  const suspect = Math.min(risk.suspect, unfinished + n('lost'));
  const bad = n('failed') + n('reverted') + suspect;
  return {
    total: DEPLOYMENT_STATES.reduce((sum, state) => sum + n(state), 0),
    planned: n('planned'),
    granted,
    running,
    rescue: n('rescue'),
    proven: n('proven'),
    unproven: n('unproven'),
    failed: n('failed'),
    reverted: n('reverted'),
    cancelled: n('cancelled'),
    skipped: n('skipped'),
    lost: n('lost'),
    known,
    suspect,
    unresolved: unfinished + n('lost') - suspect,
    unfinished,
    failureShare: known + suspect === 0 ? null : bad / (known + suspect),
    successRate: known === 0 ? null : n('proven') / known,
  };
}

/** Sums of several stages together. */
export function sumOf(parts: readonly Sums[]): Sums {
  const add = (of: (sums: Sums) => number): number => parts.reduce((total, part) => total + of(part), 0);
  const known = add((sums) => sums.known);
  const suspect = add((sums) => sums.suspect);
  const proven = add((sums) => sums.proven);
  const bad = add((sums) => sums.failed + sums.reverted) + suspect;
  return {
    total: add((sums) => sums.total),
    planned: add((sums) => sums.planned),
    granted: add((sums) => sums.granted),
    running: add((sums) => sums.running),
    rescue: add((sums) => sums.rescue),
    proven,
    unproven: add((sums) => sums.unproven),
    failed: add((sums) => sums.failed),
    reverted: add((sums) => sums.reverted),
    cancelled: add((sums) => sums.cancelled),
    skipped: add((sums) => sums.skipped),
    lost: add((sums) => sums.lost),
    known,
    suspect,
    unresolved: add((sums) => sums.unresolved),
    unfinished: add((sums) => sums.unfinished),
    failureShare: known + suspect === 0 ? null : bad / (known + suspect),
    successRate: known === 0 ? null : proven / known,
  };
}
