/** P2: what a pause can promise, from the grants that are out. */
import { CLOCK_MARGIN_MS } from '../clock-margin.js';
import { holdsGrant, type DeploymentFacts } from './deployment.js';

export interface Exposure {
  readonly mayStillStart: number;
  readonly noneAfter: number;
  readonly running: number;
  readonly rescue: number;
  readonly doneBy: number;
}

/** The same numbers apart for devices behind gateways that are connected and behind those that are away. */
export interface ExposureByReach extends Exposure {
  /** Of `running`: erased or activated already. */
  readonly mustFinish: number;
  readonly byReach: Readonly<Record<'connected' | 'absent', Exposure & { readonly gateways: number }>>;
}

export type LiveGrant = Pick<DeploymentFacts, 'state' | 'startByMs' | 'finishByMs' | 'touchedAtMs' | 'needsRescue'> & {
  /** Grants that are alike in all of this; 1 where it is left out. */
  readonly count?: number;
};

/**
 * @param live every deployment of the campaign that is granted, under way, or in rescue.
 * `mayStillStart` is an upper bound (some may have started unheard) and only falls once granting is
 * closed; at `noneAfter` it is 0 even if no gateway is heard of again.
 */
export function exposureOf(live: Iterable<LiveGrant>, nowMs: number): Exposure {
  let mayStillStart = 0;
  let running = 0;
  let rescue = 0;
  let noneAfter = nowMs;
  let doneBy = nowMs;
  for (const grant of live) {
    const count = grant.count ?? 1;
    if (grant.state === 'rescue') rescue += count;
    if (!holdsGrant(grant.state)) continue;
    doneBy = Math.max(doneBy, (grant.finishByMs ?? 0) + CLOCK_MARGIN_MS);
    if (grant.touchedAtMs !== null) {
      running += count;
    } else if (grant.needsRescue) {
      // Touched long ago; it only waits for its application, and a pause does not take that away.
      rescue += count;
    } else if ((grant.startByMs ?? 0) + CLOCK_MARGIN_MS > nowMs) {
      mayStillStart += count;
      noneAfter = Math.max(noneAfter, (grant.startByMs ?? 0) + CLOCK_MARGIN_MS);
    }
  }
  return { mayStillStart, noneAfter, running, rescue, doneBy };
}

/** @param gateways how many hold live deployments, by whether they are connected. */
export function exposureByReach(
  live: readonly (LiveGrant & { readonly connected: boolean; readonly atRisk: boolean })[],
  gateways: { readonly connected: number; readonly absent: number },
  nowMs: number,
): ExposureByReach {
  const of = (connected: boolean): Exposure =>
    exposureOf(
      live.filter((grant) => grant.connected === connected),
      nowMs,
    );
  return {
    ...exposureOf(live, nowMs),
    mustFinish: exposureOf(
      live.filter((grant) => grant.atRisk),
      nowMs,
    ).running,
    byReach: {
      connected: { ...of(true), gateways: gateways.connected },
      absent: { ...of(false), gateways: gateways.absent },
    },
  };
}

export interface GrantTimeouts {
  readonly startMs: number;
  readonly transferMs: number;
  readonly activateMs: number;
  readonly proveMs: number;
}

/** Both ends of a grant given (or renewed) now. */
export function grantEnds(nowMs: number, timeouts: GrantTimeouts): { startByMs: number; finishByMs: number } {
  const startByMs = nowMs + timeouts.startMs;
  return { startByMs, finishByMs: startByMs + timeouts.transferMs + timeouts.activateMs + timeouts.proveMs };
}
