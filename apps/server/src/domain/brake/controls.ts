/**
 * Treated devices against concurrent controls: devices of later stages of the same model and site, with the outcome
 * "not seen healthy in the window" for both. Tests "treated no worse than control" (Turner, Ly & Grünwald,
 * arXiv 2106.02693). Blocks are closed in the order of granting, only when both halves are final.
 */
import { InvariantError } from '@drydock/dfu-core';
import { timesOdds } from './baseline.js';
import { logSumExp } from './e-value.js';

/** How many times the odds of the controls is bet on. */
export const CONTROL_ODDS = [2, 4, 8, 16] as const;

export interface ControlBlock {
  readonly treated: number;
  readonly treatedBad: number;
  readonly control: number;
  readonly controlBad: number;
}

/**
 * ln of the e-value of all blocks. @param baseRate preset rate of the controls, in (0, 1); chosen before any block.
 * @throws InvariantError for counts that are none.
 */
export function controlsLogE(blocks: readonly ControlBlock[], baseRate: number): number {
  if (!(baseRate > 0 && baseRate < 1)) throw new InvariantError(`the base rate of controls is ${baseRate}`);
  blocks.forEach(checkBlock);
  return logSumExp(
    CONTROL_ODDS.map((odds) => {
      const treatedRate = timesOdds(baseRate, odds);
      const sum = blocks.reduce((total, block) => total + blockLogE(block, treatedRate, baseRate), 0);
      return sum - Math.log(CONTROL_ODDS.length);
    }),
  );
}

function blockLogE(block: ControlBlock, pa: number, pb: number): number {
  const { treated: na, treatedBad: ya, control: nb, controlBad: yb } = block;
  const pooled = (na * pa + nb * pb) / (na + nb);
  return (
    ya * Math.log(pa / pooled) +
    (na - ya) * Math.log((1 - pa) / (1 - pooled)) +
    yb * Math.log(pb / pooled) +
    (nb - yb) * Math.log((1 - pb) / (1 - pooled))
  );
}

function checkBlock(block: ControlBlock): void {
  const half = (bad: number, of: number) => Number.isInteger(bad) && Number.isInteger(of) && bad >= 0 && bad <= of;
  if (!(
    half(block.treatedBad, block.treated) &&
    half(block.controlBad, block.control) &&
    block.treated + block.control
  ))
    throw new InvariantError(`a block of controls: ${JSON.stringify(block)}`);
}
