/** The time zone in which this person reads times: the browser's, or one that they chose for this browser. */
const STORAGE = 'drydock-zone';

let chosen: string | undefined = read();
const listeners = new Set<() => void>();

function read(): string | undefined {
  try {
    const zone = globalThis.localStorage?.getItem(STORAGE) ?? undefined;
    if (zone !== undefined) new Intl.DateTimeFormat('en', { timeZone: zone });
    return zone;
  } catch {
    // No storage, or a zone that this browser does not know.
    return undefined;
  }
}

export const ownZone = {
  /** Undefined: as the browser says. */
  current: (): string | undefined => chosen,
  choose(zone: string | undefined): void {
    chosen = zone;
    if (zone === undefined) localStorage.removeItem(STORAGE);
    else localStorage.setItem(STORAGE, zone);
    for (const listener of listeners) listener();
  },
  subscribe(listener: () => void): () => void {
    listeners.add(listener);
    return () => listeners.delete(listener);
  },
};
