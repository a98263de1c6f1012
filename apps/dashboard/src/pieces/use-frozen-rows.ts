/** While somebody is in a table its rows stay where they are: cells change in place, new rows wait behind "37 newer". */
import { useRef, useState } from 'react';

/**
 * @param frozen whether the order must not change now.
 * @returns the rows to show, how many more wait, and a function that lets them in.
 */
export function useFrozenRows<T>(
  rows: readonly T[],
  keyOf: (row: T) => string,
  frozen: boolean,
): { shown: readonly T[]; newer: number; letIn: () => void } {
  const order = useRef<readonly string[]>([]);
  const kept = useRef(new Map<string, T>());
  const [, redraw] = useState(0);
  const result = frozen ? mergeFrozen(order.current, kept.current, rows, keyOf) : { shown: rows, newer: 0 };
  order.current = result.shown.map(keyOf);
  kept.current = new Map(result.shown.map((row) => [keyOf(row), row]));
  return {
    ...result,
    letIn: () => {
      order.current = [];
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
