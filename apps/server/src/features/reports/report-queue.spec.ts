import { describe, expect, it } from '@jest/globals';
import type { CommitResult, IncomingBatch, ReportCommitter } from './report-committer.js';
import { OverloadedError, ReportQueue } from './report-queue.js';

const batchOf = (gateway: number): IncomingBatch =>
  ({
    origin: { orgId: 'o', gatewayId: `g${gateway}`, epoch: 'e', of: 'e' },
    batch: { of: 'e', firstSeq: 1, reports: Array.from({ length: 240 }, () => ({})) },
  }) as unknown as IncomingBatch;

describe('ReportQueue', () => {
  it('gives everybody whom it sends away a time of his own, so that they do not come back together', async () => {
    let open = (): void => undefined;
    const gate = new Promise<void>((resolve) => (open = resolve));
    const committer = {
      commit: async (group: readonly IncomingBatch[]): Promise<CommitResult> => {
        await gate;
        return { batches: group.map(() => ({ cursor: 240 })) } as unknown as CommitResult;
      },
    } as unknown as ReportCommitter;
    const queue = new ReportQueue(committer);
    const sentAway: { readonly backAtMs: number; readonly retryAfterMs: number }[] = [];
    const pushed = Array.from({ length: 1_000 }, (_, gateway) => {
      const askedAtMs = performance.now();
      return queue.push(batchOf(gateway)).catch((error: unknown) => {
        if (!(error instanceof OverloadedError)) throw error;
        sentAway.push({ backAtMs: askedAtMs + error.retryAfterMs, retryAfterMs: error.retryAfterMs });
      });
    });
    open();
    await Promise.all(pushed);
    await queue.onModuleDestroy();
    expect(sentAway.length).toBeGreaterThan(800);
    // 5 000 a second is what it begins with: 240 reports take 48 ms.
    const spreadMs = sentAway.at(-1)!.backAtMs - sentAway[0]!.backAtMs;
    expect(spreadMs).toBeGreaterThan((sentAway.length - 1) * 48 - 1_000);
    // The first of them comes when what waits now is through, and nobody is sent away for longer than this.
    expect(sentAway[0]!.retryAfterMs).toBeLessThan(10_000);
    expect(Math.max(...sentAway.map(({ retryAfterMs }) => retryAfterMs))).toBeLessThanOrEqual(300_000);
  });
});
