/** What the reports room counts for Prometheus. */
import { Injectable } from '@nestjs/common';
import { Counter, Gauge, Histogram } from 'prom-client';
import { Metrics } from '../insight/health/metrics.js';
import { RecentCounts, type RecentReports } from './recent-counts.js';
import { ReportQueue } from './report-queue.js';

@Injectable()
export class ReportMetrics {
  private readonly committedTotal: Counter<'disposition'>;
  private readonly lagSeconds: Histogram;
  private readonly bad: Counter<'why'>;
  private readonly overloads: Counter;

  private readonly lately = new RecentCounts();

  constructor(
    metrics: Metrics,
    private readonly queue: ReportQueue,
  ) {
    const registers = [metrics.registry];
    this.committedTotal = new Counter({
      name: 'drydock_reports_committed_total',
      help: 'Reports committed, by whether they were accepted.',
      labelNames: ['disposition'],
      registers,
    });
    this.lagSeconds = new Histogram({
      name: 'drydock_report_lag_seconds',
      help: 'From the arrival of a batch until it was committed.',
      buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2, 5],
      registers,
    });
    this.bad = new Counter({
      name: 'drydock_report_messages_refused_total',
      help: 'Messages on the reports topic that were not even read, by reason.',
      labelNames: ['why'],
      registers,
    });
    this.overloads = new Counter({
      name: 'drydock_report_overloads_total',
      help: 'Batches that were sent back because too many waited.',
      registers,
    });
    const { lately } = this;
    new Gauge({
      name: 'drydock_report_newest_age_seconds',
      help: 'Since this server committed a report last; NaN before the first.',
      registers,
      collect() {
        const { newestAgeMs } = lately.read(performance.now());
        this.set(newestAgeMs === null ? Number.NaN : newestAgeMs / 1000);
      },
    });
    new Gauge({
      name: 'drydock_reports_waiting',
      help: 'Reports that wait for their commit in this server.',
      registers,
      collect() {
        this.set(queue.depth);
      },
    });
  }

  /** What came in lately, of this server. */
  recent(): RecentReports {
    return { ...this.lately.read(performance.now()), waiting: this.queue.depth };
  }

  committed(taken: number, refused: number): void {
    this.lately.committed(performance.now(), taken);
    this.committedTotal.inc({ disposition: 'accepted' }, taken - refused);
    if (refused > 0) this.committedTotal.inc({ disposition: 'refused' }, refused);
  }

  lag(seconds: number): void {
    this.lately.lag(performance.now(), seconds * 1000);
    this.lagSeconds.observe(seconds);
  }

  badMessage(why: string): void {
    this.bad.inc({ why });
  }

  overloaded(): void {
    this.overloads.inc();
  }
}
