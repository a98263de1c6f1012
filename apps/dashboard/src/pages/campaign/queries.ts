/** What the campaign page asks. `campaign` is renewed each second while it changes, its parts less often. */
import { answerOf } from '@drydock/api-client';
import type { Campaign } from '@drydock/contracts';
import { queryOptions } from '@tanstack/react-query';
import { reading } from '../../data/api.js';
import type { CampaignSearch } from './route.js';

/** The address says the name, which is unique; the API's parts want the id. */
export const campaignIdQuery = (name: string) =>
  queryOptions({
    queryKey: ['campaign-id', name],
    staleTime: Infinity,
    queryFn: async (): Promise<string> =>
      (await answerOf(reading.GET('/api/v1/campaigns-by-name/{name}', { params: { path: { name } } }))).id,
  });

export const campaignQuery = (id: string) =>
  queryOptions({
    queryKey: ['campaign', id],
    queryFn: (): Promise<Campaign> => answerOf(reading.GET('/api/v1/campaigns/{id}', { params: { path: { id } } })),
  });

const path = (id: string) => ({ params: { path: { id } } });

export const brakeQuery = (id: string) =>
  queryOptions({
    queryKey: ['campaign-part', id, 'brake'],
    queryFn: () => answerOf(reading.GET('/api/v1/campaigns/{id}/brake', path(id))),
  });

export const waitingQuery = (id: string) =>
  queryOptions({
    queryKey: ['campaign-part', id, 'waiting'],
    queryFn: () => answerOf(reading.GET('/api/v1/campaigns/{id}/waiting', path(id))),
  });

export const forecastQuery = (id: string) =>
  queryOptions({
    queryKey: ['campaign-part', id, 'forecast'],
    queryFn: () => answerOf(reading.GET('/api/v1/campaigns/{id}/forecast', path(id))),
  });

export const seriesQuery = (id: string) =>
  queryOptions({
    queryKey: ['campaign-part', id, 'series'],
    queryFn: () =>
      answerOf(reading.GET('/api/v1/campaigns/{id}/series', { params: { path: { id }, query: { points: 300 } } })),
  });

export const failureGroupsQuery = (id: string, by: NonNullable<CampaignSearch['by']>) =>
  queryOptions({
    queryKey: ['campaign-part', id, 'failures', by],
    queryFn: () =>
      answerOf(reading.GET('/api/v1/campaigns/{id}/failures/groups', { params: { path: { id }, query: { by } } })),
  });
