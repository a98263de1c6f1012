/** What is known of the stream of events: whether it flows, how old what it carried is, how transfers go. Pure. */
import type { LiveEvent } from '@drydock/contracts';

/** Without a word of the server for so long, numbers are old. */
export const OLD_AFTER_MS = 5_000;
/** After so long the page says that it is not connected. */
export const AWAY_AFTER_MS = 60_000;
/** Of transfers that nothing was heard of for so long nothing is shown. */
const PROGRESS_KEPT_MS = 30_000;
const MOST_TRANSFERS = 500;

export interface Transfer {
  readonly sentBytes: number;
  readonly totalBytes: number;
  readonly bytesPerSecond: number | undefined;
  readonly atMs: number;
}

export interface LiveState {
  readonly connected: boolean;
  /** Of this browser's clock: when the server was last heard. 0: never. */
  readonly heardAtMs: number;
  /** Server's clock minus this browser's. */
  readonly clockOffsetMs: number;
  /** Server's clock: when the counters were read that are on screen. */
  readonly countersAtMs: number;
  readonly transfers: ReadonlyMap<string, Transfer>;
}

export const NOTHING_HEARD: LiveState = {
  connected: false,
  heardAtMs: 0,
  clockOffsetMs: 0,
  countersAtMs: 0,
  transfers: new Map(),
};

export type LiveNews = { readonly event: LiveEvent } | { readonly link: 'live' | 'away' };

/** @param nowMs of this browser's clock. */
export function hear(state: LiveState, news: LiveNews, nowMs: number): LiveState {
  if ('link' in news) {
    return news.link === 'live' ? { ...state, connected: true, heardAtMs: nowMs } : { ...state, connected: false };
  }
  const heard = { ...state, connected: true, heardAtMs: nowMs };
  const { event } = news;
  if (event.type === 'pulse') {
    return { ...heard, clockOffsetMs: event.serverTimeMs - nowMs, countersAtMs: event.countersAtMs };
  }
  if (event.type !== 'progress') return heard;
  const before = state.transfers.get(event.deploymentId);
  const kept = [...state.transfers].filter(([, transfer]) => nowMs - transfer.atMs < PROGRESS_KEPT_MS);
  const transfers = new Map(kept.slice(-MOST_TRANSFERS + 1));
  transfers.set(event.deploymentId, {
    sentBytes: event.sentBytes,
    totalBytes: event.totalBytes,
    bytesPerSecond: speed(before, event.sentBytes, nowMs),
    atMs: nowMs,
  });
  return { ...heard, transfers };
}

function speed(before: Transfer | undefined, sentBytes: number, nowMs: number): number | undefined {
  if (!before || nowMs <= before.atMs || sentBytes < before.sentBytes) return undefined;
  return ((sentBytes - before.sentBytes) * 1000) / (nowMs - before.atMs);
}

export type Liveness =
  | { readonly kind: 'live' | 'old'; readonly ageMs: number }
  | { readonly kind: 'away'; readonly sinceMs: number | undefined };

/** What the lamp shows. */
export function livenessOf(state: LiveState, nowMs: number): Liveness {
  if (state.heardAtMs === 0) return { kind: 'away', sinceMs: undefined };
  const silentMs = nowMs - state.heardAtMs;
  if (silentMs >= AWAY_AFTER_MS) return { kind: 'away', sinceMs: state.heardAtMs };
  const ageMs = state.countersAtMs === 0 ? silentMs : nowMs + state.clockOffsetMs - state.countersAtMs;
  return { kind: silentMs >= OLD_AFTER_MS ? 'old' : 'live', ageMs: Math.max(0, ageMs) };
}
