/** Keys: what each does is said where it is bound, so the list of keys is always true. */
import { useEffect, useRef } from 'react';

export interface KeyBinding {
  /** `g o`, `P`, `/`, `Mod+k`. */
  readonly keys: string;
  readonly does: string;
  readonly act: () => void;
}

const STORAGE = 'drydock-single-keys';
/** The second key of a pair follows within this time. */
const PAIR_MS = 1_200;

const bound: KeyBinding[][] = [];
let pending: { key: string; atMs: number } | undefined;

/** Everything that can be pressed now, what was bound last first; each key once. */
export function currentKeys(): readonly KeyBinding[] {
  const seen = new Set<string>();
  return bound.flat().filter((binding) => !seen.has(binding.keys) && seen.add(binding.keys));
}

export const singleKeys = {
  on: (): boolean => localStorage.getItem(STORAGE) !== 'off',
  set: (on: boolean): void => localStorage.setItem(STORAGE, on ? 'on' : 'off'),
};

/** Binds keys while the component is on screen. They are off in fields and under dialogs. */
export function useKeys(bindings: readonly KeyBinding[]): void {
  const latest = useRef(bindings);
  latest.current = bindings;
  const names = bindings.map((binding) => `${binding.keys}\n${binding.does}`).join('\n\n');
  useEffect(() => {
    const entry = latest.current.map((binding, index) => ({
      ...binding,
      act: () => latest.current[index]?.act(),
    }));
    bound.unshift(entry);
    return () => {
      bound.splice(bound.indexOf(entry), 1);
    };
  }, [names]);
}

/** Listens for the whole page. @returns a function that ends it. */
export function listenForKeys(): () => void {
  const onKey = (event: KeyboardEvent) => {
    if (event.defaultPrevented || event.isComposing) return;
    if ((event.metaKey || event.ctrlKey) && event.key.toLowerCase() === 'k') {
      run('Mod+k', event);
      return;
    }
    if (event.metaKey || event.ctrlKey || event.altKey || isField(event.target) || !singleKeys.on()) return;
    if (document.querySelector('[aria-modal="true"]')) return;
    const before = pending && performance.now() - pending.atMs < PAIR_MS ? pending.key : undefined;
    pending = undefined;
    if (before !== undefined && run(`${before} ${event.key}`, event)) return;
    if (currentKeys().some(({ keys }) => keys.startsWith(`${event.key} `))) {
      pending = { key: event.key, atMs: performance.now() };
      return;
    }
    run(event.key, event);
  };
  document.addEventListener('keydown', onKey);
  return () => document.removeEventListener('keydown', onKey);
}

function run(keys: string, event: KeyboardEvent): boolean {
  const found = currentKeys().find((binding) => binding.keys === keys);
  if (!found) return false;
  event.preventDefault();
  found.act();
  return true;
}

function isField(target: EventTarget | null): boolean {
  if (!(target instanceof HTMLElement)) return false;
  return target.isContentEditable || /^(?:INPUT|TEXTAREA|SELECT)$/.test(target.tagName);
}
