/** What the end of a session means for its attempt. A pure rule. */
import type { UpdateOutcome } from '@drydock/dfu-core';
import type { Attempt } from './attempt.js';

/**
 * - `ready`: its turn comes again; `later`: after a pause, as a link stood in the way.
 * - `start-by-passed`: it never touched its device, and may not any more.
 * - `end`: the outcome is its end.
 */
export type AfterSession = 'ready' | 'later' | 'start-by-passed' | 'end';

type Known = Pick<Attempt, 'started' | 'cancelWanted' | 'resumed'>;

/** @param stopping the agent is stopping: what was touched is left as the journal shows it. */
export function afterSession(attempt: Known, outcome: UpdateOutcome, stopping: boolean): AfterSession {
  const code = outcome.outcome === 'failed' ? outcome.code : undefined;
  const left = outcome.outcome === 'cancelled' && !attempt.cancelWanted;
  if (stopping && (left || !attempt.started)) return 'ready';
  if (!attempt.started) {
    if (code === 'fence.start-by' || code === 'fence.finish-by') return 'start-by-passed';
    if (code === 'fence.no-time') return 'ready';
    return code === 'link.no-room' ? 'later' : 'end';
  }
  if (!attempt.resumed) return 'end';
  // After a restart a device that does not answer (yet) is looked for until the time is over.
  if (code?.startsWith('link.') || code === 'site.hook-before') return 'later';
  return code === 'fence.no-time' ? 'ready' : 'end';
}
