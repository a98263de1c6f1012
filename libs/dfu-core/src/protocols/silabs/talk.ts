/** One conversation with a Silicon Labs unit, shared by its three protocols; what is said is theirs. */
import { DrydockError } from '../../errors.js';
import { isLinkTrouble as mayConnectAgain, LinkTalk } from '../../session/link-talk.js';
import type { LineSettings, LinkInfo, ReconnectHint, Session } from '../../session/session.js';

/** A link calls bytes sent up to so long before the wire is done with them. */
const DRAIN_MS = 30;
const RESTORE_TRIES = 3;

export { ForbiddenStepError, LeaveError } from '../../session/link-talk.js';

/** What was sent is lost or spoilt, and these targets cannot resume: begin the upload again. */
export class StartOverError extends DrydockError {}

/** Whether connecting again, or beginning again, may help. */
export function isLinkTrouble(error: unknown): error is DrydockError {
  return error instanceof StartOverError || mayConnectAgain(error);
}

export class Talk extends LinkTalk {
  #line: LineSettings | undefined;
  #ownLine: LineSettings | undefined;

  /** A link that was set to a speed is opened again with it. */
  override *reconnect(as: ReconnectHint, withinMs: number): Session<LinkInfo> {
    return yield* super.reconnect(this.#line ? { ...as, line: this.#line } : as, withinMs);
  }

  /** Sets the speed of a UART; `own` is the one it had, for `restoreLine`. Nothing is done where it is set already. */
  *setLine(line: LineSettings, own: LineSettings): Session<void> {
    this.#ownLine = own;
    const current = this.#line ?? own;
    if (current.baud === line.baud) return;
    // What was written may still be on its way at the old speed.
    yield* this.sleep(DRAIN_MS);
    yield* this.configure(line);
    this.#line = line;
  }

  /** Whatever happened: the line is left at the speed at which it was found. */
  *restoreLine(): Session<void> {
    if (!this.#ownLine || !this.#line) return;
    const own = this.#ownLine;
    if (this.#line.baud === own.baud) return;
    // A cancellation here changes nothing: the speed is set all the same.
    this.mayLeave = false;
    for (let tries = 0; tries < RESTORE_TRIES && this.isOpen; tries++) {
      try {
        yield* this.sleep(DRAIN_MS);
        yield* this.configure(own);
        break;
      } catch (error) {
        // Once more; a link that is gone or closed is opened at its own speed.
        if (!(error instanceof DrydockError)) throw error;
      }
    }
    this.#line = own;
  }
}
