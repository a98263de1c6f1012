/** Versions of a campaign's plan, asked by its page, by approvals, and where two people changed it at once. */
import { answerOf } from '@drydock/api-client';
import { queryOptions } from '@tanstack/react-query';
import { reading } from '../data/api.js';

export const plansQuery = (id: string) =>
  queryOptions({
    queryKey: ['campaign-part', id, 'plans'],
    queryFn: () => answerOf(reading.GET('/api/v1/campaigns/{id}/plans', { params: { path: { id } } })),
  });

export const storedPlanQuery = (id: string, version: number) =>
  queryOptions({
    queryKey: ['campaign-part', id, 'plans', version],
    queryFn: () =>
      answerOf(reading.GET('/api/v1/campaigns/{id}/plans/{version}', { params: { path: { id, version } } })),
  });

/** What differs now from that version. */
export const planChangesQuery = (id: string, version: number) =>
  queryOptions({
    queryKey: ['campaign-part', id, 'plans', version, 'changes'],
    queryFn: () =>
      answerOf(reading.GET('/api/v1/campaigns/{id}/plans/{version}/changes', { params: { path: { id, version } } })),
  });
