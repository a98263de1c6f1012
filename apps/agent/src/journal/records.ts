/** What the journal keeps. Records are facts in the order in which they became true. */
import { Epoch, Grant, Report, type AttemptRef } from '@drydock/contracts';
import { z } from 'zod';

const attemptRef = z.object({ deployment: Grant.shape.deployment, reign: z.int().min(0), attempt: z.int().min(1) });

/** The agent started: the numbers of reports that follow belong to this epoch. */
const EpochRecord = z.object({ t: z.literal('epoch'), epoch: Epoch });
/** A grant was taken from an order of the epoch, or renewed by a later one. */
const GrantRecord = z.object({ t: z.literal('grant'), epoch: Epoch, grant: Grant });
/** What was read from the unit before it was touched: needed to judge it after a restart. */
const BeforeRecord = z.object({
  t: z.literal('before'),
  ref: attemptRef,
  link: z.string().max(256),
  identification: z.unknown(),
});
/** The unit has answered something that was sent after `touched`: from then on `startBy` is behind the attempt. */
const AnsweredRecord = z.object({ t: z.literal('answered'), ref: attemptRef });
const ReportRecord = z.object({ t: z.literal('report'), epoch: Epoch, report: Report });
/** The server's cursor of one epoch. A lower one than before counts: the server was restored. */
const AckRecord = z.object({ t: z.literal('ack'), of: Epoch, cursor: z.int().min(0), atMs: z.int().positive() });
/** The server's reign grew: everything that is kept is offered again. */
const ReignRecord = z.object({ t: z.literal('reign'), reign: z.int().min(0) });

export const JournalRecord = z.discriminatedUnion('t', [
  EpochRecord,
  GrantRecord,
  BeforeRecord,
  AnsweredRecord,
  ReportRecord,
  AckRecord,
  ReignRecord,
]);
export type JournalRecord = z.infer<typeof JournalRecord>;

type WithoutSeq<T> = T extends unknown ? Omit<T, 'seq'> : never;
/** A report before it has its number: that is given when it is written. */
export type ReportDraft = WithoutSeq<Report>;
/** What callers append: records, or reports still without a number. */
export type JournalEntry = Exclude<JournalRecord, { t: 'report' }> | { t: 'draft'; report: ReportDraft };

/** From this share of its bound on the journal is in trouble: nothing new is started, and room is made where it can be. */
export const TROUBLE_SHARE = 0.75;
/** A little above, so that a start that is refused for want of room is always one that the trouble explains. */
const START_SHARE = 0.8;

/**
 * Up to which share of its bound the journal takes an entry. What begins something is refused first, then what tells how
 * far it is; the room that is left belongs to how things ended, and the last of it to what lets room be made again.
 */
export function roomOf(entry: JournalEntry): number {
  if (entry.t === 'grant') return START_SHARE;
  if (entry.t === 'ack' || entry.t === 'reign' || entry.t === 'epoch') return 1;
  if (entry.t !== 'draft') return 0.9;
  switch (entry.report.kind) {
    case 'downloading':
      return START_SHARE;
    case 'ended':
    case 'withdrawn':
    case 'epoch-started':
      return 0.98;
    default:
      return 0.9;
  }
}

/** One text for one attempt, for maps. */
export function attemptKey(ref: AttemptRef): string {
  return `${ref.deployment}/${ref.reign}/${ref.attempt}`;
}

/** @returns the part of a grant that names its attempt. */
export function refOf(grant: AttemptRef): AttemptRef {
  return { deployment: grant.deployment, reign: grant.reign, attempt: grant.attempt };
}
