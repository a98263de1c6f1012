/** How many devices a canary needs for the brake to find a given failure rate: what a form should say. */
import { InvariantError } from '@drydock/dfu-core';
import { DEFAULT_ALPHA } from './alpha.js';

export interface CanaryPower {
  /** Devices for the brake to trip with 80 %, by rule of thumb. */
  readonly n80: number;
  readonly n95: number;
}

/** The rule of thumb, a fit to exact figures. @throws InvariantError unless 0 < limit < rate <= 1. */
export function canarySize(rate: number, limit: number, alpha = DEFAULT_ALPHA): CanaryPower {
  if (!(limit > 0 && limit < rate && rate <= 1 && alpha > 0 && alpha < 1))
    throw new InvariantError(`a canary for rate ${rate} against limit ${limit}`);
  const good = rate === 1 ? 0 : (1 - rate) * Math.log((1 - rate) / (1 - limit));
  const divergence = rate * Math.log(rate / limit) + good;
  const scale = Math.log(8 / alpha) / divergence;
  return { n80: Math.max(3, Math.ceil(1.4 * scale)), n95: Math.max(3, Math.ceil(2.1 * scale)) };
}

/**
 * The smallest rate on a grid of percents that a canary of this size finds with 80 %; undefined if not even 100 %.
 * "A canary of 50 finds 20 % bad, not 5 % bad."
 */
export function detectableRate(size: number, limit: number, alpha = DEFAULT_ALPHA): number | undefined {
  for (let percent = 1; percent <= 100; percent++) {
    const rate = percent / 100;
    if (rate > limit && canarySize(rate, limit, alpha).n80 <= size) return rate;
  }
  return undefined;
}

/** Devices of one kind needed to see at least one failure of rate p with 95 %. @throws InvariantError */
export function devicesToSeeOne(rate: number): number {
  if (!(rate > 0 && rate <= 1)) throw new InvariantError(`a failure rate of ${rate}`);
  return rate === 1 ? 1 : Math.ceil(Math.log(0.05) / Math.log(1 - rate));
}
