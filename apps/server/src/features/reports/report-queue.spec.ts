/** Room in memory: what one gateway may take of it, what all may, and that it comes back. */
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { randomUUID } from 'node:crypto';
import { until } from '../fleet/fleet.fixture.js';
import type { CommitResult, IncomingBatch, ReportCommitter } from './report-committer.js';
import { OverloadedError, ReportQueue } from './report-queue.js';

/** Commits when it is told to. */
class SlowCommitter {
  readonly groups: (readonly IncomingBatch[])[] = [];
  private held: (() => void)[] = [];
  open = false;

  async commit(batches: readonly IncomingBatch[]): Promise<CommitResult> {
    this.groups.push(batches);
    if (!this.open) await new Promise<void>((resolve) => this.held.push(resolve));
    return {
      batches: batches.map(({ batch }) => ({ kind: 'take' as const, cursor: batch.firstSeq, reign: 1, unapplied: [] })),
      campaigns: [],
      taken: 0,
      refused: 0,
      ahead: new Map(),
      contradicted: [],
    };
  }

  letGo(): void {
    this.open = true;
    for (const go of this.held.splice(0)) go();
  }
}

const EPOCH = 'ab'.repeat(16);
function batchOf(gatewayId: string, count: number, firstSeq = 1): IncomingBatch {
  const reports = Array.from({ length: count }, (_, index) => ({ seq: firstSeq + index, kind: 'x', bodyJson: '{}' }));
  return {
    origin: { orgId: 'org', gatewayId, epoch: EPOCH, of: EPOCH },
    batch: { of: EPOCH, firstSeq, reports },
  };
}

describe('the queue of reports', () => {
  let committer: SlowCommitter;
  let queue: ReportQueue;
  const going: Promise<unknown>[] = [];
  beforeEach(() => {
    committer = new SlowCommitter();
    queue = new ReportQueue(committer as unknown as ReportCommitter);
  });
  afterEach(async () => {
    committer.letGo();
    await Promise.all(going.splice(0));
    await queue.onModuleDestroy();
  });
  const push = (batch: IncomingBatch): void => void going.push(queue.push(batch));

  it('takes 2 000 reports of one gateway at a time, and those of others beside them', async () => {
    const greedy = randomUUID();
    for (let n = 0; n < 8; n++) push(batchOf(greedy, 250, 1 + n * 250));
    await expect(queue.push(batchOf(greedy, 1, 2_001))).rejects.toThrow(OverloadedError);
    push(batchOf(randomUUID(), 250));
    expect(queue.depth).toBe(2_250);
  });

  it('takes one batch of a gateway whatever its size, so that none is refused for ever', async () => {
    const gateway = randomUUID();
    push(batchOf(gateway, 3_000));
    await expect(queue.push(batchOf(gateway, 1, 3_001))).rejects.toThrow(OverloadedError);
  });

  it('takes 40 000 of all, says when to come back, and has room again after the commit', async () => {
    for (let n = 0; n < 20; n++) push(batchOf(randomUUID(), 2_000));
    const late = randomUUID();
    const refused = await queue.push(batchOf(late, 1)).catch((error: unknown) => error);
    expect(refused).toBeInstanceOf(OverloadedError);
    expect((refused as OverloadedError).retryAfterMs).toBeGreaterThanOrEqual(500);
    expect((refused as OverloadedError).retryAfterMs).toBeLessThanOrEqual(300_000);
    committer.letGo();
    await until(() => queue.depth === 0);
    await expect(queue.push(batchOf(late, 1))).resolves.toMatchObject({ kind: 'take' });
  });

  it('gives a gateway its room back and keeps its order, with one group of it under way', async () => {
    const gateway = randomUUID();
    push(batchOf(gateway, 1_200, 1));
    await until(() => committer.groups.length === 1);
    push(batchOf(gateway, 400, 1_201));
    push(batchOf(gateway, 400, 1_601));
    await new Promise((resolve) => setImmediate(resolve));
    expect(committer.groups).toHaveLength(1);
    committer.letGo();
    await until(() => queue.depth === 0);
    expect(committer.groups.map((group) => group.map(({ batch }) => batch.firstSeq))).toEqual([[1], [1_201, 1_601]]);
    await expect(queue.push(batchOf(gateway, 2_000, 2_001))).resolves.toMatchObject({ kind: 'take' });
  });

  it('gives everybody whom it sends away a time of their own, so that they do not come back together', async () => {
    const sentAway: { readonly backAtMs: number; readonly retryAfterMs: number }[] = [];
    for (let n = 0; n < 1_000; n++) {
      const askedAtMs = performance.now();
      going.push(
        queue.push(batchOf(randomUUID(), 240)).catch((error: unknown) => {
          if (!(error instanceof OverloadedError)) throw error;
          sentAway.push({ backAtMs: askedAtMs + error.retryAfterMs, retryAfterMs: error.retryAfterMs });
        }),
      );
    }
    committer.letGo();
    await Promise.all(going);
    expect(sentAway.length).toBeGreaterThan(800);
    // 5 000 a second is what it begins with: 240 reports take 48 ms.
    const spreadMs = sentAway.at(-1)!.backAtMs - sentAway[0]!.backAtMs;
    expect(spreadMs).toBeGreaterThan((sentAway.length - 1) * 48 - 1_000);
    // The first of them comes when what waits now is through, and nobody is sent away for longer than this.
    expect(sentAway[0]!.retryAfterMs).toBeLessThan(10_000);
    expect(Math.max(...sentAway.map(({ retryAfterMs }) => retryAfterMs))).toBeLessThanOrEqual(300_000);
  });
});
