/** Requests on the control point and what comes back: answers in their turn, receipts whenever they like. */
import { LinkError } from '../../errors.js';
import type { Session } from '../../session/session.js';
import { decodeNotice, encodeRequest } from './codec.js';
import { type LinkTalk, MAX_STRAY_FRAMES } from '../../session/link-talk.js';
import { CONTROL_POINT, type Notice, Opcode, type Request, type RequestOpcode, Status } from './messages.js';

const ANSWER_MS = 10_000;

export class ControlPoint {
  constructor(private readonly talk: LinkTalk) {}

  *send(request: Request): Session<void> {
    yield* this.talk.send(CONTROL_POINT, encodeRequest(request), true);
  }

  /** The next notice. @returns undefined when none came in time. */
  *notice(withinMs: number): Session<Notice | undefined> {
    const frame = yield* this.talk.receive(CONTROL_POINT, withinMs);
    return frame && decodeNotice(frame);
  }

  /**
   * The status that answers a request; whatever else comes before it is passed over.
   * @throws LinkError `link.timeout` when none comes.
   */
  *status(request: RequestOpcode, withinMs: number): Session<number> {
    for (let strays = 0; strays < MAX_STRAY_FRAMES; strays++) {
      const notice = yield* this.notice(withinMs);
      if (!notice) throw new LinkError('link.timeout', { withinMs, detail: `opcode ${request} was not answered` });
      if (notice.kind === 'response' && notice.request === request) return notice.status;
    }
    throw tooMuch();
  }

  /** How many bytes of firmware the target counts; undefined when it does not say so. */
  *receivedBytes(): Session<number | undefined> {
    yield* this.send({ opcode: Opcode.ReportReceived });
    for (let strays = 0; strays < MAX_STRAY_FRAMES; strays++) {
      const notice = yield* this.notice(ANSWER_MS);
      if (!notice) return undefined;
      if (notice.kind === 'received') return notice.receivedBytes;
      if (notice.kind === 'response' && notice.request === Opcode.ReportReceived && notice.status !== Status.Success) {
        return undefined;
      }
    }
    throw tooMuch();
  }
}

export const tooMuch = (): LinkError =>
  new LinkError('link.corrupt', { detail: `${MAX_STRAY_FRAMES} answers to nothing that was asked` });
