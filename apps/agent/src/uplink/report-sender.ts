/**
 * Sends reports until the server says that it has committed them (design, P4 and section 4).
 *
 * One batch is under way at a time. It comes again after 30 s, doubling, with jitter; the cursor of an
 * ack moves on, or back: a server that was restored from a backup asks again for what it has lost.
 */
import { MAX_BATCH_REPORTS, type AckBody, type Epoch, type Report } from '@drydock/contracts';
import type { Clock } from '../clock.js';
import type { ForgottenReport, Journal } from '../journal/journal.js';
import type { Logger } from '../logger.js';

export interface OutgoingBatch {
  readonly of: Epoch;
  readonly firstSeq: number;
  readonly reports: readonly (Report | ForgottenReport)[];
  readonly nonce: string;
}

export interface ReportSenderOptions {
  readonly journal: Pick<Journal, 'epochs' | 'reports' | 'append' | 'reign' | 'lastSeq'>;
  readonly clock: Clock;
  readonly log: Logger;
  /** A nonce whose question is remembered: each batch asks for the time as well. */
  ask(): string;
  /** Signs and publishes; rejects when there is no connection. */
  publish(batch: OutgoingBatch): Promise<void>;
  /** Before `committed`: numbers of a batch that are committed and moved nothing. */
  refused?(of: Epoch, seqs: readonly number[]): void;
  /** More reports are known to be committed. */
  committed?(): void;
  /** 0..1, for jitter. */
  random?(): number;
}

/** Signed and in base64 a batch grows by a third and must stay within the largest message. */
const MAX_BATCH_JSON_BYTES = 120 * 1024;
const RETRY_MS = 30_000;
const MAX_RETRY_MS = 30 * 60_000;

export class ReportSender {
  readonly #options: ReportSenderOptions;
  #outstanding:
    { readonly of: Epoch; readonly firstSeq: number; readonly lastSeq: number; readonly nonce: string } | undefined;
  #connected = false;
  #tries = 0;
  #timer: (() => void) | undefined;
  #pausedUntilMs = 0;
  #work: Promise<void> = Promise.resolve();
  #stopped = false;

  constructor(options: ReportSenderOptions) {
    this.#options = options;
  }

  /** New reports were written, or the connection is there: sends unless a batch is under way. */
  kick(): void {
    this.#queue(() => this.#send());
  }

