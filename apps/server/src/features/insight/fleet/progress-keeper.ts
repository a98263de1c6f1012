/** The last that agents said of their transfers, for a page that is opened in the middle of one. Bounded, and never the truth. */
import { Injectable, type OnModuleInit } from '@nestjs/common';
import { Gauge, type Registry } from 'prom-client';
import type { DeviceNow } from '@drydock/contracts';
import { ProgressHandler } from '../../reports/progress.handler.js';
import { Metrics } from '../health/metrics.js';
import { withSample, type Sample } from './progress-samples.js';

type Progress = NonNullable<NonNullable<DeviceNow['deployment']>['progress']>;

interface Kept {
  sentBytes: number;
  totalBytes: number;
  atMs: number;
  bytesPerSecond: number | null;
  samples: readonly Sample[];
}

const MOST_KEPT = 20_000;
/** A transfer that was not heard of for so long says nothing about now. */
const STALE_MS = 60_000;

@Injectable()
export class ProgressKeeper implements OnModuleInit {
  private readonly kept = new Map<string, Kept>();

  constructor(
    private readonly handler: ProgressHandler,
    metrics: Metrics,
  ) {
    this.measure(metrics.registry);
  }

  onModuleInit(): void {
    this.handler.on(({ deploymentId, sentBytes, totalBytes }) =>
      this.take(deploymentId, sentBytes, totalBytes, Date.now()),
    );
  }

  /** @param nowMs of this machine's clock. */
  take(deploymentId: string, sentBytes: number, totalBytes: number, nowMs: number): void {
    const before = this.kept.get(deploymentId);
    const ms = before ? nowMs - before.atMs : 0;
    const bytesPerSecond =
      before && ms > 0 && sentBytes >= before.sentBytes
        ? ((sentBytes - before.sentBytes) * 1000) / ms
        : (before?.bytesPerSecond ?? null);
    // Put anew, so that the first of the map is the one that was not heard of for longest.
    this.kept.delete(deploymentId);
    this.kept.set(deploymentId, {
      sentBytes,
      totalBytes,
      atMs: nowMs,
      bytesPerSecond,
      samples: withSample(before?.samples ?? [], { atMs: nowMs, sentBytes }),
    });
    const [oldest] = this.kept.keys();
    if (this.kept.size > MOST_KEPT && oldest !== undefined) this.kept.delete(oldest);
  }

  of(deploymentId: string): Progress | null {
    const kept = this.kept.get(deploymentId);
    if (!kept || Date.now() - kept.atMs > STALE_MS) return null;
    return {
      sentBytes: kept.sentBytes,
      totalBytes: kept.totalBytes,
      at: new Date(kept.atMs).toISOString(),
      bytesPerSecond: kept.bytesPerSecond,
      samples: [...kept.samples],
    };
  }

  /** @returns transfers heard of in the last minute, and the bytes a second of all of them. */
  rates(nowMs: number): { transfers: number; bytesPerSecond: number } {
    let [transfers, bytesPerSecond] = [0, 0];
    for (const [id, kept] of this.kept) {
      if (nowMs - kept.atMs > STALE_MS) {
        this.kept.delete(id);
        continue;
      }
      if (kept.sentBytes >= kept.totalBytes) continue;
      transfers += 1;
      bytesPerSecond += kept.bytesPerSecond ?? 0;
    }
    return { transfers, bytesPerSecond };
  }

  private measure(registry: Registry): void {
    const read = (): { transfers: number; bytesPerSecond: number } => this.rates(Date.now());
    new Gauge({
      name: 'drydock_transfers',
      help: 'Transfers to devices that agents spoke of to this server in the last minute and that are not complete.',
      registers: [registry],
      collect() {
        this.set(read().transfers);
      },
    });
    new Gauge({
      name: 'drydock_transfer_bytes_per_second',
      help: 'Bytes a second of all those transfers together.',
      registers: [registry],
      collect() {
        this.set(read().bytesPerSecond);
      },
    });
  }
}
