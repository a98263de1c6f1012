/** What both kinds of transfer share with the update around them. */
import type { DrydockError } from '../../errors.js';
import type { Session } from '../../session/session.js';

/** What the caller wants to hear, and may forbid by throwing. */
export interface TransferHooks {
  /** Before the first write that changes the target. */
  touch(): Session<void>;
  /** Before the block that makes an on-chip target erase its application. */
  erase(): Session<void>;
  /** The target holds the first `offset` bytes of the image. */
  advanced(offset: number): Session<void>;
  /** The next write starts the new image. */
  finish(): Session<void>;
}

/** @returns how many blocks carry an image; the last one may be shorter. */
export const blockCount = (sizeBytes: number, dataBytes: number): number => Math.ceil(sizeBytes / dataBytes);

export interface TransferPace {
  /** Nobody of ours has spoken to the target in this update. */
  readonly isFirst: boolean;
  /** One block at a time, after an earlier try went wrong. */
  readonly isCareful: boolean;
  /** Blocks under way, where the caller says so. */
  readonly window: number | undefined;
}

/** The try is lost, and a new one from the first byte may succeed. */
export class StartOverError extends Error {
  constructor(override readonly cause: DrydockError) {
    super(cause.message);
  }
}
