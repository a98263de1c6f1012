/** What can be decided next, and when: so that a quiet list says that it is quiet, and until when. */
import type { Campaign } from '@drydock/contracts';
import { count } from '../../format/numbers.js';
import { when } from '../../format/times.js';

/** "Nothing decided since 14:08; next possible: gate of stage 3 at 2 300 finished (1 795 now)." Undefined where nothing can be. */
export function nextDecision(
  campaign: Pick<Campaign, 'state' | 'stages' | 'startAt' | 'ends'>,
  newestAt: string | undefined,
  nowMs: number,
): string | undefined {
  const next = nextOf(campaign, nowMs);
  if (next === undefined) return undefined;
  const since = newestAt === undefined ? 'Nothing decided yet' : `Nothing decided since ${when(newestAt, nowMs)}`;
  return `${since}; next possible: ${next}.`;
}

function nextOf(
  { state, stages, startAt, ends }: Parameters<typeof nextDecision>[0],
  nowMs: number,
): string | undefined {
  if (state === 'scheduled') return startAt === null ? undefined : `the start, ${when(startAt, nowMs)}`;
  if (state === 'awaiting-approval') return 'a person approves the plan';
  if (state === 'paused' || state === 'halted') return 'a person resumes it';
  if (state !== 'running') return undefined;
  const stage = stages.find((one) => one.state === 'open' || one.state === 'soaking' || one.state === 'held');
  if (!stage) return undefined;
  const name = `stage ${stage.index + 1}`;
  if (stage.gateLines.length === 0) {
    const end = ends?.p50 ?? null;
    return `the end of the campaign${end === null ? '' : `, about ${when(end, nowMs)}`}`;
  }
  const line = (rule: 'known' | 'soak' | 'approval') => stage.gateLines.find((one) => one.rule === rule);
  if (stage.state === 'held' || line('approval')?.state === 'counting') return `a person approves the gate of ${name}`;
  const soak = line('soak');
  if (stage.state === 'soaking' && soak?.rule === 'soak' && soak.until !== null)
    return `gate of ${name} when its soak ends, ${when(soak.until, nowMs)}`;
  const known = line('known');
  if (known?.rule === 'known' && known.state === 'counting')
    return `gate of ${name} at ${count(known.need)} finished (${count(known.have)} now)`;
  return `gate of ${name}`;
}
