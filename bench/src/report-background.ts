/** Reports of whole lives at a steady rate beside what a bench measures, each batch noted when it was sent and acknowledged. */
import type { addReportingGateways } from './report-fleet.js';
import { LoadGateway } from './report-load.js';
import { REPORTS_PER_LIFE, ReportStream, type SignedBatch } from './report-stream.js';

export interface BackgroundRate {
  readonly perSecond: number;
  readonly batch: number;
  /** Longest that it goes on; batches are signed ahead for so long. */
  readonly seconds: number;
}

/** One acknowledged batch: how many devices it proved, when it was sent and when it was said to be committed. */
export interface CommittedBatch {
  readonly proven: number;
  readonly sentAt: number;
  readonly ackedAt: number;
}

/** Devices that each of so many gateways needs. */
export const devicesFor = (rate: BackgroundRate, gateways: number): number =>
  Math.ceil((rate.perSecond * rate.seconds) / gateways / REPORTS_PER_LIFE) + rate.batch;

export class ReportBackground {
  readonly committed: CommittedBatch[] = [];
  private stopped = false;
  private sent = 0;
  private readonly startedAt = performance.now();
  private readonly all: Promise<void>;

  private constructor(
    private readonly gateways: readonly LoadGateway[],
    batches: readonly SignedBatch[][],
    rate: BackgroundRate,
  ) {
    const betweenMs = (rate.batch * gateways.length * 1000) / rate.perSecond;
    this.all = Promise.all(
      gateways.map(async (gateway, index) => {
        let due = this.startedAt + (index / gateways.length) * betweenMs;
        let reported = 0;
        for (const batch of batches[index]!) {
          if (this.stopped) return;
          await new Promise((resolve) => setTimeout(resolve, Math.max(0, due - performance.now())));
          due += betweenMs;
          const sentAt = performance.now();
          await gateway.send(batch);
          this.sent += batch.reports;
          const before = Math.floor(reported / REPORTS_PER_LIFE);
          reported += batch.reports;
          const proven = Math.floor(reported / REPORTS_PER_LIFE) - before;
          this.committed.push({ proven, sentAt, ackedAt: performance.now() });
        }
      }),
    ).then(() => undefined);
  }

  static async start(
    server: { readonly baseUrl: string; readonly mqttUrl: string },
    fleet: Awaited<ReturnType<typeof addReportingGateways>>,
    rate: BackgroundRate,
  ): Promise<ReportBackground> {
    const streams = fleet.gateways.map((gateway) => new ReportStream(fleet, gateway));
    await Promise.all(streams.map((stream) => stream.prepare()));
    const each = Math.floor((rate.perSecond * rate.seconds) / fleet.gateways.length / rate.batch);
    const batches = streams.map((stream) => stream.batches(each, rate.batch));
    const gateways: LoadGateway[] = [];
    for (const stream of streams) {
      gateways.push(await LoadGateway.connect(server.baseUrl, server.mqttUrl, fleet, stream));
    }
    return new ReportBackground(gateways, batches, rate);
  }

  /** @returns reports committed a second, since the start. */
  get perSecond(): number {
    return (this.sent / (performance.now() - this.startedAt)) * 1000;
  }

  async stop(): Promise<void> {
    this.stopped = true;
    await this.all;
    for (const gateway of this.gateways) gateway.close();
  }
}
