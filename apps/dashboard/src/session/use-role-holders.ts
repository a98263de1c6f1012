/** Whom to ask: who may do what asks for a role, for those who may not. */
import { answerOf } from '@drydock/api-client';
import { useQuery } from '@tanstack/react-query';
import { reading } from '../data/api.js';
import type { Role } from './session-store.js';

const ASKED_ANEW_MS = 5 * 60_000;

/** @returns "R. Lind, M. Okafor and 3 more"; empty while it is not known, or where it is not asked. */
export function useRoleHolders(role: Role, asked: boolean): string {
  const holders = useQuery({
    queryKey: ['role-holders', role],
    enabled: asked,
    staleTime: ASKED_ANEW_MS,
    queryFn: () => answerOf(reading.GET('/api/v1/roles/{role}/people', { params: { path: { role } } })),
  }).data;
  if (!holders || holders.names.length === 0) return '';
  return `${holders.names.join(', ')}${holders.more > 0 ? ` and ${holders.more} more` : ''}`;
}
