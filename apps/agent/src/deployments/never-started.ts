/**
 * What to say of attempts that the server granted and has no word of (design, P3): the order may never have arrived.
 * Silence is the answer wherever the journal cannot vouch for the whole time since.
 */
import type { OrdersBody } from '@drydock/contracts';
import type { Journal } from '../journal/journal.js';
import { attemptKey, refOf, type ReportDraft } from '../journal/records.js';

/**
 * @param order newer than all before it; what it does not grant any more is withdrawn already.
 * @param atMs the server's time as the gateway knows it.
 * @returns a report for each attempt that was not started and never will be. Of the others a report tells already,
 *   is still to come, or nothing is known.
 */
export function neverStarted(
  order: OrdersBody,
  journal: Pick<Journal, 'epoch' | 'attempt' | 'lastWord' | 'covers'>,
  atMs: number | null,
): ReportDraft[] {
  const granted = new Set(order.grants.map(attemptKey));
  const held = { reign: order.reign, revision: order.revision };
  const drafts = new Map<string, ReportDraft>();
  for (const entry of order.settle ?? []) {
    if (!journal.covers(entry.epoch) || journal.lastWord(entry) !== undefined) continue;
    const isLive = entry.epoch === journal.epoch;
    const known = journal.attempt(entry);
    // Granted in another epoch than the server says: one of the two is wrong about it.
    if (known && (isLive || known.epoch !== entry.epoch || known.state !== 'granted')) continue;
    if (granted.has(attemptKey(entry))) continue;
    drafts.set(attemptKey(entry), {
      kind: 'withdrawn',
      ref: refOf(entry),
      atMs,
      why: known ? 'epoch-ended' : 'never-arrived',
      ...(isLive && { held }),
    });
  }
  return [...drafts.values()];
}
