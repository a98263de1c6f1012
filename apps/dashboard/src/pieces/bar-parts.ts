/** What bars are drawn of: the parts of a campaign or stage in their fixed order. Sums are the server's; nothing is judged here. */
import type { SumsBody } from '@drydock/contracts';
import { count } from '../format/numbers.js';

export type Pattern = 'solid' | 'hatch' | 'stripes' | 'dotted' | 'outline' | 'hollow';
export interface BarPart {
  readonly key: string;
  readonly label: string;
  readonly n: number;
  readonly ink: 'proven' | 'bad' | 'unknown' | 'flight' | 'waiting';
  readonly pattern: Pattern;
}

/** Always in this order: proven, unproven, failed, reverted, lost, in flight, may start, waiting. */
export function stageParts(sums: SumsBody): BarPart[] {
  return [
    { key: 'proven', label: 'proven', n: sums.proven, ink: 'proven', pattern: 'solid' },
    { key: 'unproven', label: 'unproven', n: sums.unproven, ink: 'unknown', pattern: 'stripes' },
    { key: 'failed', label: 'failed', n: sums.failed, ink: 'bad', pattern: 'solid' },
    { key: 'reverted', label: 'reverted', n: sums.reverted, ink: 'bad', pattern: 'hatch' },
    { key: 'lost', label: 'lost', n: sums.lost, ink: 'unknown', pattern: 'dotted' },
    { key: 'running', label: 'in flight', n: sums.running + sums.rescue, ink: 'flight', pattern: 'solid' },
    { key: 'granted', label: 'may still start', n: sums.granted, ink: 'flight', pattern: 'outline' },
    { key: 'planned', label: 'waiting', n: sums.planned, ink: 'waiting', pattern: 'hollow' },
  ];
}

/** The three shares of what ended; they add up to all that ended. */
export interface ThreeShares {
  readonly ended: number;
  readonly proven: number;
  readonly bad: number;
  readonly notKnown: number;
}

export function threeShares(sums: SumsBody): ThreeShares {
  const bad = sums.failed + sums.reverted;
  const notKnown = sums.unproven + sums.lost;
  return { ended: sums.proven + bad + notKnown, proven: sums.proven, bad, notKnown };
}

/** One sentence with every part that is not zero: the bar's name for those who do not see it. */
export function sentenceOf(parts: readonly BarPart[], of: string): string {
  const said = parts.filter((part) => part.n > 0).map((part) => `${count(part.n)} ${part.label}`);
  return `${of}: ${said.length === 0 ? 'no device yet' : said.join(', ')}.`;
}
