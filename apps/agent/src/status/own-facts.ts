/** What presence tells of the gateway itself, beside its links. */
import type { PresenceBody } from '@drydock/contracts';
import type { Journal } from '../journal/journal.js';
import type { LiveSite } from '../site/live-site.js';
import type { TrustedTime } from '../uplink/trusted-time.js';

type Down = { readonly link: string; readonly state: 'down'; readonly note: string };

/** A journal that cannot take more is a state that the server sees: nothing new starts meanwhile. */
export function journalTrouble({ trouble }: Pick<Journal, 'trouble'>): Down[] {
  return trouble ? [{ link: 'journal', state: 'down', note: `${trouble.code}: ${trouble.detail}`.slice(0, 256) }] : [];
}

export function siteTrouble({ note }: Pick<LiveSite, 'note'>): Down[] {
  return note === undefined ? [] : [{ link: 'site-file', state: 'down', note }];
}

/** @param wallMs this machine's own clock. */
export function factsOfItself(
  time: Pick<TrustedTime, 'estimateMs' | 'upperBoundMs'>,
  { size }: Pick<Journal, 'size'>,
  wallMs = Date.now(),
): Pick<PresenceBody, 'clockOffsetMs' | 'journalBytes' | 'journalEntries'> {
  // An estimate outlives a sleep, after which nobody knows.
  const serverMs = time.upperBoundMs() === undefined ? null : time.estimateMs();
  return {
    ...(serverMs !== null && { clockOffsetMs: Math.round(wallMs - serverMs) }),
    journalBytes: size.bytes,
    journalEntries: size.records,
  };
}
