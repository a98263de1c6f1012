import { answerOf } from '@drydock/api-client';
import { queryOptions } from '@tanstack/react-query';
import { reading } from '../../data/api.js';

const path = (id: string) => ({ params: { path: { id } } });

export const peopleQuery = queryOptions({
  queryKey: ['people', 'list'],
  queryFn: () => answerOf(reading.GET('/api/v1/people', { params: { query: { limit: 500 } } })),
});
export const personQuery = (id: string) =>
  queryOptions({
    queryKey: ['people', 'one', id],
    queryFn: () => answerOf(reading.GET('/api/v1/people/{id}', path(id))),
  });
export const sessionsQuery = (id: string) =>
  queryOptions({
    queryKey: ['people', 'sessions', id],
    queryFn: () => answerOf(reading.GET('/api/v1/people/{id}/sessions', path(id))),
  });
export const tokensQuery = (id: string) =>
  queryOptions({
    queryKey: ['people', 'tokens', id],
    queryFn: () => answerOf(reading.GET('/api/v1/people/{id}/tokens', path(id))),
  });
