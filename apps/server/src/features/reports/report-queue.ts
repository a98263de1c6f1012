/**
 * Batches wait here in memory, bounded, and are committed in groups: while a group is on its way the next one
 * gathers, so the load sets the size of a group by itself. At most two groups are under way.
 */
import { Injectable, Logger, type OnModuleDestroy } from '@nestjs/common';
import type { CommittedBatch, CommitResult, IncomingBatch } from './report-committer.js';
import { ReportCommitter } from './report-committer.js';

const MAX_IN_FLIGHT = 2;
const MAX_GROUP_REPORTS = 1_500;
/** Beyond it senders are told to come back later (design, section 4: overload). */
const MAX_WAITING_REPORTS = 40_000;
/** Of one gateway, so that it cannot fill the queue of all; an agent has one batch under way. */
const MAX_WAITING_OF_GATEWAY = 2_000;
const MIN_RETRY_MS = 500;
const MAX_RETRY_MS = 300_000;

interface Waiting extends IncomingBatch {
  readonly resolve: (committed: CommittedBatch) => void;
  readonly reject: (error: unknown) => void;
}

export class OverloadedError extends Error {
  constructor(readonly retryAfterMs: number) {
    super(`The queue of reports is full; come back in ${retryAfterMs} ms.`);
    this.name = 'OverloadedError';
  }
}

@Injectable()
export class ReportQueue implements OnModuleDestroy {
  private readonly log = new Logger('ReportQueue');
  private waiting: Waiting[] = [];
  private waitingReports = 0;
  private readonly waitingOf = new Map<string, number>();
  private inFlight = 0;
  private readonly busyGateways = new Set<string>();
  private stopped = false;
  private idle: (() => void)[] = [];
  /** Reports per second, smoothed. */
  private rate = 5_000;
  /** Up to when those who were sent away will keep the database busy when they are back (`performance.now()`). */
  private bookedUntilMs = 0;
  private readonly listeners: ((result: CommitResult) => void)[] = [];

  constructor(private readonly committer: ReportCommitter) {}

  /** Called after each commit. */
  onCommitted(listener: (result: CommitResult) => void): void {
    this.listeners.push(listener);
  }

  /** Reports that wait or are on their way. */
  get depth(): number {
    return this.waitingReports;
  }

  /**
   * Resolves after the commit.
   * @throws OverloadedError when the queue is full, or what the database said.
   */
  push(incoming: IncomingBatch): Promise<CommittedBatch> {
    if (this.stopped) return Promise.reject(new Error('The server is stopping.'));
    const count = incoming.batch.reports.length;
    const { gatewayId } = incoming.origin;
    const own = this.waitingOf.get(gatewayId) ?? 0;
    const tooMany = own > 0 && own + count > MAX_WAITING_OF_GATEWAY;
    if (tooMany || this.waitingReports + count > MAX_WAITING_REPORTS)
      return Promise.reject(new OverloadedError(this.retryAfterMs(count)));
    this.waitingReports += count;
    this.waitingOf.set(gatewayId, own + count);
    return new Promise((resolve, reject) => {
      this.waiting.push({ ...incoming, resolve, reject });
      // Messages of the same turn of the loop go into the same group.
      setImmediate(() => this.pump());
    });
  }

  async onModuleDestroy(): Promise<void> {
    this.stopped = true;
    if (this.inFlight > 0 || this.waiting.length > 0) await new Promise<void>((resolve) => this.idle.push(resolve));
  }

  /**
   * Whoever is sent away gets a time of his own, behind what waits and behind those who were sent away before: thousands
   * that come back together are taken one after the other at the rate of the commits, and do not come again together.
   */
  private retryAfterMs(count: number): number {
    const now = performance.now();
    const perMs = Math.max(1, this.rate) / 1000;
    const begins = Math.max(this.bookedUntilMs, now + this.waitingReports / perMs);
    const ms = Math.min(MAX_RETRY_MS, Math.max(MIN_RETRY_MS, begins - now));
    this.bookedUntilMs = Math.min(begins + count / perMs, now + MAX_RETRY_MS);
    return Math.round(ms);
  }

  private pump(): void {
    while (this.inFlight < MAX_IN_FLIGHT && this.waiting.length > 0) {
      const group = this.takeGroup();
      if (group.length === 0) return;
      this.inFlight++;
      void this.run(group).finally(() => {
        this.inFlight--;
        for (const { origin } of group) this.busyGateways.delete(origin.gatewayId);
        this.pump();
        if (this.inFlight === 0 && this.waiting.length === 0) for (const done of this.idle.splice(0)) done();
      });
    }
  }

  /** In order of arrival; what belongs to a gateway of the other group waits for it, so that its order is kept. */
  private takeGroup(): Waiting[] {
    const group: Waiting[] = [];
    const left: Waiting[] = [];
    const mine = new Set<string>();
    /** Gateways with something left behind: nothing later of them may overtake it. */
    const behind = new Set<string>();
    let reports = 0;
    for (const item of this.waiting) {
      const { gatewayId } = item.origin;
      const count = item.batch.reports.length;
      const full = reports > 0 && reports + count > MAX_GROUP_REPORTS;
      if (full || behind.has(gatewayId) || this.busyGateways.has(gatewayId)) {
        behind.add(gatewayId);
        left.push(item);
        continue;
      }
      mine.add(gatewayId);
      reports += count;
      group.push(item);
    }
    for (const gateway of mine) this.busyGateways.add(gateway);
    this.waiting = left;
    return group;
  }

  private async run(group: readonly Waiting[]): Promise<void> {
    const startedAt = performance.now();
    const reports = group.reduce((sum, item) => sum + item.batch.reports.length, 0);
    try {
      await this.settle(group);
    } finally {
      this.waitingReports -= reports;
      for (const { origin, batch } of group) this.forget(origin.gatewayId, batch.reports.length);
      const seconds = Math.max(0.001, (performance.now() - startedAt) / 1000);
      this.rate = this.rate * 0.9 + Math.min(100_000, (reports / seconds) * MAX_IN_FLIGHT) * 0.1;
    }
  }

  private forget(gatewayId: string, count: number): void {
    const left = (this.waitingOf.get(gatewayId) ?? 0) - count;
    if (left > 0) this.waitingOf.set(gatewayId, left);
    else this.waitingOf.delete(gatewayId);
  }

  private async settle(group: readonly Waiting[]): Promise<void> {
    try {
      const result = await this.committer.commit(group);
      group.forEach((item, index) => item.resolve(result.batches[index]!));
      for (const listener of this.listeners) listener(result);
    } catch (error) {
      if (group.length === 1) {
        // Not acknowledged: it comes again. If it is the batch itself, the log says so each time.
        this.log.error(`a batch of ${group[0]!.origin.gatewayId} was not committed: ${String(error)}`);
        group[0]!.reject(error);
        return;
      }
      // One batch must not keep the others back.
      for (const item of group) await this.settle([item]);
    }
  }
}
