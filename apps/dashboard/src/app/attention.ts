/** How much waits for a person: beside the rail's entries, and in the tab's title. Shared by all pages. */
import { useQuery } from '@tanstack/react-query';
import { overviewQuery } from '../data/queries.js';

/** How many things wait for a person; 0 also where it is not known yet. */
export function useAttention(): number {
  return useQuery(overviewQuery).data?.attention.length ?? 0;
}
