/** What an event makes old is read anew: at most once a second for each campaign's numbers, more slowly for the rest. */
import type { QueryClient } from '@tanstack/react-query';
import { live } from './live-link.js';

const NUMBERS_EVERY_MS = 1_000;
const PARTS_EVERY_MS = 3_000;

const LISTS = ['campaigns', 'overview', 'approvals'];

/**
 * Reads anew what nobody is reading at this moment. What is being read is left to end: a slow server would otherwise never
 * come to answer. But its answer may be older than the event, so it is read once more afterwards.
 * @returns whether it is done; else to be tried again.
 */
export function renew(client: QueryClient, queryKey: readonly string[]): boolean {
  if (client.isFetching({ queryKey }) > 0) return false;
  void client.invalidateQueries({ queryKey });
  return true;
}

/** @returns a function that ends it. */
export function followQueries(client: QueryClient): () => void {
  const campaigns = new Set<string>();
  const parts = new Set<string>();
  const lists = new Set<string>();
  let wasAway = true;
  const unsubscribe = live.onNews((news) => {
    if ('link' in news) {
      if (news.link === 'live' && wasAway) void client.invalidateQueries({ refetchType: 'active' });
      wasAway = news.link === 'away';
      return;
    }
    if (news.event.type === 'campaign' || news.event.type === 'decision') {
      campaigns.add(news.event.campaignId);
      parts.add(news.event.campaignId);
      for (const list of LISTS) lists.add(list);
    }
  });
  const numbers = setInterval(() => {
    for (const id of campaigns) if (renew(client, ['campaign', id])) campaigns.delete(id);
  }, NUMBERS_EVERY_MS);
  const rest = setInterval(() => {
    for (const id of parts) if (renew(client, ['campaign-part', id])) parts.delete(id);
    for (const list of lists) if (renew(client, [list])) lists.delete(list);
  }, PARTS_EVERY_MS);
  return () => {
    unsubscribe();
    clearInterval(numbers);
    clearInterval(rest);
  };
}
