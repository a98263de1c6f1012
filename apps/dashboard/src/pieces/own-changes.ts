/** What a person changed in a form, told from what it was when the form opened, so that nobody else's change is undone by it. */
import type { ConflictField } from './conflict.js';

type Values = Readonly<Record<string, unknown>>;

/** @returns the fields of `mine` that say something else than `before` did. */
export function ownChanges<T extends Values>(before: Readonly<Record<keyof T, unknown>>, mine: T): Partial<T> {
  return Object.fromEntries(
    Object.entries(mine).filter(([key, value]) => JSON.stringify(value) !== JSON.stringify(before[key] ?? null)),
  ) as Partial<T>;
}

/** Theirs and mine of the fields that I changed. @param labels as the form names its fields. */
export function conflictFields<T extends Values>(
  mine: T,
  theirs: Readonly<Record<keyof T, unknown>>,
  labels: Readonly<Record<keyof T, string>>,
): ConflictField[] {
  return Object.entries(mine).map(([key, value]) => ({
    label: labels[key]!,
    theirs: valueText(theirs[key]),
    mine: valueText(value),
  }));
}

function valueText(value: unknown): string {
  if (value === null || value === undefined) return '';
  if (Array.isArray(value)) return value.map(valueText).join(', ');
  if (typeof value !== 'object') return String(value);
  return Object.entries(value)
    .map(([key, one]) => (one === '' ? key : `${key}: ${valueText(one)}`))
    .join(', ');
}
