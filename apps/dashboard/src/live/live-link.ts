/**
 * One stream of events per browser: the visible tab that holds the lock reads it and tells the others by a channel. Without
 * Web Locks (plain http from another machine) each tab reads its own. Hidden tabs read nothing.
 */
import { ApiProblemError, watchEvents } from '@drydock/api-client';
import { session } from '../session/session-store.js';
import { hear, NOTHING_HEARD, type LiveNews, type LiveState } from './live-store.js';

const LOCK = 'drydock-live';
const CHANNEL = 'drydock-live';

type Listener = (news: LiveNews) => void;

let state: LiveState = NOTHING_HEARD;
const stateListeners = new Set<() => void>();
const newsListeners = new Set<Listener>();

export const live = {
  state: (): LiveState => state,
  subscribe(listener: () => void): () => void {
    stateListeners.add(listener);
    return () => stateListeners.delete(listener);
  },
  /** Every event, in the tab that reads and in those that listen. */
  onNews(listener: Listener): () => void {
    newsListeners.add(listener);
    return () => newsListeners.delete(listener);
  },
};

function take(news: LiveNews): void {
  state = hear(state, news, Date.now());
  for (const listener of newsListeners) listener(news);
  for (const listener of stateListeners) listener();
}

/** Begins to listen while this tab is visible. @returns a function that ends it. */
export function openLiveLink(): () => void {
  let turn: AbortController | undefined;
  const channel = new BroadcastChannel(CHANNEL);
  const begin = () => {
    if (turn || document.visibilityState === 'hidden') return;
    const own = new AbortController();
    turn = own;
    void follow(own.signal, channel).finally(() => {
      if (turn === own) turn = undefined;
    });
  };
  const end = () => {
    turn?.abort();
    turn = undefined;
  };
  channel.onmessage = (message: MessageEvent<LiveNews>) => {
    if (turn) take(message.data);
  };
  const onVisibility = () => (document.visibilityState === 'hidden' ? end() : begin());
  document.addEventListener('visibilitychange', onVisibility);
  // A stream that was refused goes on when somebody has signed in again.
  const unsubscribe = session.subscribe(() => {
    if (session.current() && !session.isEnded()) begin();
  });
  begin();
  return () => {
    unsubscribe();
    document.removeEventListener('visibilitychange', onVisibility);
    end();
    channel.close();
  };
}

async function follow(signal: AbortSignal, channel: BroadcastChannel): Promise<void> {
  // Coming back counts as a new connection also where another tab goes on reading: what was missed is read anew.
  take({ link: 'live' });
  const read = () => readStream(signal, channel);
  try {
    if (!navigator.locks) await read();
    else await navigator.locks.request(LOCK, { signal }, read);
  } catch {
    // The turn ended while it waited for the lock.
  }
}

async function readStream(signal: AbortSignal, channel: BroadcastChannel): Promise<void> {
  const tell = (news: LiveNews) => {
    if (signal.aborted) return;
    take(news);
    channel.postMessage(news);
  };
  try {
    for await (const event of watchEvents({ baseUrl: '', signal, onState: (link) => tell({ link }) })) tell({ event });
  } catch (error) {
    if (error instanceof ApiProblemError && error.status === 401) session.ended();
    tell({ link: 'away' });
  }
}
