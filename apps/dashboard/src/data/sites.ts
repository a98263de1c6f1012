/** Sites and models: short lists that forms choose from. */
import { answerOf, itemsOf } from '@drydock/api-client';
import type { Model } from '@drydock/contracts';
import type { Site } from './shapes.js';
import { queryOptions } from '@tanstack/react-query';
import { reading } from './api.js';

/** Of more a form does not make a list. */
const MOST = 2_000;

async function all<T>(
  fetchPage: (after: string | undefined) => Promise<{ readonly items: readonly T[]; readonly next?: string }>,
): Promise<T[]> {
  const found: T[] = [];
  for await (const item of itemsOf(fetchPage)) {
    found.push(item);
    if (found.length >= MOST) break;
  }
  return found;
}
const query = (after: string | undefined) => ({ limit: 500, ...(after !== undefined && { after }) });

export const sitesQuery = queryOptions({
  queryKey: ['sites'],
  queryFn: (): Promise<Site[]> =>
    all((after) => answerOf(reading.GET('/api/v1/sites', { params: { query: query(after) } }))),
});

export const modelsQuery = queryOptions({
  queryKey: ['models'],
  queryFn: (): Promise<Model[]> =>
    all((after) => answerOf(reading.GET('/api/v1/models', { params: { query: query(after) } }))),
});
