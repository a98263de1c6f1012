/** How much waits for a person: beside the rail's entries, and in the tab's title. Shared by all pages. */
import { useQuery } from '@tanstack/react-query';
import { overviewQuery } from '../data/queries.js';

/** Number of campaigns that a person must look at; 0 also where it is not known yet. */
export function useAttention(): number {
  const { data } = useQuery(overviewQuery);
  const states = data?.campaigns;
  return (states?.halted ?? 0) + (states?.['awaiting-approval'] ?? 0);
}
