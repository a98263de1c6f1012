/** While somebody is in a table its rows stay where they are: cells change in place, new rows wait behind "37 newer". */
import { useRef, useState } from 'react';

interface Merged<T> {
  readonly shown: readonly T[];
  readonly newer: number;
}

/**
 * @param frozen whether the order must not change now.
 * @returns the rows to show, how many more wait, and a function that lets them in.
 */
export function useFrozenRows<T>(
  rows: readonly T[],
  keyOf: (row: T) => string,
  frozen: boolean,
): Merged<T> & { letIn: () => void } {
  const last = useRef<{ rows: readonly T[]; merged: Merged<T> }>(undefined);
  const [, redraw] = useState(0);
  // Lists may be 100 000 rows long: nothing is walked through while they stay the same.
  const before = last.current;
  const merged = !frozen || !before ? { shown: rows, newer: 0 } : before.rows === rows ? before.merged : thaw(before);
  last.current = { rows, merged };

  function thaw({ merged: { shown } }: { merged: Merged<T> }): Merged<T> {
    return mergeFrozen(shown.map(keyOf), new Map(shown.map((row) => [keyOf(row), row])), rows, keyOf);
  }
  return {
    ...merged,
    letIn: () => {
      last.current = undefined;
      redraw((n) => n + 1);
    },
  };
}

/**
 * Rows in the order they had, with their newest content; those that are gone stay as they were last. What comes behind the
 * last row that was shown is a further page and goes on behind; what comes before it is newer and waits.
 */
export function mergeFrozen<T>(
  order: readonly string[],
  kept: ReadonlyMap<string, T>,
  rows: readonly T[],
  keyOf: (row: T) => string,
): { shown: readonly T[]; newer: number } {
  if (order.length === 0) return { shown: rows, newer: 0 };
  const latest = new Map(rows.map((row) => [keyOf(row), row]));
  const known = new Set(order);
  const shown: T[] = [];
  for (const key of order) {
    const row = latest.get(key) ?? kept.get(key);
    if (row !== undefined) shown.push(row);
  }
  let lastKnown = -1;
  rows.forEach((row, index) => {
    if (known.has(keyOf(row))) lastKnown = index;
  });
  let newer = 0;
  rows.forEach((row, index) => {
    if (known.has(keyOf(row))) return;
    if (index > lastKnown) shown.push(row);
    else newer++;
  });
  return { shown, newer };
}
