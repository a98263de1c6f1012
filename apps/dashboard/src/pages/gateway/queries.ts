import { answerOf } from '@drydock/api-client';
import type { GatewayHealth } from '@drydock/contracts';
import { queryOptions } from '@tanstack/react-query';
import { reading } from '../../data/api.js';
import { pollEvery } from '../../data/query-client.js';
import type { GatewayDetail } from '../../data/shapes.js';

const path = (id: string) => ({ params: { path: { id } } });

export const gatewayQuery = (id: string) =>
  queryOptions({
    queryKey: ['gateway', id],
    queryFn: (): Promise<GatewayDetail> => answerOf(reading.GET('/api/v1/gateways/{id}', path(id))),
    refetchInterval: pollEvery(5_000),
  });

export const gatewayHealthQuery = (id: string) =>
  queryOptions({
    queryKey: ['gateway', id, 'health'],
    queryFn: (): Promise<GatewayHealth> => answerOf(reading.GET('/api/v1/gateways/{id}/health', path(id))),
    refetchInterval: pollEvery(5_000),
  });
