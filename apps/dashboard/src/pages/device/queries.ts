/** What the page of a device asks. What is being done with it changes by the second, the rest slowly. */
import { answerOf } from '@drydock/api-client';
import type { DeviceConversation, DeviceHistory, DeviceNow } from '@drydock/contracts';
import type { DeviceDetail } from '../../data/shapes.js';
import { queryOptions } from '@tanstack/react-query';
import { reading } from '../../data/api.js';
import { pollEvery } from '../../data/query-client.js';

const path = (id: string) => ({ params: { path: { id } } });

export const deviceQuery = (id: string) =>
  queryOptions({
    queryKey: ['device', id],
    queryFn: (): Promise<DeviceDetail> => answerOf(reading.GET('/api/v1/devices/{id}', path(id))),
    refetchInterval: pollEvery(10_000),
  });

export const deviceNowQuery = (id: string) =>
  queryOptions({
    queryKey: ['device', id, 'now'],
    queryFn: (): Promise<DeviceNow> => answerOf(reading.GET('/api/v1/devices/{id}/now', path(id))),
    refetchInterval: pollEvery(3_000),
  });

export const deviceHistoryPage = (id: string, after: string | undefined): Promise<DeviceHistory> =>
  answerOf(
    reading.GET('/api/v1/devices/{id}/history', {
      params: { path: { id }, query: { limit: 50, ...(after !== undefined && { after }) } },
    }),
  );

export const deviceConversationPage = (id: string, after: string | undefined): Promise<DeviceConversation> =>
  answerOf(
    reading.GET('/api/v1/devices/{id}/conversation', {
      params: { path: { id }, query: { limit: 200, ...(after !== undefined && { after }) } },
    }),
  );
