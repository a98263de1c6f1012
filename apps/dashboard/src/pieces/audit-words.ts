/** Lines of the audit in words. */
import type { AuditRecord } from '@drydock/contracts';

/** Longest value that is shown in a line; the whole one is in the row's details. */
const LONGEST = 80;

export function auditWho(actor: AuditRecord['actor']): string {
  if (actor.kind === 'person') return actor.name ?? 'a person';
  return actor.name === null ? actor.kind : `${actor.kind} ${actor.name}`;
}

/** "note: odd reports, site: 6f1c…": the parameters on one line. */
export function auditDetail(params: Readonly<Record<string, unknown>>): string {
  return Object.entries(params)
    .filter(([, value]) => value !== undefined && value !== null && value !== '')
    .map(([name, value]) => `${name}: ${shortValue(value)}`)
    .join(', ');
}

function shortValue(value: unknown): string {
  const text = typeof value === 'string' ? value : JSON.stringify(value);
  return text.length > LONGEST ? `${text.slice(0, LONGEST)}…` : text;
}
