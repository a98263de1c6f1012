import type { OwnSession } from '@drydock/contracts';
import { useSyncExternalStore } from 'react';
import { mayDo, session, type Role } from './session-store.js';
import { useRoleHolders } from './use-role-holders.js';

export function useSession(): OwnSession | null | undefined {
  return useSyncExternalStore(session.subscribe, session.current);
}

export function useSessionEnded(): boolean {
  return useSyncExternalStore(session.subscribe, session.isEnded);
}

/** Whether the signed-in person may do what asks for `role`, and the sentence to say where not: with whom to ask. */
export function useMayDo(role: Role): { may: boolean; why: string } {
  const current = useSession();
  const may = mayDo(current?.person.roles, role);
  const holders = useRoleHolders(role, !may && current !== null && current !== undefined);
  if (may) return { may, why: '' };
  const whom = holders === '' ? 'An admin can give it to you.' : `These people may: ${holders}.`;
  return { may, why: `You may look at this, but it takes the role ${role}. ${whom}` };
}
