import { answerOf } from '@drydock/api-client';
import { queryOptions } from '@tanstack/react-query';
import { reading } from '../../data/api.js';

/** Exposure is counted from what devices say, which no event tells of: looked at again so often. */
const EVERY_MS = 15_000;
const MOST_SAMPLES = 500;

export const advisoryQuery = (id: string) =>
  queryOptions({
    queryKey: ['advisory', id],
    queryFn: () => answerOf(reading.GET('/api/v1/advisories/{id}', { params: { path: { id } } })),
  });

export const exposureQuery = (id: string) =>
  queryOptions({
    queryKey: ['exposure', id],
    queryFn: () => answerOf(reading.GET('/api/v1/exposure', { params: { query: { advisory: id } } })),
    refetchInterval: EVERY_MS,
  });

/** The newest samples that fit into a plot; `since` moves back no further than they reach. */
export const historyQuery = (id: string) =>
  queryOptions({
    queryKey: ['exposure', id, 'history'],
    queryFn: async () => {
      const samples = [];
      let after: string | undefined;
      // Bounded: what is older than ten pages is left to the API.
      for (let page = 0; page < 10; page++) {
        const answer = await answerOf(
          reading.GET('/api/v1/exposure/history', {
            params: { query: { advisory: id, limit: MOST_SAMPLES, ...(after !== undefined && { after }) } },
          }),
        );
        samples.push(...answer.items);
        after = answer.next;
        if (after === undefined) break;
      }
      return samples;
    },
    refetchInterval: 4 * EVERY_MS,
  });

/** Campaigns that send what mends it, newest first. */
export const answersQuery = (artifacts: readonly string[]) =>
  queryOptions({
    queryKey: ['campaigns', 'answers', ...artifacts],
    queryFn: async () => {
      const pages = await Promise.all(
        artifacts.map((artifact) =>
          answerOf(reading.GET('/api/v1/campaigns', { params: { query: { artifact, limit: 20 } } })),
        ),
      );
      return pages.flatMap(({ items }) => items).sort((a, b) => (a.createdAt < b.createdAt ? 1 : -1));
    },
    enabled: artifacts.length > 0,
  });
