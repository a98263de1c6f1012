/** What an event makes old is read anew: at most once a second for each campaign's numbers, more slowly for the rest. */
import type { QueryClient } from '@tanstack/react-query';
import { live } from './live-link.js';

const NUMBERS_EVERY_MS = 1_000;
const PARTS_EVERY_MS = 3_000;

/** @returns a function that ends it. */
export function followQueries(client: QueryClient): () => void {
  const campaigns = new Set<string>();
  let parts = new Set<string>();
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
    }
  });
  const numbers = setInterval(() => {
    if (campaigns.size === 0) return;
    for (const id of campaigns) void client.invalidateQueries({ queryKey: ['campaign', id] });
    campaigns.clear();
  }, NUMBERS_EVERY_MS);
  const rest = setInterval(() => {
    if (parts.size === 0) return;
    for (const id of parts) void client.invalidateQueries({ queryKey: ['campaign-part', id] });
    parts = new Set();
    void client.invalidateQueries({ queryKey: ['campaigns'] });
    void client.invalidateQueries({ queryKey: ['overview'] });
    void client.invalidateQueries({ queryKey: ['approvals'] });
  }, PARTS_EVERY_MS);
  return () => {
    unsubscribe();
    clearInterval(numbers);
    clearInterval(rest);
  };
}
