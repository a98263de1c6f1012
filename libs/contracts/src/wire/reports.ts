/**
 * `reports`: what an agent says happened, numbered without gaps within an epoch (design, section 4).
 *
 * A batch is signed when it is sent, by the live epoch; `of` names the epoch whose numbers it carries,
 * so that reports of an earlier start keep theirs.
 *
 * Numbers have no gaps even where a report is gone (a damaged journal, or one pruned after its 30 days
 * and asked for again): in its place stands `{ seq, kind: "forgotten" }`, which no reader knows and which
 * is therefore committed as refused.
 */
import { z } from 'zod';
import { Epoch } from '../ids.js';
import { AttemptRef } from './envelope.js';
import { FlatFacts, IdentityFact, RunningImageFact } from './device-facts.js';

const base = {
  seq: z.int().min(1),
  /** The agent's best knowledge of the server's clock when it happened; null without a trusted time. */
  atMs: z.int().positive().nullable(),
};
const onAttempt = { ...base, ref: AttemptRef };

/** Strength of a radio signal at the gateway. */
const SignalFact = z.int().min(-128).max(127);

/** First report of every epoch. `intact`: everything granted before is known from the journal. */
export const EpochStartedReport = z.object({
  ...base,
  kind: z.literal('epoch-started'),
  agentVersion: z.string().max(64),
  journal: z.enum(['new', 'intact', 'damaged']),
  /** What the repair of a damaged journal lost, in words and numbers for people. */
  journalNote: z.string().max(512).optional(),
});

/**
 * The attempt was not started and never will be, said by an agent whose journal shows it.
 * `superseded`: it holds the newer order, without this grant. `never-arrived`: answer to `settle`, no order with the
 * grant ever came to this journal; not believed of an attempt that the gateway has reported.
 */
export const WithdrawnReport = z.object({
  ...onAttempt,
  kind: z.literal('withdrawn'),
  why: z.enum(['superseded', 'cancelled', 'epoch-ended', 'start-by-passed', 'never-arrived']),
  held: z.object({ reign: z.int().min(0), revision: z.int().min(0) }).optional(),
});

/**
 * The grant is held; its artifact is fetched, if it is not there yet. Touches no device. First report of every attempt:
 * nothing is touched before the server has acknowledged it, so that it knows of every attempt that may be touched.
 */
export const DownloadingReport = z.object({ ...onAttempt, kind: z.literal('downloading') });

/** Journalled before the first write that changes the device. `before` was read from the unit just now. */
export const TouchedReport = z.object({
  ...onAttempt,
  kind: z.literal('touched'),
  identity: IdentityFact,
  before: z.array(RunningImageFact).max(8),
  /** How strongly the gateway heard the device when the attempt began; absent where the link knows no signal. */
  rssiDbm: SignalFact.optional(),
});

/** A point of no return was passed (the DFU core's marks), or proving began. */
export const StepReport = z.object({
  ...onAttempt,
  kind: z.enum(['erased', 'complete', 'activating', 'proving']),
});

/** The attempt is over: nothing of it will touch the device again. */
export const EndedReport = z.object({
  ...onAttempt,
  kind: z.literal('ended'),
  outcome: z.enum(['proven', 'unproven', 'failed', 'reverted', 'cancelled', 'skipped']),
  /** For `failed`: a code of `ERROR_CODES` (or a newer agent's). */
  code: z.string().max(64).optional(),
  params: z.record(z.string().max(64), z.union([z.string().max(512), z.number(), z.boolean(), z.null()])).optional(),
  /** For `unproven` and `skipped`: why. */
  reason: z.string().max(64).optional(),
  identity: IdentityFact.optional(),
  hardware: FlatFacts.optional(),
  before: z.array(RunningImageFact).max(8).optional(),
  after: z.array(RunningImageFact).max(8).optional(),
  /** What failed beside the update and changes nothing of its outcome, such as a hook of the site: codes and words. */
  alsoFailed: z
    .array(z.object({ code: z.string().max(64), detail: z.string().max(256) }))
    .max(4)
    .optional(),
  touched: z.boolean(),
  needsRescue: z.boolean(),
  sentBytes: z.int().min(0),
  durationMs: z.int().min(0),
  /** As in `touched`: at the begin; and the weakest that was measured until the end. */
  rssiDbm: SignalFact.optional(),
  lowestRssiDbm: SignalFact.optional(),
  /** Payload that was sent by the time it took, from the first byte to the last; absent where none was sent. */
  bytesPerSecond: z.number().min(0).optional(),
});

export const Report = z.discriminatedUnion('kind', [
  EpochStartedReport,
  WithdrawnReport,
  DownloadingReport,
  TouchedReport,
  StepReport,
  EndedReport,
]);
export type Report = z.infer<typeof Report>;
export type EndedReport = z.infer<typeof EndedReport>;

/** Most reports in one batch. */
export const MAX_BATCH_REPORTS = 256;

/** The batch as it must at least parse; each report is parsed on its own, so that one bad report refuses itself only. */
export const ReportBatch = z.object({
  of: Epoch,
  firstSeq: z.int().min(1),
  reports: z
    .array(z.looseObject({ seq: z.int().min(1), kind: z.string().max(64) }))
    .min(1)
    .max(MAX_BATCH_REPORTS),
  /** Every batch is a time request as well: 128 random bits, hex. */
  nonce: z.string().regex(/^[0-9a-f]{32}$/),
});
export type ReportBatch = z.infer<typeof ReportBatch>;

/** A time request of its own, on the `reports` topic. */
export const TimeRequestBody = z.object({ nonce: z.string().regex(/^[0-9a-f]{32}$/) });
export type TimeRequestBody = z.infer<typeof TimeRequestBody>;
