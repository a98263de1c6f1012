/** What a filter may say next, as the server tells: its fields with their operators, and values with how many have them. */
import { answerOf, ApiProblemError } from '@drydock/api-client';
import { queryOptions, useQuery } from '@tanstack/react-query';
import type { FilterField } from '../pieces/filter-bar.js';
import { reading } from './api.js';

export type FilterScope = 'device' | 'member';
export interface FilterValue {
  readonly value: string;
  readonly count: number | null;
}

const fieldsQuery = (scope: FilterScope) =>
  queryOptions({
    queryKey: ['filter-fields', scope],
    staleTime: Infinity,
    queryFn: () => answerOf(reading.GET('/api/v1/filter/fields', { params: { query: { scope } } })),
  });

/** Fields of a scope; none while they are on their way. */
export function useFilterFields(scope: FilterScope): readonly FilterField[] {
  const { data } = useQuery(fieldsQuery(scope));
  return (data?.fields ?? []).map(({ field, operators, example }) => ({
    name: field,
    operators,
    hint: `e.g. ${example}`,
  }));
}

/** Values that begin with what was typed. @param campaign needed for state, stage and code of its members. */
export async function askFilterValues(field: string, typed: string, campaign?: string): Promise<FilterValue[]> {
  const answer = await answerOf(
    reading.GET('/api/v1/filter/values', {
      params: { query: { field, prefix: typed, ...(campaign !== undefined && { campaign }) } },
    }),
  );
  return answer.items;
}

/** What the server says against a filter; undefined where the error is about something else. */
export function filterFault(error: unknown): string | undefined {
  if (!(error instanceof ApiProblemError) || (error.status !== 400 && error.status !== 422)) return undefined;
  const places = error.problem.errors?.filter(({ path }) => path.endsWith('filter')) ?? [];
  return places.length === 0 ? undefined : places.map(({ message }) => message).join(' ');
}
