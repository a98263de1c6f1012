import { answerOf } from '@drydock/api-client';
import type { DeviceWhy } from '@drydock/contracts';
import { queryOptions } from '@tanstack/react-query';
import { changing, reading } from '../../data/api.js';

/** How many match, and the filter in words. */
export const matchQuery = (filter: string) =>
  queryOptions({
    queryKey: ['devices', 'match', filter],
    queryFn: () => answerOf(changing.POST('/api/v1/devices/filter-preview', { body: { filter } })),
  });

export const deviceWhyQuery = (id: string) =>
  queryOptions({
    queryKey: ['devices', 'why', id],
    queryFn: (): Promise<DeviceWhy> => answerOf(reading.GET('/api/v1/devices/{id}/why', { params: { path: { id } } })),
  });
