/** What bars are drawn of: the parts of a campaign or stage in their fixed order, as the server counted them. */
import type { PartsBody } from '@drydock/contracts';
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
export function barParts(parts: PartsBody): BarPart[] {
  return [
    { key: 'proven', label: 'proven', n: parts.proven, ink: 'proven', pattern: 'solid' },
    { key: 'unproven', label: 'unproven', n: parts.unproven, ink: 'unknown', pattern: 'stripes' },
    { key: 'failed', label: 'failed', n: parts.failed, ink: 'bad', pattern: 'solid' },
    { key: 'reverted', label: 'reverted', n: parts.reverted, ink: 'bad', pattern: 'hatch' },
    { key: 'lost', label: 'lost', n: parts.lost, ink: 'unknown', pattern: 'dotted' },
    { key: 'inFlight', label: 'in flight', n: parts.inFlight, ink: 'flight', pattern: 'solid' },
    { key: 'mayStillStart', label: 'may still start', n: parts.mayStillStart, ink: 'flight', pattern: 'outline' },
    { key: 'waiting', label: 'waiting', n: parts.waiting, ink: 'waiting', pattern: 'hollow' },
  ];
}

const ENDED = new Set(['proven', 'unproven', 'failed', 'reverted', 'lost']);
/** Only what has ended. */
export const endedParts = (parts: PartsBody): BarPart[] => barParts(parts).filter(({ key }) => ENDED.has(key));

/** One sentence with every part that is not zero: the bar's name for those who do not see it. */
export function sentenceOf(parts: readonly BarPart[], of: string): string {
  const said = parts.filter((part) => part.n > 0).map((part) => `${count(part.n)} ${part.label}`);
  return `${of}: ${said.length === 0 ? 'no device yet' : said.join(', ')}.`;
}
