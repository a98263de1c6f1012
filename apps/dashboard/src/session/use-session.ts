import type { OwnSession } from '@drydock/contracts';
import { useSyncExternalStore } from 'react';
import { mayDo, session } from './session-store.js';

export function useSession(): OwnSession | null | undefined {
  return useSyncExternalStore(session.subscribe, session.current);
}

export function useSessionEnded(): boolean {
  return useSyncExternalStore(session.subscribe, session.isEnded);
}

/** Whether the signed-in person may do what asks for `role`, and the sentence to say where not. */
export function useMayDo(role: OwnSession['person']['roles'][number]): { may: boolean; why: string } {
  const may = mayDo(useSession()?.person.roles, role);
  return { may, why: may ? '' : `You may look at this, but it takes the role ${role}. An admin can give it to you.` };
}
