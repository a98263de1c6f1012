/** What waits for somebody's name; read by the rail and by the pages of approvals. */
import { answerOf } from '@drydock/api-client';
import { queryOptions, useQuery } from '@tanstack/react-query';
import { reading } from './api.js';

/** Renewed with the lists of campaigns, and now and then where no event tells of it. */
const AT_LEAST_EVERY_MS = 60_000;

export const approvalsQuery = queryOptions({
  queryKey: ['approvals'],
  queryFn: () => answerOf(reading.GET('/api/v1/approvals')),
  refetchInterval: (query) => (query.state.status === 'error' ? 8_000 : AT_LEAST_EVERY_MS),
});

/** How many plans and gates wait for approval; 0 also where it is not known yet. */
export function useApprovalsWaiting(): number {
  return useQuery(approvalsQuery).data?.items.length ?? 0;
}
