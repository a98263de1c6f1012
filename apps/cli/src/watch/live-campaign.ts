/**
 * A campaign as it is now, again and again: told by the server's events, asked anew at most once a second, and asked by the
 * clock where no events come.
 */
import { watchEvents } from '@drydock/api-client';
import { cleanDeep } from '../output/clean.js';
import type { Api } from '../api/connect.js';
import type { Campaign } from '../commands/campaign/sentences.js';

/** Between two questions. */
const LEAST_MS = 1_000;
/** Without events: the live connection may be dead and not know it. */
const ALIVE_EVERY_MS = 15_000;
const AWAY_EVERY_MS = 3_000;

export type Live =
  | { readonly kind: 'campaign'; readonly campaign: Campaign }
  | { readonly kind: 'decision'; readonly decision: string; readonly params: Readonly<Record<string, unknown>> }
  /** The server did not answer; what was shown is of then. */
  | { readonly kind: 'away' };

/** @throws what the first question throws, and when the server refuses; silence later is told as `away`. */
export async function* liveCampaign(api: Api, id: string, signal: AbortSignal): AsyncGenerator<Live> {
  const waiting: Live[] = [];
  const bell = new Bell();
  let isLive = false;
  let asksNow = true;
  let refusal: unknown;
  // Ends with the signal.
  void (async () => {
    const stream = watchEvents({
      baseUrl: api.baseUrl,
      token: api.token,
      signal,
      onState: (state) => {
        isLive = state === 'live';
        // What was missed meanwhile is read anew.
        asksNow = true;
        bell.ring();
      },
    });
    for await (const event of stream) {
      if (event.type === 'progress' || event.type === 'pulse' || event.campaignId !== id) continue;
      if (event.type === 'decision')
        waiting.push({ kind: 'decision', decision: event.kind, params: cleanDeep(event.params) });
      asksNow = true;
      bell.ring();
    }
  })().catch((error: unknown) => {
    refusal = error;
    bell.ring();
  });
  let first = true;
  while (!signal.aborted) {
    asksNow = false;
    const askedAt = performance.now();
    let campaign: Campaign | undefined;
    try {
      campaign = await api.ask(api.client.GET('/api/v1/campaigns/{id}', { params: { path: { id } }, signal }));
    } catch (error) {
      if (first || signal.aborted || refusal !== undefined || isRefusal(error)) throw refusal ?? error;
    }
    yield* waiting.splice(0);
    yield campaign ? { kind: 'campaign', campaign } : { kind: 'away' };
    first = false;
    const rest = LEAST_MS - (performance.now() - askedAt);
    if (rest > 0) await bell.wait(rest, signal, () => false);
    await bell.wait(isLive ? ALIVE_EVERY_MS : AWAY_EVERY_MS, signal, () => asksNow);
    if (refusal !== undefined) throw refusal;
  }
}

const isRefusal = (error: unknown): boolean => {
  const { status } = error as { status?: unknown };
  return typeof status === 'number' && status >= 400 && status < 500 && status !== 429;
};

/** Waits that something can end early. */
class Bell {
  #wake: (() => void) | undefined;

  ring(): void {
    this.#wake?.();
  }

  /** @param enough asked at each ring. */
  wait(ms: number, signal: AbortSignal, enough: () => boolean): Promise<void> {
    if (signal.aborted || enough()) return Promise.resolve();
    return new Promise((resolve) => {
      const end = () => {
        clearTimeout(timer);
        signal.removeEventListener('abort', end);
        this.#wake = undefined;
        resolve();
      };
      const timer = setTimeout(end, ms);
      signal.addEventListener('abort', end);
      this.#wake = () => {
        if (enough()) end();
      };
    });
  }
}
