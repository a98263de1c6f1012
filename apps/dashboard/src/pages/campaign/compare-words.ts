/** What stands against one of two filters, and the two groups that a place where failures gather suggests. */
import { ApiProblemError } from '@drydock/api-client';
import type { FailureGroups } from '@drydock/contracts';
import { filterValue } from '../../pieces/filter-text.js';

/** The server's sentences against the filter at this place; undefined where there are none. */
export function faultOf(error: unknown, path: string): string | undefined {
  if (!(error instanceof ApiProblemError)) return undefined;
  const own = (error.problem.errors ?? []).filter((place) => place.path === path);
  return own.length === 0 ? undefined : own.map(({ message }) => message).join(' ');
}

const FIELDS: Readonly<Record<string, string>> = {
  gateway: 'gateway',
  site: 'site',
  model: 'model',
  version: 'from',
};

/** The group against all others; undefined for a place that filters cannot name. */
export function groupsOf(group: FailureGroups['items'][number]['group']): { a: string; b: string } | undefined {
  const field = group === null ? undefined : FIELDS[group.dimension];
  if (group === null || field === undefined || group.name === 'not known') return undefined;
  const value = filterValue(group.name);
  return { a: `${field}==${value}`, b: `${field}!=${value}` };
}
