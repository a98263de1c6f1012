import { answerOf } from '@drydock/api-client';
import type { Webhook, WebhookDeliveryDetail } from '@drydock/contracts';
import { queryOptions } from '@tanstack/react-query';
import { reading } from '../../data/api.js';
import { pollEvery } from '../../data/query-client.js';

export const webhooksQuery = queryOptions({
  queryKey: ['webhooks'],
  queryFn: () => answerOf(reading.GET('/api/v1/webhooks', { params: { query: { limit: 500 } } })),
  refetchInterval: pollEvery(10_000),
});

export const webhookQuery = (id: string) =>
  queryOptions({
    queryKey: ['webhooks', id],
    queryFn: (): Promise<Webhook> => answerOf(reading.GET('/api/v1/webhooks/{id}', { params: { path: { id } } })),
    refetchInterval: pollEvery(5_000),
  });

export const deliveryQuery = (id: string, delivery: string) =>
  queryOptions({
    queryKey: ['webhooks', id, 'delivery', delivery],
    queryFn: (): Promise<WebhookDeliveryDetail> =>
      answerOf(reading.GET('/api/v1/webhooks/{id}/deliveries/{delivery}', { params: { path: { id, delivery } } })),
    refetchInterval: pollEvery(5_000),
  });
