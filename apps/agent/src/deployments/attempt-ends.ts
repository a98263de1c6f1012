/**
 * How attempts leave the agent's hand: first the attempt can no longer go on, then its end is written down, and only what
 * is written down is said (design, P4).
 */
import type { EndedReport, WithdrawnReport } from '@drydock/contracts';
import { DrydockError, type UpdateOutcome } from '@drydock/dfu-core';
import type { z } from 'zod';
import type { Journal } from '../journal/journal.js';
import type { ReportDraft } from '../journal/records.js';
import { type Logger, RepeatedLine } from '../logger.js';
import type { TrustedTime } from '../uplink/trusted-time.js';
import type { Attempt } from './attempt.js';
import { endedReport, failedOutcome } from './ended-report.js';

export interface EndsPorts {
  readonly journal: Pick<Journal, 'append'>;
  readonly time: TrustedTime;
  readonly log: Logger;
  /** Reports were written: the sender may go on. */
  reported(): void;
  /** An attempt ended: its device is worth a look. */
  ended(attempt: Attempt): void;
}

export type WithdrawnWhy = z.infer<typeof WithdrawnReport>['why'];

export class AttemptEnds {
  readonly #owing = new RepeatedLine();

  /** @param attempts those in hand, by key; what has left is taken out. */
  constructor(
    private readonly ports: EndsPorts,
    private readonly attempts: Map<string, Attempt>,
  ) {}

  /** After a restart the time for the attempt is over: what the journal shows is all that can be said. */
  async giveUp(attempt: Attempt): Promise<void> {
    attempt.abort.abort();
    const code = attempt.onlyTouched ? 'fence.start-by' : 'gateway.restarted';
    await this.end(attempt, failedOutcome(attempt, new DrydockError(code)), 0);
  }

  async end(attempt: Attempt, outcome: UpdateOutcome, durationMs: number, overdue = false): Promise<void> {
    if (attempt.phase === 'done') return;
    const report: Omit<EndedReport, 'seq'> = endedReport(attempt, outcome, {
      atMs: this.ports.time.estimateMs(),
      durationMs,
      overdue,
    });
    attempt.phase = 'done';
    try {
      await this.report(report);
    } catch (error) {
      // The end is known but not written down. Nothing of it is done again in this life of the agent.
      this.ports.log.error({ attempt: attempt.key, detail: (error as Error).message }, 'end not written down');
      attempt.owedReport = report;
      attempt.phase = 'withdrawn';
      this.attempts.set(attempt.key, attempt);
      attempt.unclaim();
      return;
    }
    this.attempts.delete(attempt.key);
    attempt.unclaim();
    this.ports.ended(attempt);
  }

  async withdraw(attempt: Attempt, why: WithdrawnWhy, held?: { reign: number; revision: number }): Promise<void> {
    if (attempt.started || attempt.phase === 'withdrawn' || attempt.phase === 'done') return;
    // First it can no longer start; then that is written down, and only what is written down is said.
    attempt.phase = 'withdrawn';
    attempt.abort.abort();
    attempt.driver?.cancel();
    attempt.owedReport = {
      kind: 'withdrawn',
      ref: attempt.ref,
      atMs: this.ports.time.estimateMs(),
      why,
      ...(held && { held }),
    };
    await this.owe(attempt);
    attempt.unclaim();
  }

  /** Writes a report down that could not be written before. */
  async owe(attempt: Attempt): Promise<void> {
    const report = attempt.owedReport;
    if (!report) return;
    attempt.owedReport = undefined;
    try {
      await this.report(report);
      attempt.phase = 'done';
      this.attempts.delete(attempt.key);
    } catch (error) {
      attempt.owedReport = report;
      this.attempts.set(attempt.key, attempt);
      this.#owing.say((error as Error).message, (detail, times) =>
        this.ports.log.error({ detail, times }, 'not written down'),
      );
    }
  }

  /** @returns the number of the report. */
  async report(report: ReportDraft): Promise<number | undefined> {
    const [record] = await this.ports.journal.append({ t: 'draft', report });
    this.ports.reported();
    return record?.t === 'report' ? record.report.seq : undefined;
  }
}
