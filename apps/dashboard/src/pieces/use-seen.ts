/**
 * What the person saw when a dialog opened. The page goes on living under it, and a change is sent with the revision that was
 * seen: another's change meanwhile is refused, told, and only then the base of what is sent next.
 */
import { useState } from 'react';

export interface Seen<T> {
  /** As it was when the dialog opened, or when it was renewed last. */
  readonly seen: T;
  /** As it was when the dialog opened: what was changed is told from this. */
  readonly before: T;
  readonly renew: () => Promise<void>;
}

export function useSeen<T>(now: T, read: () => Promise<T>): Seen<T> {
  const [before] = useState(now);
  const [seen, setSeen] = useState(now);
  return { seen, before, renew: async () => setSeen(await read()) };
}
