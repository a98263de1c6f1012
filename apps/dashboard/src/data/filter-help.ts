/** Fields and values that the server knows for filters. */
import { answerOf } from '@drydock/api-client';
import { queryOptions } from '@tanstack/react-query';
import { reading } from './api.js';

/** @param scope `device`: the fleet; `member`: devices of a campaign, with their state, stage and code. */
export const filterFieldsQuery = (scope: 'device' | 'member') =>
  queryOptions({
    queryKey: ['filter-fields', scope],
    staleTime: Infinity,
    queryFn: async () =>
      (await answerOf(reading.GET('/api/v1/filter/fields', { params: { query: { scope } } }))).fields,
  });

/** Values of a field that begin so, with how many devices have them. @param campaign for fields of members. */
export async function filterValues(
  field: string,
  prefix: string,
  campaign?: string,
): Promise<{ value: string; count: number | null }[]> {
  const query = { field, prefix, ...(campaign !== undefined && { campaign }) };
  return (await answerOf(reading.GET('/api/v1/filter/values', { params: { query } }))).items;
}
