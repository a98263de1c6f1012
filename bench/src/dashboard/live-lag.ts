/**
 * How long after its commit a report is on the screens of people who watch. Devices that a campaign proved are counted: the
 * n-th that was acknowledged is shown by the first event whose counter is n higher than before.
 */
import type { CommittedBatch } from '../report-background.js';

interface Shown {
  readonly at: number;
  readonly proven: number;
}

export class LiveWatcher {
  readonly shown: Shown[] = [];
  events = 0;
  bytes = 0;
  private readonly stopping = new AbortController();
  private reading: Promise<void> = Promise.resolve();

  static async open(baseUrl: string, token: string, campaignId: string): Promise<LiveWatcher> {
    const watcher = new LiveWatcher();
    const response = await fetch(`${baseUrl}/api/v1/events`, {
      headers: { authorization: `Bearer ${token}` },
      signal: watcher.stopping.signal,
    });
    if (!response.ok || !response.body) throw new Error(`events: ${response.status}`);
    watcher.reading = watcher.read(response.body, campaignId).catch(() => undefined);
    return watcher;
  }

  private async read(body: AsyncIterable<Uint8Array>, campaignId: string): Promise<void> {
    let rest = '';
    for await (const chunk of body) {
      const at = performance.now();
      this.bytes += chunk.byteLength;
      const parts = (rest + Buffer.from(chunk).toString('utf8')).split('\n\n');
      rest = parts.pop() ?? '';
      for (const part of parts) {
        const data = /^data: (.*)$/m.exec(part)?.[1];
        if (data === undefined) continue;
        const event = JSON.parse(data) as { type: string; campaignId?: string; counts?: { proven?: number } };
        if (event.type !== 'campaign' || event.campaignId !== campaignId) continue;
        this.events += 1;
        this.shown.push({ at, proven: event.counts?.proven ?? 0 });
      }
    }
  }

  async close(): Promise<void> {
    this.stopping.abort();
    await this.reading;
  }
}

/** @param before proven devices when the reports began. @returns milliseconds from acknowledged and from sent to shown. */
export function lagsOf(
  committed: readonly CommittedBatch[],
  shown: readonly Shown[],
  before: number,
): { fromCommitMs: number[]; fromSendMs: number[] } {
  const fromCommitMs: number[] = [];
  const fromSendMs: number[] = [];
  const ordered = [...committed].sort((a, b) => a.ackedAt - b.ackedAt);
  let total = before;
  let next = 0;
  for (const { proven, sentAt, ackedAt } of ordered) {
    if (proven === 0) continue;
    total += proven;
    while (next < shown.length && shown[next]!.proven < total) next += 1;
    // What was acknowledged behind the last event is shown by none that was waited for.
    if (next >= shown.length) break;
    // Read between the commit and its acknowledgement: shown before we knew.
    fromCommitMs.push(Math.max(0, shown[next]!.at - ackedAt));
    fromSendMs.push(shown[next]!.at - sentAt);
  }
  return { fromCommitMs, fromSendMs };
}