  connected(): void {
    this.#connected = true;
    // What was under way may have been lost with the connection before this one.
    this.#queue(() => {
      this.#outstanding = undefined;
      return this.#send();
    });
  }

  disconnected(): void {
    this.#connected = false;
    this.#callOff();
  }

  stop(): void {
    this.#stopped = true;
    this.#callOff();
  }

  /** Milliseconds for which nothing is offered, because the server asked so or took nothing; 0: no pause. */
  get pausedMs(): number {
    return Math.max(0, this.#pausedUntilMs - this.#options.clock.monotonicMs());
  }

  /** Resolves when everything that was asked for so far has been done. */
  settled(): Promise<void> {
    return this.#work;
  }

  /** An order or an ack carries a reign: when it has grown, all that is kept is offered again. */
  noticeReign(reign: number): void {
    this.#queue(async () => {
      if (await this.#follow(reign)) await this.#send();
    });
  }

  /** An ack whose signature, gateway and epoch were checked. */
  acknowledged(ack: AckBody): void {
    this.#queue(() => this.#acknowledged(ack));
  }

  async #acknowledged(ack: AckBody): Promise<void> {
    const { journal, clock } = this.#options;
    if (ack.reign < journal.reign) return; // from before a restore: late
    const outstanding = this.#outstanding;
    const answers = outstanding !== undefined && ack.nonce === outstanding.nonce;
    await this.#follow(ack.reign);
    if (ack.retryAfterMs !== undefined) {
      this.#pausedUntilMs = clock.monotonicMs() + ack.retryAfterMs * (1 + this.#random() / 5);
    }
    const book = journal.epochs().find(({ epoch }) => epoch === ack.of);
    if (book) {
      const cursor = Math.min(ack.cursor, book.lastSeq);
      // A lower cursor in an answer to something older is only late, not a restored server.
      const late = cursor < book.cursor && ack.nonce !== undefined && !answers;
      if (!late && cursor !== book.cursor) {
        this.#options.refused?.(ack.of, ack.unapplied ?? []);
        await journal.append({ t: 'ack', of: ack.of, cursor, atMs: ack.serverTimeMs });
        this.#options.committed?.();
      }
      if (outstanding && ack.of === outstanding.of && (answers || cursor >= outstanding.lastSeq)) {
        this.#outstanding = undefined;
        this.#callOff();
        if (cursor >= outstanding.firstSeq) this.#tries = 0;
        // Refused for a gap: from there, at once. Not taken at all: later, or this would never end.
        else if (cursor < outstanding.firstSeq - 1 && this.#tries === 0) this.#tries = 1;
        else if (ack.retryAfterMs === undefined) {
          this.#pausedUntilMs = clock.monotonicMs() + RETRY_MS * 2 ** Math.min(this.#tries, 6) * 0.8;
          this.#tries += 1;
        }
      }
    }
    await this.#send();
  }

  /** @returns whether the reign has grown. */
  async #follow(reign: number): Promise<boolean> {
    const { journal, log } = this.#options;
    if (reign <= journal.reign) return false;
    log.warn({ reign, was: journal.reign }, 'the server was restored: everything kept is offered again');
    await journal.append({ t: 'reign', reign });
    this.#outstanding = undefined;
    this.#callOff();
    return true;
  }

  async #send(): Promise<void> {
    const { journal, clock } = this.#options;
    if (this.#stopped || !this.#connected || this.#outstanding) return;
    const pauseMs = this.#pausedUntilMs - clock.monotonicMs();
    if (pauseMs > 0) return this.#wait(pauseMs);
    const book = journal.epochs().find(({ cursor, lastSeq }) => cursor < lastSeq);
    if (!book) return;
    const firstSeq = book.cursor + 1;
    const reports = await journal.reports(book.epoch, firstSeq, MAX_BATCH_REPORTS, MAX_BATCH_JSON_BYTES);
    if (reports.length === 0) return;
    const nonce = this.#options.ask();
    this.#outstanding = { of: book.epoch, firstSeq, lastSeq: firstSeq + reports.length - 1, nonce };
    this.#later();
    try {
      await this.#options.publish({ of: book.epoch, firstSeq, reports, nonce });
    } catch (error) {
      this.#options.log.debug({ detail: (error as Error).message }, 'batch not sent');
    }
  }

  /** Sends (again) after the present back-off. */
  #later(): void {
    const base = Math.min(RETRY_MS * 2 ** Math.min(this.#tries, 16), MAX_RETRY_MS);
    this.#wait(base * (0.8 + this.#random() * 0.4), () => {
      this.#tries += 1;
      this.#outstanding = undefined;
    });
  }

  #wait(delayMs: number, before?: () => void): void {
    this.#callOff();
    this.#timer = this.#options.clock.after(delayMs, () => {
      this.#timer = undefined;
      before?.();
      this.kick();
    });
  }

  #callOff(): void {
    this.#timer?.();
    this.#timer = undefined;
  }

  #random(): number {
    return this.#options.random?.() ?? Math.random();
  }

  /** One thing after the other: acks and sends see the journal as the one before left it. */
  #queue(work: () => Promise<void> | void): void {
    this.#work = this.#work.then(async () => {
      if (this.#stopped) return;
      try {
        await work();
      } catch (error) {
        this.#options.log.error({ detail: (error as Error).message }, 'reports');
        this.#wait(RETRY_MS);
      }
    });
  }
}
