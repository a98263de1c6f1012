/** Fields and values that the server knows for filters. */
import { answerOf, ApiProblemError } from '@drydock/api-client';
import { queryOptions, useQuery } from '@tanstack/react-query';
import type { FilterField } from '../pieces/filter-bar.js';
import { reading } from './api.js';

type Scope = 'device' | 'member' | 'campaign';

/** @param scope `device`: the fleet; `member`: devices of a campaign, with their state, stage and code; `campaign`: campaigns. */
export const filterFieldsQuery = (scope: Scope) =>
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

/** The same of campaigns. */
export async function campaignFilterValues(
  field: string,
  prefix: string,
): Promise<{ value: string; count: number | null }[]> {
  const query = { field, prefix, scope: 'campaign' as const };
  return (await answerOf(reading.GET('/api/v1/filter/values', { params: { query } }))).items;
}

/** Fields of a scope as a filter bar takes them; none while they are on their way. */
export function useFilterFields(scope: Scope): readonly FilterField[] {
  const { data } = useQuery(filterFieldsQuery(scope));
  return (data ?? []).map(({ field, operators, example }) => ({ name: field, operators, hint: `e.g. ${example}` }));
}

/** What the server says against a filter; undefined where the error is about something else. */
export function filterFault(error: unknown): string | undefined {
  if (!(error instanceof ApiProblemError) || (error.status !== 400 && error.status !== 422)) return undefined;
  const places = error.problem.errors?.filter(({ path }) => path.endsWith('filter')) ?? [];
  return places.length === 0 ? undefined : places.map(({ message }) => message).join(' ');
}
