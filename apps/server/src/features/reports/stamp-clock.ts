/**
 * The servers' clock is Postgres's; this is an upper bound of it between two looks. Agents add the time since they
 * asked to a stamp and start only while that is before `startBy`, so a stamp may be late but never early.
 */
import { Injectable, Logger, type OnApplicationBootstrap, type OnModuleDestroy } from '@nestjs/common';
import { DataSource } from 'typeorm';
import { queryRows } from '../../adapters/database/rows.js';

const REFRESH_MS = 2_000;
const STALE_MS = 60_000;
/** Drift that a monotonic clock may have against the database's. */
const DRIFT = 500e-6;

interface Sample {
  /** Database's clock as read, and our monotonic clock before it was asked. */
  readonly databaseMs: number;
  readonly askedAt: number;
}

@Injectable()
export class StampClock implements OnApplicationBootstrap, OnModuleDestroy {
  private readonly log = new Logger('StampClock');
  private sample: Sample | undefined;
  private timer: NodeJS.Timeout | undefined;
  private refreshing: Promise<void> | undefined;

  constructor(private readonly source: DataSource) {}

  async onApplicationBootstrap(): Promise<void> {
    await this.refresh();
    this.timer = setInterval(() => void this.refresh(), REFRESH_MS);
  }

  async onModuleDestroy(): Promise<void> {
    clearInterval(this.timer);
    await this.refreshing;
  }

  /** Milliseconds, never before the database's clock; undefined while that has not been read for a minute. */
  upperBoundMs(): number | undefined {
    const sample = this.sample;
    if (!sample) return undefined;
    const age = performance.now() - sample.askedAt;
    return age > STALE_MS ? undefined : Math.ceil(sample.databaseMs + age * (1 + DRIFT));
  }

  async refresh(): Promise<void> {
    this.refreshing ??= this.read().finally(() => (this.refreshing = undefined));
    await this.refreshing;
  }

  private async read(): Promise<void> {
    const askedAt = performance.now();
    try {
      const [row] = await queryRows<{ ms: number }>(
        this.source.manager,
        'select (extract(epoch from clock_timestamp()) * 1000)::float8 as ms',
      );
      this.sample = { databaseMs: row!.ms, askedAt };
    } catch (error) {
      this.log.warn(`the database's clock could not be read: ${String(error)}`);
    }
  }
}
