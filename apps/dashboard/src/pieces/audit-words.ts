/** Lines of the audit in words. */
import type { AuditRecord } from '@drydock/contracts';

/** Longest value that is shown in a line; the whole one is in the row's details. */
const LONGEST = 80;

type Params = Readonly<Record<string, unknown>>;

export function auditWho(actor: AuditRecord['actor']): string {
  if (actor.kind === 'person') return actor.name ?? 'a person';
  return actor.name === null ? actor.kind : `${actor.kind} ${actor.name}`;
}

export interface AuditChange {
  readonly name: string;
  readonly before: string;
  readonly after: string;
}

/** What a line changed: `before` of a thing's fields, or the `changed` fields of a plan. */
export function auditChanges(params: Params): AuditChange[] {
  const { before, changed } = params;
  const fields = isRecord(before)
    ? Object.keys(before).map((name) => ({ name, before: valueText(before[name]), after: valueText(params[name]) }))
    : [];
  const lines = (Array.isArray(changed) ? changed : []).flatMap((line: unknown): AuditChange[] =>
    isRecord(line) && typeof line['path'] === 'string'
      ? [{ name: line['path'], before: valueText(line['from']), after: valueText(line['to']) }]
      : [],
  );
  return [...fields, ...lines];
}

/** "zone: UTC → Europe/Oslo, note: odd reports": the parameters on one line, what was changed first. */
export function auditDetail(params: Params): string {
  const changes = auditChanges(params);
  const said = new Set([
    ...changes.map(({ name }) => name),
    ...(isRecord(params['before']) ? ['before'] : []),
    ...(changes.length > 0 ? ['changed'] : []),
  ]);
  return [
    ...changes.map(({ name, before, after }) => `${name}: ${short(before)} → ${short(after)}`),
    ...Object.entries(params)
      .filter(([name, value]) => !said.has(name) && value !== undefined && value !== null && value !== '')
      .map(([name, value]) => `${name}: ${short(valueText(value))}`),
  ].join(', ');
}

const isRecord = (value: unknown): value is Params =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

function valueText(value: unknown): string {
  if (value === undefined || value === null || value === '') return 'none';
  if (isRecord(value) && Object.keys(value).length === 1 && typeof value['note'] === 'string')
    return `“${value['note']}”`;
  return typeof value === 'string' ? value : JSON.stringify(value);
}

const short = (text: string): string => (text.length > LONGEST ? `${text.slice(0, LONGEST)}…` : text);
