/** When a running campaign ends, as a column says it. */
import type { CampaignSummary } from '@drydock/contracts';
import { when } from './times.js';

/** "Thu 22:50–Fri 01:20"; what there is no forecast of is said, never a dash. */
export function endsWords(ends: CampaignSummary['ends'], nowMs: number): string {
  if (ends === null) return 'no forecast yet';
  const { p10, p50, p90 } = ends;
  if (p50 === null) return 'not before its deadline';
  if (p10 !== null && p90 !== null) return `${when(p10, nowMs)}–${when(p90, nowMs)}`;
  return `about ${when(p50, nowMs)}`;
}
