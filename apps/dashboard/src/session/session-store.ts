/** Who is signed in, outside of React so that the client can read it too. */
import type { OwnSession } from '@drydock/contracts';

type Session = OwnSession | null | undefined;
export type Role = OwnSession['person']['roles'][number];

let now: Session;
let isEnded = false;
const listeners = new Set<() => void>();
const tell = () => listeners.forEach((listener) => listener());

export const session = {
  /** `undefined`: not asked yet; `null`: nobody. */
  current: (): Session => now,
  /** It was there and is no more; what is on screen stays, under a dialog. */
  isEnded: (): boolean => isEnded,
  begin(opened: OwnSession): void {
    now = opened;
    isEnded = false;
    tell();
  },
  none(): void {
    now = null;
    isEnded = false;
    tell();
  },
  ended(): void {
    if (!now || isEnded) return;
    isEnded = true;
    tell();
  },
  subscribe(listener: () => void): () => void {
    listeners.add(listener);
    return () => listeners.delete(listener);
  },
};

/** Each role may do what the ones before it may; `approver` stands apart from `operator`. */
const GRANTS: Readonly<Record<string, readonly string[]>> = {
  viewer: ['viewer', 'operator', 'approver', 'admin'],
  operator: ['operator', 'admin'],
  approver: ['approver', 'admin'],
  admin: ['admin'],
};

/** Whether somebody with these roles may do what asks for `wanted`. The server decides; this only says so beforehand. */
export function mayDo(roles: readonly Role[] | undefined, wanted: Role): boolean {
  return (roles ?? []).some((role) => GRANTS[wanted]?.includes(role));
}
